"""Denoising of maps by a Gaussian over the ranks of windows in space and time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tam_video.tam.motion import SlotMotion
from tam_video.tam.rank_filter import rank_gaussian_filter
from tam_video.tam.temporal import aligned_neighbours, token_blocks
from tam_video.types import BoolArray, FloatArray, IntArray

_VALUES_PER_BLOCK = 1 << 19


def rank_volume_filter(
    maps: FloatArray,
    motion: SlotMotion,
    *,
    slots: int = 3,
    size: int = 3,
    tolerance_cells: float | None = 1.0,
) -> FloatArray:
    """Apply the rank Gaussian filter to windows of slots x size x size cells.

    Space is reflected at its borders as in `rank_gaussian_filter`. Time is not: a window at the
    first or last slot, at a cut, or where the flow leaves the picture holds the values there are,
    and the weights are normalised over those. With n values sorted, value i lies at rank
    i - (n - 1) / 2 from the centre; an even n has its centre between two values, and tends to their
    mean as the coefficient of variation goes to 0.

    Source: Li et al., ICCV 2025, arXiv:2506.23270, rank Gaussian filter. Differs: the window's time
    axis and its incomplete ends; the paper filters each slot alone, as `slots=1` does exactly.

    Args:
        maps: float32 [M, t, h, w], finite, >= 0.
        motion: flow and cuts between the slots; no window reaches across a cut.
        slots: odd window length, in slots.
        size: odd window side, in cells.
        tolerance_cells: see `aligned_neighbours`.

    Returns:
        float32 [M, t, h, w], in the range of `maps`; a constant window comes back unchanged.

    Raises:
        ValueError: shapes do not fit, or a window side is even or below 1.
    """
    if maps.ndim != 4 or 0 in maps.shape[1:]:
        raise ValueError(f"maps must be [M, t, h, w], not {list(maps.shape)}")
    if min(slots, size) < 1 or slots % 2 == 0 or size % 2 == 0:
        raise ValueError(f"window sides must be odd and at least 1, not {slots} and {size}")
    radius = min(slots // 2, maps.shape[1] - 1)
    filtered = np.empty(maps.shape, dtype=np.float32)
    for tokens in token_blocks(maps.shape, 2 * radius + 1):
        block = maps[tokens].astype(np.float32, copy=False)
        values, present = aligned_neighbours(block, motion, radius, tolerance_cells=tolerance_cells)
        for slot in range(maps.shape[1]):
            slots_here: IntArray = np.flatnonzero(present[:, slot].any(axis=(1, 2)))
            if len(slots_here) == 1:
                filtered[tokens, slot] = rank_gaussian_filter(values[radius, :, slot], size=size)
            else:
                filtered[tokens, slot] = _filter_slot(
                    values[slots_here, :, slot], present[slots_here, slot], size=size
                )
    return filtered


def _filter_slot(values: FloatArray, present: BoolArray, *, size: int) -> FloatArray:
    """float32 [B, h, w]: one slot out of its n slots [n, B, h, w], those `present` [n, h, w].

    Cells are grouped by the number of values in their windows, which is the same for all tokens.
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
    held = there.sum(axis=1)
    filtered = np.empty((num_tokens, height * width), dtype=np.float32)
    for number in np.unique(held):
        group: IntArray = np.flatnonzero(held == number)
        for cells in _cell_blocks(group, num_tokens * there.shape[1]):
            rows, columns = np.divmod(cells, width)
            block = windows[:, rows, columns].reshape(num_tokens, len(cells), -1)
            if number < there.shape[1]:
                block = np.where(there[cells], block, np.float32(np.inf))
            filtered[:, cells] = _combine(block, held=int(number))
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


def _cell_blocks(cells: IntArray, values_per_cell: int) -> Iterator[IntArray]:
    per_block = max(1, _VALUES_PER_BLOCK // max(1, values_per_cell))
    for start in range(0, len(cells), per_block):
        yield cells[start : start + per_block]
