"""Where the things in a cell go from slot to slot, and where the scene changes.

Owns: optical flow at grid resolution and cuts between slots. The only module of the method that
looks at pixels; what is done with the motion is told by `alignment`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tam_video.types import ByteArray, Float64Array, FloatArray, IntArray, View, VisualLayout

FlowMethod: TypeAlias = Literal["dis", "farneback"]
SlotPicture: TypeAlias = Literal["middle", "mean"]
CutMeasure: TypeAlias = Literal["histogram", "difference"]
BoolArray: TypeAlias = NDArray[np.bool_]

# DIS refuses pictures whose sides are both below 12 px, and finds little in those below 32.
_LEAST_SIDE_PX = 32
_CUT_SIDE_PX = 32
_BLOCKS = 4
_BINS = 6
# For each measure: what is never a cut, and what always is one (both in [0, 1]).
_CUT_RANGES = {"histogram": (0.2, 0.4), "difference": (0.08, 0.18)}
_MAD_TO_DEVIATION = 1.4826


@dataclass(frozen=True, slots=True, eq=False)
class GridFlow:
    """Motion between neighbouring slots, in cells.

    Attributes:
        forward: float32 [t-1, h, w, 2], (rows, columns) by which the content of a cell of slot s
            moves until slot s + 1.
        backward: float32 [t-1, h, w, 2], the way of the content of slot s + 1 back to slot s.
        in_picture: bool [h, w], false for cells that lie on padding as a whole; their flow is 0.
    """

    forward: FloatArray
    backward: FloatArray
    in_picture: BoolArray

    def __post_init__(self) -> None:
        shape = self.forward.shape
        if len(shape) != 4 or shape[3] != 2 or 0 in shape[1:] or self.backward.shape != shape:
            raise ValueError(
                f"forward and backward must both be [t-1, h, w, 2], not {list(shape)} and "
                f"{list(self.backward.shape)}"
            )
        if self.in_picture.shape != shape[1:3] or self.in_picture.dtype != np.bool_:
            raise ValueError(f"in_picture must be bool {list(shape[1:3])}")
        if not (np.isfinite(self.forward).all() and np.isfinite(self.backward).all()):
            raise ValueError("flow must be finite")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(t, h, w)."""
        pairs, height, width, _ = self.forward.shape
        return (pairs + 1, height, width)


def grid_flow(
    frames: ByteArray,
    layout: VisualLayout,
    *,
    method: FlowMethod = "dis",
    picture: SlotPicture = "middle",
    long_side_px: int = 256,
) -> GridFlow:
    """Optical flow between neighbouring slots, averaged over each cell.

    Flow is found on whole pictures, also where the grid covers only a part of them, so that what
    enters a crop from outside is followed too. A cell partly on padding averages its part of the
    picture.

    Source: Kroeger et al., ECCV 2016 ("dis", OpenCV's medium preset); Farneback, SCIA 2003.

    Args:
        frames: uint8 [T, H, W, 3], RGB, the sampled frames.
        layout: which frames fed which slot, and the part of the picture under the grid.
        method: "dis" or "farneback".
        picture: what stands for a slot of several frames: its "middle" frame (the later one of
            two), or their "mean", which blurs what moves within the slot.
        long_side_px: the pictures are scaled down to this longer side; at least 32.

    Returns:
        The flow, in cells per slot. One slot gives no pairs.

    Raises:
        ValueError: `frames` is not uint8 [T, H, W, 3], a slot names a frame outside T, or an
            option is unknown or out of range.
    """
    _check_frames(frames, layout)
    if method not in ("dis", "farneback"):
        raise ValueError(f"method must be 'dis' or 'farneback', not {method!r}")
    if picture not in ("middle", "mean"):
        raise ValueError(f"picture must be 'middle' or 'mean', not {picture!r}")
    if long_side_px < _LEAST_SIDE_PX:
        raise ValueError(f"long_side_px must be at least {_LEAST_SIDE_PX}, not {long_side_px}")
    pictures = [
        _grey_picture(frames, slot, picture=picture, long_side_px=long_side_px)
        for slot in layout.frame_slots
    ]
    flow = np.zeros((2, layout.t - 1, layout.h, layout.w, 2), dtype=np.float32)
    rows, columns = _cell_edges(layout, *pictures[0].shape)
    for pair in range(layout.t - 1):
        first, second = pictures[pair], pictures[pair + 1]
        flow[0, pair] = _cell_flow(_pixel_flow(first, second, method), rows, columns, layout)
        flow[1, pair] = _cell_flow(_pixel_flow(second, first, method), rows, columns, layout)
    inside = np.asarray(np.diff(rows) * np.diff(columns).T > 0, dtype=np.bool_)
    return GridFlow(forward=flow[0], backward=flow[1], in_picture=inside)


