"""Exact object masks on the cells of a model's visual grid."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from tam_video.types import BoolArray, Float64Array, IntArray, VisualLayout

_ROUNDING = 1e-9


class MaskedClip(Protocol):
    """A clip with exact masks of its objects."""

    def masks(self, frame: int, /) -> BoolArray:
        """Compute the visible pixels of every object: bool [objects, height, width]."""
        ...


def cell_masks(clip: MaskedClip, layout: VisualLayout, indices: IntArray) -> BoolArray:
    """Compute which cells are at least half covered by each object: bool [objects, t, h, w].

    An object's pixels in a slot are the union of its visible pixels in the frames that fed the
    slot. The part of a cell that lies on padding counts as not covered.

    Args:
        clip: the clip.
        layout: the model's grid: its slots, and the part of the picture under it.
        indices: int64 [T], indices of the sampled frames in the clip.
    """
    slots = []
    for frames in layout.slot_indices(indices):
        masks = np.logical_or.reduce([clip.masks(frame) for frame in frames])
        height, width = masks.shape[1:]
        rows = _overlaps(layout.view.top, layout.view.bottom, count=layout.h, length=height)
        columns = _overlaps(layout.view.left, layout.view.right, count=layout.w, length=width)
        covered = rows @ masks.astype(np.float64) @ columns.T
        slots.append(covered >= 0.5 - _ROUNDING)
    return np.stack(slots, axis=1)


def _overlaps(start: float, end: float, *, count: int, length: int) -> Float64Array:
    """Compute the share of each cell's length that lies on each pixel: float64 [count, length]."""
    edges = (start + (end - start) * np.arange(count + 1) / count) * length
    low, high = edges[:-1, None], edges[1:, None]
    pixels = np.arange(length)
    common = np.minimum(high, pixels + 1) - np.maximum(low, pixels)
    return np.asarray(np.clip(common, 0, None) / (high - low), dtype=np.float64)
