"""Hide cells of a video in its source pixels, before the processor runs.

A cell's pixels are those whose centre lies in its box, in every frame that feeds its slot; so the
mask does not depend on resize, crop or padding. Pixels outside the view belong to no cell and are
not changed.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tam_video.types import ByteArray, IntArray, VisualLayout

Blank: TypeAlias = Literal["mean", "blur", "black"]

BLUR_SHARE = 0.25
"""Width of the blur's box as a fraction of the longer side; three boxes approximate a Gaussian."""


def blank_frames(frames: ByteArray, blank: Blank) -> ByteArray:
    """Return the pixels that replace hidden cells.

    Args:
        frames: uint8 [T, H, W, 3].
        blank: "mean", the mean colour of all frames; "blur", each frame blurred beyond the size of
            a cell; "black".

    Returns:
        uint8 [T, H, W, 3].
    """
    if blank == "black":
        return np.zeros_like(frames)
    if blank == "mean":
        colour = np.rint(frames.mean(axis=(0, 1, 2), dtype=np.float64)).astype(np.uint8)
        return np.broadcast_to(colour, frames.shape).copy()
    if blank != "blur":
        raise ValueError(f"'blank' must be 'mean', 'blur' or 'black', not {blank!r}")
    from scipy.ndimage import uniform_filter1d  # slow to import, rarely needed

    size = max(3, round(BLUR_SHARE * max(frames.shape[1:3])))
    blurred = np.empty_like(frames)
    for number, frame in enumerate(frames):
        values = frame.astype(np.float32)
        for axis in (0, 1):
            for _ in range(3):
                values = uniform_filter1d(values, size, axis=axis, mode="nearest")
        blurred[number] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return blurred


def hide_cells(
    frames: ByteArray, layout: VisualLayout, keep: NDArray[np.bool_], *, blank: ByteArray
) -> ByteArray:
    """Return a copy of the frames with pixels from `blank` in the cells that are not kept.

    Args:
        frames: uint8 [T, H, W, 3], the frames of the layout.
        layout: the frames and the part of the frame of each cell.
        keep: bool [t, h, w], True where a cell shows the video.
        blank: uint8 [T, H, W, 3], the content of the others.

    Returns:
        uint8 [T, H, W, 3]. A frame that feeds several slots shows a cell that any of them keeps.
    """
    if keep.shape != layout.shape or keep.dtype != np.bool_:
        raise ValueError(f"'keep' must be bool {list(layout.shape)}, not {keep.dtype}{keep.shape}")
    rows, columns = pixel_cells(layout, width=frames.shape[2], height=frames.shape[1])
    y, x = np.flatnonzero(rows >= 0), np.flatnonzero(columns >= 0)
    hidden = frames.copy()
    for number in range(len(frames)):
        slots = [slot for slot, fed in enumerate(layout.frame_slots) if number in fed]
        if not slots:
            continue
        shown = np.logical_or.reduce(keep[slots], axis=0)[np.ix_(rows[y], columns[x])]
        part = np.ix_(y, x)
        hidden[number][part] = np.where(shown[..., None], frames[number][part], blank[number][part])
    return hidden


def pixel_cells(layout: VisualLayout, *, width: int, height: int) -> tuple[IntArray, IntArray]:
    """Return the cell row for each pixel row, and the cell column for each pixel column.

    Returns:
        int64 [H] and int64 [W]; -1 outside of the view.
    """
    boxes_y = [layout.cell_box(row, 0, width=width, height=height) for row in range(layout.h)]
    boxes_x = [layout.cell_box(0, column, width=width, height=height) for column in range(layout.w)]
    tops, lefts = [box[1] for box in boxes_y], [box[0] for box in boxes_x]
    return (
        _cells_of(height, [*tops, boxes_y[-1][3]]),
        _cells_of(width, [*lefts, boxes_x[-1][2]]),
    )


def _cells_of(size: int, edges: list[float]) -> IntArray:
    """Return the index of the cell that contains each pixel's centre: int64 [size]."""
    cells: NDArray[Any] = np.searchsorted(edges, np.arange(size) + 0.5, side="right") - 1
    cells[cells >= len(edges) - 1] = -1
    return cells.astype(np.int64)
