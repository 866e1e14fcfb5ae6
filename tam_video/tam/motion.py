"""Compute the motion between neighbouring slots: the optical flow of each cell, and scene cuts.

The only module of the method that reads pixels. `temporal` warps maps along the flow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tam_video.types import (
    BoolArray,
    ByteArray,
    Float64Array,
    FloatArray,
    FrameBatch,
    Generation,
    IntArray,
    View,
    VisualLayout,
)

# DIS refuses pictures whose sides are both below 12 px, and finds little motion below 32 px.
_LEAST_SIDE_PX = 32
_LONG_SIDE_PX = 256
_CUT_SIDE_PX = 32
_BLOCKS = 4
_BINS = 6
# The threshold of a cut lies between these distances, both in [0, 1].
_CUT_RANGE = (0.2, 0.4)
_CUT_DEVIATIONS = 6.0
_MAD_TO_DEVIATION = 1.4826


@dataclass(frozen=True, slots=True, eq=False)
class GridFlow:
    """Optical flow between neighbouring slots, in cells; all values are finite.

    Attributes:
        forward: float32 [t-1, h, w, 2], (rows, columns) by which the content of a cell of slot s
            moves until slot s + 1.
        backward: float32 [t-1, h, w, 2], the motion of the content of slot s + 1 back to slot s.
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
        """Shape of the grid, (t, h, w)."""
        pairs, height, width, _ = self.forward.shape
        return (pairs + 1, height, width)


@dataclass(frozen=True, slots=True, eq=False)
class SlotMotion:
    """Optical flow and scene cuts between the slots of one input.

    Attributes:
        flow: motion between neighbouring slots.
        cuts: bool [t-1], true where slot s + 1 shows another scene than slot s.
    """

    flow: GridFlow
    cuts: BoolArray

    def __post_init__(self) -> None:
        pairs = self.flow.shape[0] - 1
        if self.cuts.shape != (pairs,) or self.cuts.dtype != np.bool_:
            raise ValueError(f"cuts must be bool [{pairs}]")


def input_motions(batches: Sequence[FrameBatch], generation: Generation) -> tuple[SlotMotion, ...]:
    """Compute the motion between the slots of each visual input of a generation."""
    return tuple(
        SlotMotion(grid_flow(batch.frames, layout), scene_cuts(batch.frames, layout))
        for batch, layout in zip(batches, generation.layouts, strict=True)
    )


def dis_flow(first: ByteArray, second: ByteArray) -> FloatArray:
    """Compute the (x, y) flow in pixels, float32 [H, W, 2], between two grey frames, uint8 [H, W].

    Source: dense inverse search, Kroeger et al., ECCV 2016, arXiv:1603.03590; OpenCV's medium
    preset.
    """
    import cv2

    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = dis.calc(first, second, np.zeros((*first.shape, 2), np.float32))
    return np.asarray(flow, dtype=np.float32)


def grid_flow(
    frames: ByteArray,
    layout: VisualLayout,
    *,
    pixel_flow: Callable[[ByteArray, ByteArray], FloatArray] = dis_flow,
) -> GridFlow:
    """Compute each cell's mean optical flow between the middle frames of neighbouring slots.

    The flow is computed on whole frames, scaled down to a longer side of 256 px, also where the
    grid covers only a part of them, so that content that enters a crop is followed too. A cell
    partly on padding averages its part of the picture.

    Args:
        frames: uint8 [T, H, W, 3], RGB, the sampled frames.
        layout: the frames of each slot, and the part of the picture under the grid.
        pixel_flow: computes the flow of two grey pictures, as `dis_flow`.

    Returns:
        The flow, in cells per slot. One slot has no pairs.

    Raises:
        ValueError: `frames` is not uint8 [T, H, W, 3], or a slot names a frame outside T.
    """
    _check_frames(frames, layout)
    pictures = [_grey_picture(frames[_middle(slot)]) for slot in layout.frame_slots]
    flow = np.zeros((2, layout.t - 1, layout.h, layout.w, 2), dtype=np.float32)
    rows, columns = _cell_edges(layout, *pictures[0].shape)
    for pair, (first, second) in enumerate(pairwise(pictures)):
        for way, pixels in enumerate((pixel_flow(first, second), pixel_flow(second, first))):
            finite = np.nan_to_num(np.asarray(pixels, dtype=np.float32), posinf=0, neginf=0)
            flow[way, pair] = _cell_flow(finite, rows, columns, layout)
    inside = np.asarray(np.diff(rows) * np.diff(columns).T > 0, dtype=np.bool_)
    return GridFlow(forward=flow[0], backward=flow[1], in_picture=inside)


