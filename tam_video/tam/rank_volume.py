"""Denoising of maps by a Gaussian over the ranks of windows in space and time.

Owns: the windows over slots, what is missing in them, and the bound on memory. Each slot alone is
filtered by `rank_filter`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tam_video.tam.alignment import aligned_neighbours
from tam_video.tam.motion import BoolArray, GridFlow
from tam_video.tam.rank_filter import rank_gaussian_filter
from tam_video.types import Float64Array, FloatArray, IntArray

_VALUES_PER_BLOCK = 1 << 19
_NEIGHBOUR_VALUES = 1 << 23


def rank_volume_filter(
    maps: FloatArray,
    *,
    slots: int = 3,
    size: int = 3,
    slot_weight: float = 1.0,
    flow: GridFlow | None = None,
    cuts: BoolArray | None = None,
    tolerance_cells: float | None = None,
) -> FloatArray:
    """The rank Gaussian filter over windows of slots x size x size cells.

    Space is reflected at its borders as in `rank_gaussian_filter`. Time is not: a window at the
    first or last slot, at a cut, or where the flow leaves the picture holds the values there are,
    and the weights are normalised over those. With n values sorted, value i lies at rank
    i - (n - 1) / 2 from the centre; an even n has its centre between two values, and tends to their
    mean as the coefficient of variation goes to 0.

    A value d slots away counts a = slot_weight ** |d|: its rank is where the middle of its count
    lies on the axis of summed counts, and its weight, also in the window's mean and variance, is
    multiplied by a. Of equal values those that count less come first. With all a = 1 that is the
    plain filter; a -> 0 filters each slot alone.

    Source: Li et al., ICCV 2025, arXiv:2506.23270, rank Gaussian filter. Differs: the window's time
    axis, its ragged ends, and the weights; the paper filters each slot alone, as `slots=1` does
    exactly.

    Args:
        maps: float32 [M, t, h, w], finite, >= 0.
        slots: odd window length, in slots.
        size: odd window side, in cells.
        slot_weight: in (0, 1].
        flow: motion along which neighbouring slots are warped first; None takes the same cells.
        cuts: bool [t-1], no window reaches across one; None for no cuts.
        tolerance_cells: see `aligned_neighbours`.

    Returns:
        float32 [M, t, h, w], in the range of `maps`; a constant window comes back unchanged.

    Raises:
        ValueError: shapes don't fit, a window side is even or below 1, or `slot_weight` is out of
            range.
    """
    _check_window(maps, slots=slots, size=size, slot_weight=slot_weight)
    radius = min(slots // 2, maps.shape[1] - 1)
    filtered = np.empty(maps.shape, dtype=np.float32)
    counts = slot_weight ** np.abs(np.arange(-radius, radius + 1)).astype(np.float64)
    for tokens in token_blocks(maps.shape, 2 * radius + 1):
        values, present = aligned_neighbours(
            maps[tokens].astype(np.float32, copy=False),
            flow,
            cuts,
            radius,
            tolerance_cells=tolerance_cells,
        )
        for slot in range(maps.shape[1]):
            seen: IntArray = np.flatnonzero(present[:, slot].any(axis=(1, 2)))
            # A stable sort then has, of equal values, those first that count less.
            seen = seen[np.argsort(counts[seen], kind="stable")]
            if len(seen) == 1:
                filtered[tokens, slot] = rank_gaussian_filter(values[radius, :, slot], size=size)
                continue
            filtered[tokens, slot] = _filter_slot(
                values[seen, :, slot], present[seen, slot], size=size, counts=counts[seen]
            )
    return filtered


def separable_rank_filter(
    maps: FloatArray,
    *,
    slots: int = 3,
    size: int = 3,
    slot_weight: float = 1.0,
    flow: GridFlow | None = None,
    cuts: BoolArray | None = None,
    tolerance_cells: float | None = None,
) -> FloatArray:
    """The rank Gaussian filter over each slot, then over each cell's neighbours in time.

    Args:
        maps: float32 [M, t, h, w], finite, >= 0.
        slots: odd length of the temporal window, in slots.
        size: odd side of the spatial window, in cells.
        slot_weight: as `rank_volume_filter`, of the temporal window.
        flow: as `rank_volume_filter`.
        cuts: as `rank_volume_filter`.
        tolerance_cells: see `aligned_neighbours`.

    Returns:
        float32 [M, t, h, w], in the range of `maps`.

    Raises:
        ValueError: as `rank_volume_filter`.
    """
    _check_window(maps, slots=slots, size=size, slot_weight=slot_weight)
    return rank_volume_filter(
        rank_gaussian_filter(maps, size=size),
        slots=slots,
        size=1,
        slot_weight=slot_weight,
        flow=flow,
        cuts=cuts,
        tolerance_cells=tolerance_cells,
    )


def token_blocks(shape: tuple[int, ...], copies: int) -> Iterator[slice]:
    """Blocks of tokens, of maps [M, t, h, w], whose `copies` fit the bound on memory."""
    per_block = max(1, _NEIGHBOUR_VALUES // (copies * math.prod(shape[1:])))
    for start in range(0, shape[0], per_block):
        yield slice(start, start + per_block)


def _filter_slot(
    values: FloatArray, present: BoolArray, *, size: int, counts: Float64Array
) -> FloatArray:
    """float32 [B, h, w]: one slot out of its n slots [n, B, h, w], those `present` [n, h, w].

    Cells are taken by how many values their windows hold: all tokens miss the same ones.
    """
    num_tokens, height, width = values.shape[1:]
    border = size // 2
    pad = ((border, border), (border, border))
    windows = sliding_window_view(
        np.pad(values, ((0, 0), (0, 0), *pad), mode="reflect"), (size, size), axis=(2, 3)
    ).transpose(1, 2, 3, 0, 4, 5)
    there = (
        sliding_window_view(
            np.pad(present, ((0, 0), *pad), mode="reflect"), (size, size), axis=(1, 2)
        )
        .transpose(1, 2, 0, 3, 4)
        .reshape(height * width, -1)
    )
    value_counts = np.repeat(counts, size * size) if (counts != 1).any() else None
    held = there.sum(axis=1)
    filtered = np.empty((num_tokens, height * width), dtype=np.float32)
    for number in np.unique(held):
        group: IntArray = np.flatnonzero(held == number)
        for cells in _cell_blocks(group, num_tokens * there.shape[1]):
            rows, columns = np.divmod(cells, width)
            block = windows[:, rows, columns].reshape(num_tokens, len(cells), -1)
            if number < there.shape[1]:
                block = np.where(there[cells], block, np.float32(np.inf))
            filtered[:, cells] = (
                _combine(block, held=int(number))
                if value_counts is None
                else _combine_weighted(block, np.where(there[cells], value_counts, 0.0))
            )
    return filtered.reshape(num_tokens, height, width)


def _combine(windows: FloatArray, *, held: int) -> FloatArray:
    """float32 [B, n]: means of windows [B, n, k], of each the `held` smallest values.

    Ranks r and -r weigh q^(r^2) with q = exp(-1 / (2 sigma^2)), so one exponential serves a window:
    from one rank to the next the exponent grows by 1, 3, 5, ... for whole ranks and by 2, 4, 6, ...
    for half ones (counted from r^2 = 1/4, which the normalisation cancels). float64 keeps the
    variance of the smallest and largest float32 values finite.
    """
    windows = np.sort(windows, axis=-1)[..., :held]
    shape = windows.shape[:-1]
    ranks = np.ascontiguousarray(windows.reshape(-1, held).T, dtype=np.float64)
    mean = ranks.mean(axis=0)
    variance = np.square(ranks - mean).mean(axis=0)
    low, high = (held - 1) // 2, held // 2
    with np.errstate(under="ignore"):
        ratio = np.divide(
            np.square(mean), 2 * variance, out=np.zeros_like(mean), where=variance > 0
        )
        power = np.where(variance > 0, np.exp(-ratio), 0)
        step = np.square(power)
        if low != high:
            power = step.copy()
        weight = np.ones_like(mean)
        total = ranks[low].copy() if low == high else ranks[low] + ranks[high]
        weights = np.full_like(mean, 1 + high - low)
        for rank in range(1, low + 1):
            weight = weight * power
            power = power * step
            total += weight * (ranks[low - rank] + ranks[high + rank])
            weights += 2 * weight
    filtered = np.clip(total / weights, ranks[0], ranks[-1])
    return np.asarray(filtered, dtype=np.float32).reshape(shape)


def _combine_weighted(windows: FloatArray, counts: Float64Array) -> FloatArray:
    """float32 [B, n]: means of windows [B, n, k] whose values count [n, k], 0 for those missing."""
    order = np.argsort(windows, axis=-1, kind="stable")
    count = np.take_along_axis(np.broadcast_to(counts, windows.shape), order, axis=-1)
    values = np.take_along_axis(windows, order, axis=-1).astype(np.float64)
    values[count == 0] = 0
    mass = count.sum(axis=-1, keepdims=True)
    mean = (count * values).sum(axis=-1, keepdims=True) / mass
    variance = (count * np.square(values - mean)).sum(axis=-1, keepdims=True) / mass
    places = np.square(np.cumsum(count, axis=-1) - (count + mass) / 2)
    nearest = np.where(count > 0, places, np.inf).min(axis=-1, keepdims=True)
    with np.errstate(under="ignore", over="ignore"):
        ratio = np.divide(
            np.square(mean), 2 * variance, out=np.full_like(mean, np.inf), where=variance > 0
        )
        beyond = np.where(count > 0, places - nearest, 0)
        exponent = np.multiply(beyond, ratio, out=np.zeros_like(places), where=beyond > 0)
        weights = count * np.exp(-exponent)
    found = (weights * values).sum(axis=-1) / weights.sum(axis=-1)
    top = np.where(count > 0, values, 0).max(axis=-1)
    return np.asarray(np.clip(found, values[..., 0], top), dtype=np.float32)


def _cell_blocks(cells: IntArray, values_per_cell: int) -> Iterator[IntArray]:
    per_block = max(1, _VALUES_PER_BLOCK // max(1, values_per_cell))
    for start in range(0, len(cells), per_block):
        yield cells[start : start + per_block]


def _check_window(maps: FloatArray, *, slots: int, size: int, slot_weight: float) -> None:
    if maps.ndim != 4 or 0 in maps.shape[1:]:
        raise ValueError(f"maps must be [M, t, h, w], not {list(maps.shape)}")
    if min(slots, size) < 1 or slots % 2 == 0 or size % 2 == 0:
        raise ValueError(f"window sides must be odd and at least 1, not {slots} and {size}")
    if not 0 < slot_weight <= 1:
        raise ValueError(f"slot_weight must be in (0, 1], not {slot_weight}")