def scene_cuts(
    frames: ByteArray,
    layout: VisualLayout,
    *,
    measure: CutMeasure = "histogram",
    deviations: float = 6.0,
) -> BoolArray:
    """Between which neighbouring slots the scene changes.

    Neighbouring frames are compared, from the middle frame of one slot to that of the next, and the
    greatest distance counts, so that a cut inside a slot is found as well. The distance is half the
    L1 distance of colour histograms, one for each of 4 x 4 blocks ("histogram": 6 bins a channel,
    soft, so that a slight change of light moves little) or the mean absolute difference of small
    pictures ("difference"); both lie in [0, 1].

    A distance is a cut where it exceeds the clip's median by `deviations` times 1.4826 times the
    median absolute deviation, but never below 0.2 (histogram) or 0.08 (difference), for a still
    clip has no spread, and always above 0.4 or 0.18, for a clip of two slots has no median to
    compare with and one of many cuts has a high one. A fast pan may pass for a cut: then slots are
    filtered alone, while a cut that is missed would mix two scenes.

    Args:
        frames: uint8 [T, H, W, 3], RGB, the sampled frames.
        layout: which frames fed which slot, and the part of the picture that is compared.
        measure: "histogram" or "difference".
        deviations: robust standard deviations above the median, >= 0.

    Returns:
        bool [t-1], true where slot s + 1 shows another scene than slot s.

    Raises:
        ValueError: as `grid_flow`.
    """
    _check_frames(frames, layout)
    if measure not in _CUT_RANGES:
        raise ValueError(f"measure must be 'histogram' or 'difference', not {measure!r}")
    if not deviations >= 0:
        raise ValueError(f"deviations must be at least 0, not {deviations}")
    if layout.t == 1:
        return np.zeros(0, dtype=np.bool_)
    order = [_middle(slot) for slot in layout.frame_slots]
    needed = sorted({n for pair in range(layout.t - 1) for n in _between(layout, pair)})
    small = {n: _small_picture(frames[n], layout.view) for n in needed}
    if measure == "histogram":
        small = {n: _soft_histograms(each) for n, each in small.items()}
    distances = np.zeros(len(order) - 1)
    for pair in range(len(distances)):
        path = _between(layout, pair)
        steps = [np.abs(small[a] - small[b]) for a, b in pairwise(path)]
        distances[pair] = max((_distance(step, measure) for step in steps), default=0)
    return _outstanding(distances, _CUT_RANGES[measure], deviations)


def _grey_picture(
    frames: ByteArray, slot: tuple[int, ...], *, picture: SlotPicture, long_side_px: int
) -> ByteArray:
    """uint8 [H', W']: the slot in grey, scaled down, neither side below what flow needs."""
    import cv2

    height, width = frames.shape[1:3]
    scale = min(1.0, long_side_px / max(height, width))
    size = tuple(max(_LEAST_SIDE_PX, round(side * scale)) for side in (width, height))
    chosen = (_middle(slot),) if picture == "middle" else slot
    smaller = scale < 1 and size == (round(width * scale), round(height * scale))
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    greys = [
        cv2.resize(cv2.cvtColor(frames[n], cv2.COLOR_RGB2GRAY), size, interpolation=way)
        for n in chosen
    ]
    return np.asarray(np.rint(np.mean(greys, axis=0)), dtype=np.uint8)


def _pixel_flow(first: ByteArray, second: ByteArray, method: FlowMethod) -> FloatArray:
    """float32 [H', W', 2], (x, y) in pixels."""
    import cv2

    if method == "dis":
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        found = dis.calc(first, second, np.zeros((*first.shape, 2), np.float32))
    else:
        found = cv2.calcOpticalFlowFarneback(
            first, second, np.zeros((*first.shape, 2), np.float32), 0.5, 5, 15, 3, 5, 1.2, 0
        )
    return np.nan_to_num(np.asarray(found, dtype=np.float32), nan=0, posinf=0, neginf=0)


def _cell_edges(layout: VisualLayout, height: int, width: int) -> tuple[IntArray, IntArray]:
    """int64 [h, 2] and [w, 2]: first and past-the-last pixel of each row and column of cells.

    Both are the same where the cells lie on padding; a cell thinner than a pixel takes one.
    """
    view = layout.view
    return (
        _edges(view.top, view.bottom, count=layout.h, length=height),
        _edges(view.left, view.right, count=layout.w, length=width),
    )