def scene_cuts(frames: ByteArray, layout: VisualLayout) -> BoolArray:
    """Find scene cuts between neighbouring slots.

    Neighbouring frames are compared, from the middle frame of one slot to that of the next, and the
    greatest distance counts, so that a cut inside a slot is detected as well. The distance is half
    the L1 distance of colour histograms, one for each of 4 x 4 blocks of a small picture, with 6
    bins a channel and linear interpolation between bins; it is in [0, 1].

    A distance is a cut where it exceeds the clip's median by 6 times 1.4826 times the median
    absolute deviation. The threshold is at least 0.2, because a still clip has no deviation, and at
    most 0.4, because a clip of two slots or of many cuts has a high median. A fast pan may be taken
    for a cut: then slots are filtered alone, whereas a missed cut would mix two scenes.

    Args:
        frames: uint8 [T, H, W, 3], RGB, the sampled frames.
        layout: the frames of each slot, and the part of the picture that is compared.

    Returns:
        bool [t-1], true where slot s + 1 shows another scene than slot s.
    """
    _check_frames(frames, layout)
    if layout.t == 1:
        return np.zeros(0, dtype=np.bool_)
    paths = [_between(layout, pair) for pair in range(layout.t - 1)]
    histograms = {
        index: _soft_histograms(_small_picture(frames[index], layout.view))
        for index in {index for path in paths for index in path}
    }
    distances = np.array(
        [
            max(
                (np.abs(histograms[a] - histograms[b]).sum() / 2 for a, b in pairwise(path)),
                default=0.0,
            )
            for path in paths
        ]
    )
    median = np.median(distances)
    spread = _MAD_TO_DEVIATION * np.median(np.abs(distances - median))
    threshold = np.clip(median + _CUT_DEVIATIONS * spread, *_CUT_RANGE)
    return np.asarray(distances > threshold, dtype=np.bool_)


def _grey_picture(frame: ByteArray) -> ByteArray:
    """Convert a frame to grey and scale it down to sides of at least 32 px: uint8 [H', W']."""
    import cv2

    height, width = frame.shape[:2]
    scale = min(1.0, _LONG_SIDE_PX / max(height, width))
    exact = (round(width * scale), round(height * scale))
    size = (max(_LEAST_SIDE_PX, exact[0]), max(_LEAST_SIDE_PX, exact[1]))
    interpolation = cv2.INTER_AREA if size == exact else cv2.INTER_LINEAR
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, size, interpolation=interpolation), dtype=np.uint8)


def _cell_edges(layout: VisualLayout, height: int, width: int) -> tuple[IntArray, IntArray]:
    """Return the pixel range (start, stop) of each row and column: int64 [h, 2] and [w, 2].

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
    """Compute each cell's mean (row, column) flow in cells: float32 [h, w, 2]."""
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
    """Return 1 for pixels in a row (or column) of cells, 0 for all others: float64 [n, length]."""
    pixels = np.arange(length)
    inside = (pixels >= edges[:, :1]) & (pixels < edges[:, 1:])
    return inside.astype(np.float64)


def _middle(slot: tuple[int, ...]) -> int:
    return slot[len(slot) // 2]


def _between(layout: VisualLayout, pair: int) -> list[int]:
    """Return the frames between the middle of slot `pair` and the middle of the next slot."""
    first, second = layout.frame_slots[pair], layout.frame_slots[pair + 1]
    return [*first[len(first) // 2 :], *second[: len(second) // 2 + 1]]


def _small_picture(frame: ByteArray, view: View) -> Float64Array:
    """Crop a frame to the area of the grid and resize it: float64 [32, 32, 3] in [0, 1]."""
    import cv2

    height, width = frame.shape[:2]
    top, bottom = _edges(view.top, view.bottom, count=1, length=height)[0]
    left, right = _edges(view.left, view.right, count=1, length=width)[0]
    part = frame[top:bottom, left:right]
    small = cv2.resize(part, (_CUT_SIDE_PX, _CUT_SIDE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float64) / 255


def _soft_histograms(picture: Float64Array) -> Float64Array:
    """Compute the joint colour histogram of each block: float64 [blocks * bins]. The sum is 1.

    A value is shared by the two bins around it in each channel.
    """
    values = picture * (_BINS - 1)
    low = np.minimum(values.astype(np.int64), _BINS - 2)
    upper = values - low
    lines = np.arange(_CUT_SIDE_PX) * _BLOCKS // _CUT_SIDE_PX
    block = lines[:, None] * _BLOCKS + lines
    histogram = np.zeros(_BLOCKS**2 * _BINS**3)
    for corner in np.ndindex(2, 2, 2):
        share = np.where(corner, upper, 1 - upper).prod(axis=-1)
        index = block
        for channel, step in enumerate(corner):
            index = index * _BINS + low[..., channel] + step
        histogram += np.bincount(index.ravel(), weights=share.ravel(), minlength=histogram.size)
    return histogram / block.size


def _check_frames(frames: ByteArray, layout: VisualLayout) -> None:
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or 0 in frames.shape:
        raise ValueError(
            f"frames must be uint8 [T, H, W, 3], not {frames.dtype}{list(frames.shape)}"
        )
    indices = [index for slot in layout.frame_slots for index in slot]
    if min(indices) < 0 or max(indices) >= len(frames):
        raise ValueError(f"the layout refers to frames outside 0..{len(frames) - 1}")
