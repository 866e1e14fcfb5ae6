"""Smooth maps over the temporal slots by a Gaussian along the optical flow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from tam_video.tam.motion import SlotMotion
from tam_video.types import BoolArray, FloatArray, IntArray

_REACH_SIGMAS = 3
_NEIGHBOUR_VALUES = 1 << 23
# Flat cells [4, h*w] to read, their weights, and bool [h, w], where the neighbour is present.
_Reading: TypeAlias = tuple[IntArray, FloatArray, BoolArray]


def temporal_gaussian(
    maps: FloatArray,
    motion: SlotMotion,
    *,
    sigma_slots: float,
    tolerance_cells: float | None = 1.0,
) -> FloatArray:
    """Smooth maps over time by a Gaussian along the optical flow.

    Weights are exp(-d^2 / (2 sigma^2)) for slots at a distance d of up to 3 sigma, normalised over
    the slots that are present: what is missing at the ends, beyond a cut, or outside of the picture
    is left out, not taken as 0.

    Source: ours, on the maps of Li et al., ICCV 2025, arXiv:2506.23270, which has no temporal
    stage.

    Args:
        maps: float32 [M, t, h, w], finite.
        motion: flow and cuts between the slots.
        sigma_slots: width of the Gaussian; 0 changes nothing.
        tolerance_cells: see `aligned_neighbours`.

    Returns:
        float32 [M, t, h, w], in the range of `maps`.
    """
    if maps.ndim != 4 or 0 in maps.shape[1:]:
        raise ValueError(f"maps must be [M, t, h, w], not {list(maps.shape)}")
    if not 0 <= sigma_slots < math.inf:
        raise ValueError(f"sigma_slots must be at least 0 and finite, not {sigma_slots}")
    if sigma_slots == 0:
        return maps.astype(np.float32)
    with np.errstate(over="ignore"):
        distances = np.arange(maps.shape[1]) / sigma_slots
    kernel = np.exp(-np.square(distances[distances <= _REACH_SIGMAS]) / 2).astype(np.float32)
    radius = len(kernel) - 1
    smooth = np.empty(maps.shape, dtype=np.float32)
    for tokens in token_blocks(maps.shape, 2 * radius + 1):
        block = maps[tokens].astype(np.float32, copy=False)
        values, present = aligned_neighbours(block, motion, radius, tolerance_cells=tolerance_cells)
        total = np.zeros(present.shape[1:], dtype=np.float32)
        weighted = np.zeros(block.shape, dtype=np.float32)
        for offset in range(-radius, radius + 1):
            weights = kernel[abs(offset)] * present[radius + offset]
            weighted += values[radius + offset] * weights
            total += weights
        # Rounding must not carry a map out of the range of its values.
        low, high = block.min(axis=(1, 2, 3)), block.max(axis=(1, 2, 3))
        smooth[tokens] = np.clip(
            weighted / total, low[:, None, None, None], high[:, None, None, None]
        )
    return smooth


def token_blocks(shape: tuple[int, ...], copies: int) -> Iterator[slice]:
    """Split maps, [M, t, h, w], into blocks of tokens. `copies` copies of a block fit in memory."""
    per_block = max(1, _NEIGHBOUR_VALUES // (copies * math.prod(shape[1:])))
    for start in range(0, shape[0], per_block):
        yield slice(start, start + per_block)


def aligned_neighbours(
    maps: FloatArray, motion: SlotMotion, radius: int, *, tolerance_cells: float | None = 1.0
) -> tuple[FloatArray, BoolArray]:
    """Warp the maps of neighbouring slots onto each slot along the optical flow.

    The flow is followed from slot to slot and the neighbour is read there by bilinear
    interpolation. Cells outside of the grid or on padding are left out of the mean and its weights
    are normalised again. Where less than half of the weight is left the neighbour is missing, as it
    is beyond a cut, before the first slot and after the last, and at all later slots once the
    content was lost. Cells on padding have flow 0 and read only padding.

    Args:
        maps: float32 [M, t, h, w].
        motion: flow and cuts between the slots.
        radius: slots to each side, >= 0.
        tolerance_cells: content is lost where the forward and backward flow end farther than this
            from the start, as at occlusions; None accepts every flow.

    Returns:
        float32 [2 * radius + 1, M, t, h, w], entry [radius + d, m, s] the map of slot s + d warped
        to slot s, and bool [2 * radius + 1, t, h, w], where it is present. Missing values are 0 and
        must not be read.
    """
    if maps.ndim != 4 or maps.shape[1:] != motion.flow.shape:
        raise ValueError(
            f"maps must be [M, *grid] with grid {motion.flow.shape}, not {list(maps.shape)}"
        )
    if radius < 0:
        raise ValueError(f"radius must be at least 0, not {radius}")
    if tolerance_cells is not None and not tolerance_cells > 0:
        raise ValueError(f"tolerance_cells must be above 0, not {tolerance_cells}")
    num_slots, height, width = motion.flow.shape
    values = np.zeros((2 * radius + 1, *maps.shape), dtype=np.float32)
    present = np.zeros((2 * radius + 1, num_slots, height, width), dtype=np.bool_)
    values[radius], present[radius] = maps, True
    for slot in range(num_slots):
        for step in (-1, 1):
            readings = _readings(motion, slot=slot, step=step, radius=radius, limit=tolerance_cells)
            for distance, (corners, weights, alive) in enumerate(readings, start=1):
                index, other = radius + step * distance, slot + step * distance
                planes = maps[:, other].reshape(len(maps), -1)
                values[index, :, slot] = _read(planes, corners, weights).reshape(-1, height, width)
                values[index, :, slot] *= alive
                present[index, slot] = alive
    return values, present


def _readings(
    motion: SlotMotion, *, slot: int, step: int, radius: int, limit: float | None
) -> Iterator[_Reading]:
    """Follow the flow from `slot` in one direction, and yield the cells to read in each slot."""
    flow = motion.flow
    slots, height, width = flow.shape
    position = np.moveaxis(np.indices((height, width), dtype=np.float32), 0, -1)
    alive = np.ones((height, width), dtype=np.bool_)
    ahead, back = (flow.forward, flow.backward) if step > 0 else (flow.backward, flow.forward)
    for _ in range(radius):
        pair = slot if step > 0 else slot - 1
        slot += step
        if not 0 <= slot < slots or motion.cuts[pair]:
            return
        moved = position + _bilinear(ahead[pair], position)
        if limit is not None:
            home = moved + _bilinear(back[pair], moved)
            alive &= np.square(home - position).sum(axis=-1) <= limit * limit
        position = moved
        corners, weights = _corners(position, flow.in_picture)
        total = weights.sum(axis=0)
        alive &= (total >= 0.5).reshape(height, width)
        weights = np.divide(weights, total, out=np.zeros_like(weights), where=total >= 0.5)
        yield corners, weights, alive.copy()


def _corners(position: FloatArray, in_picture: BoolArray) -> tuple[IntArray, FloatArray]:
    """Return the 4 cells around each position, int64 [4, h*w], and their weights.

    A cell of the picture does not read padding, and one of padding does not read the picture.
    """
    height, width = in_picture.shape
    # Distant positions are clipped: they stay outside, and their cell indices fit int64.
    row = np.clip(position[..., 0].ravel(), -1, height)
    column = np.clip(position[..., 1].ravel(), -1, width)
    top, left = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
    down, right = row - top, column - left
    corners = np.zeros((4, row.size), dtype=np.int64)
    weights = np.zeros((4, row.size), dtype=np.float32)
    for corner, (dy, dx) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        y, x = top + dy, left + dx
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        corners[corner] = np.where(inside, y * width + x, 0)
        alike = in_picture.ravel()[corners[corner]] == in_picture.ravel()
        share = (down if dy else 1 - down) * (right if dx else 1 - right)
        weights[corner] = share * (inside & alike)
    return corners, weights


def _read(planes: FloatArray, corners: IntArray, weights: FloatArray) -> FloatArray:
    """Interpolate each plane from the 4 `corners` of every position: float32 [M, h*w]."""
    with np.errstate(over="ignore"):
        means = planes[:, corners[0]] * weights[0]
        for cells, weight in zip(corners[1:], weights[1:], strict=True):
            means += planes[:, cells] * weight
    low, high = planes.min(axis=1, keepdims=True), planes.max(axis=1, keepdims=True)
    return np.asarray(np.clip(means, low, high))


def _bilinear(field: FloatArray, position: FloatArray) -> FloatArray:
    """Interpolate the flow at positions clipped to the border: float32 [h, w, 2]."""
    height, width = field.shape[:2]
    inside = np.clip(position, 0, (height - 1, width - 1)).astype(np.float32)
    corners, weights = _corners(inside, np.ones((height, width), dtype=np.bool_))
    flat = field.reshape(-1, 2).T
    return np.ascontiguousarray(_read(flat, corners, weights).T).reshape(field.shape)