def _edges(start: float, end: float, *, count: int, length: int) -> IntArray:
    exact = (start + (end - start) * np.arange(count + 1) / count) * length
    low, high = exact[:-1], exact[1:]
    outside = (high <= 0) | (low >= length)
    first = np.clip(np.rint(low), 0, length - 1)
    last = np.clip(np.rint(high), first + 1, length)
    return np.stack([first, np.where(outside, first, last)], axis=1).astype(np.int64)


def _cell_flow(
    pixels: FloatArray, rows: IntArray, columns: IntArray, layout: VisualLayout
) -> FloatArray:
    """float32 [h, w, 2]: mean (rows, columns) in cells over each cell's part of the picture."""
    across = _members(columns, pixels.shape[1])
    lines = _members(rows, pixels.shape[0]) @ pixels.reshape(len(pixels), -1)
    totals = across @ lines.reshape(len(rows), -1, 2)
    areas = np.diff(rows) * np.diff(columns).T
    means = np.divide(
        totals, areas[..., None], out=np.zeros_like(totals), where=areas[..., None] > 0
    )
    view, (height, width) = layout.view, pixels.shape[:2]
    cells_per_px = (
        layout.h / ((view.bottom - view.top) * height),
        layout.w / ((view.right - view.left) * width),
    )
    return np.asarray(means[..., ::-1] * cells_per_px, dtype=np.float32)


def _members(edges: IntArray, length: int) -> Float64Array:
    """float64 [n, length]: 1 where a pixel lies in a row or column of cells."""
    places = np.arange(length)
    inside = (places >= edges[:, :1]) & (places < edges[:, 1:])
    return inside.astype(np.float64)


def _middle(slot: tuple[int, ...]) -> int:
    return slot[len(slot) // 2]


def _between(layout: VisualLayout, pair: int) -> list[int]:
    """Numbers of the frames from the middle of slot `pair` to the middle of the next slot."""
    first, second = layout.frame_slots[pair], layout.frame_slots[pair + 1]
    return [*first[len(first) // 2 :], *second[: len(second) // 2 + 1]]


def _small_picture(frame: ByteArray, view: View) -> Float64Array:
    """float64 [32, 32, 3] in [0, 1]: the part of the picture under the grid."""
    import cv2

    height, width = frame.shape[:2]
    top, bottom = _edges(view.top, view.bottom, count=1, length=height)[0]
    left, right = _edges(view.left, view.right, count=1, length=width)[0]
    part = frame[top:bottom, left:right]
    small = cv2.resize(part, (_CUT_SIDE_PX, _CUT_SIDE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float64) / 255


def _soft_histograms(picture: Float64Array) -> Float64Array:
    """float64 [blocks * bins], sum 1: joint colour histograms of the blocks of a small picture.

    A value is shared by the two bins around it in each channel.
    """
    values = picture * (_BINS - 1)
    low = np.minimum(values.astype(np.int64), _BINS - 2)
    upper = values - low
    lines = np.arange(_CUT_SIDE_PX) * _BLOCKS // _CUT_SIDE_PX
    block = lines[:, None] * _BLOCKS + lines
    found = np.zeros(_BLOCKS**2 * _BINS**3)
    for corner in np.ndindex(2, 2, 2):
        share = np.where(corner, upper, 1 - upper).prod(axis=-1)
        place = block
        for channel, step in enumerate(corner):
            place = place * _BINS + low[..., channel] + step
        found += np.bincount(place.ravel(), weights=share.ravel(), minlength=found.size)
    return found / block.size


def _distance(differences: Float64Array, measure: CutMeasure) -> float:
    return float(differences.sum() / 2 if measure == "histogram" else differences.mean())


def _outstanding(
    distances: Float64Array, bounds: tuple[float, float], deviations: float
) -> BoolArray:
    median = np.median(distances)
    spread = _MAD_TO_DEVIATION * np.median(np.abs(distances - median))
    threshold = np.clip(median + deviations * spread, *bounds)
    return np.asarray(distances > threshold, dtype=np.bool_)


def _check_frames(frames: ByteArray, layout: VisualLayout) -> None:
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or 0 in frames.shape:
        raise ValueError(
            f"frames must be uint8 [T, H, W, 3], not {frames.dtype}{list(frames.shape)}"
        )
    numbers = [number for slot in layout.frame_slots for number in slot]
    if min(numbers) < 0 or max(numbers) >= len(frames):
        raise ValueError(f"the layout names frames outside 0..{len(frames) - 1}")
