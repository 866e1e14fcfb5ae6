"""Exact masks on the cells of a model's visual grid.

Owns: when a cell belongs to an object. Knows no world, only clips that tell their masks.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from tam_video.datasets.shapes import BoolArray
from tam_video.types import Float64Array, IntArray, VisualLayout

_ROUNDING = 1e-9


class MaskedClip(Protocol):
    """A clip whose objects are known to the pixel."""

    def masks(self, frame: int, /) -> BoolArray:
        """Tell the visible pixels of every object: bool [objects, height, width]."""
        ...


def cell_masks(clip: MaskedClip, layout: VisualLayout, indices: IntArray) -> BoolArray:
    """The cells of which each object covers half or more.

    An object's pixels in a slot are the union of its visible pixels in the frames that fed the
    slot. A cell is measured as a whole: what of it lies on padding belongs to nobody.

    Args:
        clip: the clip that the model was shown.
        layout: the model's grid: its slots, and the part of the picture under it.
        indices: int64 [T], numbers of the sampled frames in the clip.

    Returns:
        bool [objects, t, h, w].
    """
    slots = []
    for fed in layout.slot_indices(indices):
        seen = np.logical_or.reduce([clip.masks(frame) for frame in fed])
        height, width = seen.shape[1:]
        rows = _overlaps(layout.view.top, layout.view.bottom, count=layout.h, length=height)
        columns = _overlaps(layout.view.left, layout.view.right, count=layout.w, length=width)
        covered = rows @ seen.astype(np.float64) @ columns.T
        slots.append(covered >= 0.5 - _ROUNDING)
    return np.stack(slots, axis=1)


def _overlaps(start: float, end: float, *, count: int, length: int) -> Float64Array:
    """float64 [count, length]: the share of each cell's side that lies on each pixel."""
    edges = (start + (end - start) * np.arange(count + 1) / count) * length
    low, high = edges[:-1, None], edges[1:, None]
    pixels = np.arange(length)
    common = np.minimum(high, pixels + 1) - np.maximum(low, pixels)
    return np.asarray(np.clip(common, 0, None) / (high - low), dtype=np.float64)
