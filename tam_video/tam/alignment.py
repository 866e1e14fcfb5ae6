"""The maps of neighbouring slots, warped along the motion onto each slot.

Owns: following the flow from slot to slot, reading maps between cells, and what is missing. Pure
numpy; the flow itself is found by `motion`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from tam_video.tam.motion import BoolArray, GridFlow
from tam_video.types import FloatArray, IntArray

_Way: TypeAlias = tuple[IntArray, FloatArray, BoolArray]


def aligned_neighbours(
    maps: FloatArray,
    flow: GridFlow | None,
    cuts: BoolArray | None,
    radius: int,
    *,
    tolerance_cells: float | None = None,
) -> tuple[FloatArray, BoolArray]:
    """Bring the maps of neighbouring slots to where their content lies in each slot.

    The flow is followed from slot to slot and the neighbour is read there, bilinearly between its
    cells. Cells outside of the grid or on padding are left out of the mean, its weights
    renormalised; where less than half of the weight is left the neighbour is missing, as it is
    beyond a cut, before the first slot and after the last, and at all later slots of a way that was
    lost. Cells on padding have flow 0 and see one another.

    Args:
        maps: float32 [M, t, h, w].
        flow: motion between the slots; None takes the same cell in all slots.
        cuts: bool [t-1], as of `scene_cuts`; None for no cuts.
        radius: slots to each side, >= 0.
        tolerance_cells: a way is lost where the flow there and back ends farther than this from
            where it began, as at what is covered in the other slot; None trusts every flow.

    Returns:
        float32 [2 * radius + 1, M, t, h, w], entry [radius + d, m, s] the map of slot s + d seen
        from slot s, and bool [2 * radius + 1, t, h, w], where it is present. What is missing is 0
        and must not be read.

    Raises:
        ValueError: shapes don't fit, `radius` is negative, or `tolerance_cells` is not above 0.
    """
    _check_alignment(maps, flow, cuts, radius)
    if tolerance_cells is not None and not tolerance_cells > 0:
        raise ValueError(f"tolerance_cells must be above 0, not {tolerance_cells}")
    shape: tuple[int, int, int] = maps.shape[1:]
    values = np.zeros((2 * radius + 1, *maps.shape), dtype=np.float32)
    present = np.zeros((2 * radius + 1, *shape), dtype=np.bool_)
    cut = np.zeros(shape[0] - 1, dtype=np.bool_) if cuts is None else cuts
    values[radius], present[radius] = maps, True
    for slot in range(shape[0]):
        for step in (-1, 1):
            ways = (
                _still_ways(shape, cut, slot=slot, step=step, radius=radius)
                if flow is None
                else _ways(flow, cut, slot=slot, step=step, radius=radius, limit=tolerance_cells)
            )
            for distance, (corners, weights, seen) in enumerate(ways, start=1):
                place, other = radius + step * distance, slot + step * distance
                planes = maps[:, other].reshape(len(maps), -1)
                values[place, :, slot] = _read(planes, corners, weights).reshape(-1, *shape[1:])
                values[place, :, slot] *= seen
                present[place, slot] = seen
    return values, present


def _still_ways(
    shape: tuple[int, int, int], cuts: BoolArray, *, slot: int, step: int, radius: int
) -> Iterator[_Way]:
    """The same cell of each neighbour up to the next cut or the end of the clip."""
    slots, height, width = shape
    corners = np.arange(height * width)[None]
    weights = np.ones((1, height * width), dtype=np.float32)
    for _ in range(radius):
        pair = slot if step > 0 else slot - 1
        slot += step
        if not 0 <= slot < slots or cuts[pair]:
            return
        yield corners, weights, np.ones((height, width), dtype=np.bool_)


def _ways(
    flow: GridFlow, cuts: BoolArray, *, slot: int, step: int, radius: int, limit: float | None
) -> Iterator[_Way]:
    """For each neighbour: the four cells [4, h*w] that are read, their weights, and where."""
    slots, height, width = flow.shape
    place = np.moveaxis(np.indices((height, width), dtype=np.float32), 0, -1)
    alive = np.ones((height, width), dtype=np.bool_)
    ahead, back = (flow.forward, flow.backward) if step > 0 else (flow.backward, flow.forward)
    for _ in range(radius):
        pair = slot if step > 0 else slot - 1
        slot += step
        if not 0 <= slot < slots or cuts[pair]:
            return
        moved = place + _bilinear(ahead[pair], place)
        if limit is not None:
            home = moved + _bilinear(back[pair], moved)
            alive &= np.square(home - place).sum(axis=-1) <= limit * limit
        place = moved
        corners, weights = _corners(place, flow.in_picture)
        total = weights.sum(axis=0)
        alive &= (total >= 0.5).reshape(height, width)
        weights = np.divide(weights, total, out=np.zeros_like(weights), where=total >= 0.5)
        yield corners, weights, alive.copy()


def _corners(place: FloatArray, in_picture: BoolArray) -> tuple[IntArray, FloatArray]:
    """Flat cells int64 [4, h*w] around each place and their weights, 0 where not to be read.

    A cell of the picture does not read padding, and one of padding does not read the picture.
    """
    height, width = in_picture.shape
    # Far places are drawn near: they stay outside, and their numbers stay whole ones.
    row = np.clip(place[..., 0].ravel(), -2, height + 1)
    column = np.clip(place[..., 1].ravel(), -2, width + 1)
    top, left = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
    down, right = row - top, column - left
    corners = np.zeros((4, row.size), dtype=np.int64)
    weights = np.zeros((4, row.size), dtype=np.float32)
    for number, (dy, dx) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        y, x = top + dy, left + dx
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        corners[number] = np.where(inside, y * width + x, 0)
        alike = in_picture.ravel()[corners[number]] == in_picture.ravel()
        share = (down if dy else 1 - down) * (right if dx else 1 - right)
        weights[number] = share * (inside & alike)
    return corners, weights


def _read(planes: FloatArray, corners: IntArray, weights: FloatArray) -> FloatArray:
    """float32 [M, h*w]: weighted means of cells of [M, h*w], each row within its range."""
    with np.errstate(over="ignore"):
        found = planes[:, corners[0]] * weights[0]
        for cells, weight in zip(corners[1:], weights[1:], strict=True):
            found += planes[:, cells] * weight
    low, high = planes.min(axis=1, keepdims=True), planes.max(axis=1, keepdims=True)
    return np.asarray(np.clip(found, low, high))


def _bilinear(field: FloatArray, place: FloatArray) -> FloatArray:
    """float32 [h, w, 2]: the flow [h, w, 2] at places, those outside taken to the border."""
    height, width = field.shape[:2]
    inside = np.clip(place, 0, (height - 1, width - 1)).astype(np.float32)
    corners, weights = _corners(inside, np.ones((height, width), dtype=np.bool_))
    flat = field.reshape(-1, 2).T
    return np.ascontiguousarray(_read(flat, corners, weights).T).reshape(field.shape)


def _check_alignment(
    maps: FloatArray, flow: GridFlow | None, cuts: BoolArray | None, radius: int
) -> None:
    if maps.ndim != 4 or 0 in maps.shape[1:]:
        raise ValueError(f"maps must be [M, t, h, w], not {list(maps.shape)}")
    if flow is not None and flow.shape != maps.shape[1:]:
        raise ValueError(f"flow is of a grid {flow.shape}, maps of {maps.shape[1:]}")
    if cuts is not None and (cuts.shape != (maps.shape[1] - 1,) or cuts.dtype != np.bool_):
        raise ValueError(f"cuts must be bool [{maps.shape[1] - 1}]")
    if radius < 0:
        raise ValueError(f"radius must be at least 0, not {radius}")
