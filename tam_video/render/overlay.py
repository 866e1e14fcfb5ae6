"""Prepare relevance maps for drawing: time window, interpolation, resizing and colours.

Functions from arrays to arrays; `heat` draws their results.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import numpy as np

from tam_video.errors import UnknownNameError
from tam_video.settings.groups import Colormap
from tam_video.types import ByteArray, Float64Array, FloatArray, View

COLORMAPS: tuple[str, ...] = get_args(Colormap)

_WHOLE = View()


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """The time range, in seconds of the source, that the model received. Both ends are included."""

    start_seconds: float
    end_seconds: float

    def __contains__(self, seconds: float) -> bool:
        """Return whether a time is in the range."""
        return self.start_seconds <= seconds <= self.end_seconds


def slots_around(slot_seconds: Float64Array, seconds: float) -> tuple[int, int, float]:
    """Return the slots before and after a time, and the weight of the later slot in [0, 1].

    Args:
        slot_seconds: float64 [t], not decreasing.
        seconds: the time, on the same clock.

    Returns:
        (before, after, weight of `after`); the same slot twice before the first and after the last.
    """
    after = int(np.searchsorted(slot_seconds, seconds, side="right"))
    if after in (0, len(slot_seconds)):
        end = max(0, after - 1)
        return end, end, 0.0
    before = after - 1
    gap = slot_seconds[after] - slot_seconds[before]
    return before, after, float((seconds - slot_seconds[before]) / gap)


def upsample(cells: FloatArray, *, width: int, height: int, view: View = _WHOLE) -> ByteArray:
    """Resize a map bilinearly. `VisualLayout.cell_box` defines the positions of the cells.

    Args:
        cells: float32 [h, w], clipped to [0, 1]; NaN counts as 0.
        width: picture width W in pixels.
        height: picture height H in pixels.
        view: the part of the picture that the cells cover.

    Returns:
        uint8 [H, W], heat in 255ths. The value at a cell's centre is the cell's; border cells
        extend to the view's edge. It is 0 outside of the view.
    """
    import cv2

    clean = np.clip(np.nan_to_num(cells, nan=0.0), 0.0, 1.0).astype(np.float32, copy=False)
    if view.is_full:
        large = cv2.resize(clean, (width, height), interpolation=cv2.INTER_LINEAR)
    else:
        down = _cell_weights(clean.shape[0], height, view.top, view.bottom)
        across = _cell_weights(clean.shape[1], width, view.left, view.right)
        large = down @ clean @ across.T
    return np.asarray(cv2.convertScaleAbs(large, alpha=255.0), dtype=np.uint8)


@lru_cache(maxsize=16)
def _cell_weights(num_cells: int, size: int, start: float, end: float) -> FloatArray:
    """Return the linear interpolation weights of n cells for each pixel along one side.

    The cells extend from `start` to `end`, relative to the side. Returns float32 [size, n]; the sum
    of a row is 1, or 0 for a pixel whose centre no cell covers.
    """
    middles = (np.arange(size) + 0.5) / size
    positions = np.clip((middles - start) / (end - start) * num_cells - 0.5, 0, num_cells - 1)
    shares = np.maximum(1.0 - np.abs(positions[:, None] - np.arange(num_cells)), 0.0)
    shares[(middles < start) | (middles > end)] = 0.0
    weights: FloatArray = shares.astype(np.float32)
    weights.flags.writeable = False
    return weights


@lru_cache(maxsize=len(COLORMAPS))
def color_table(name: str) -> ByteArray:
    """Return the 256 RGB colours of a colormap, from low to high relevance: uint8 [256, 3].

    Raises:
        UnknownNameError: there is no such colormap.
    """
    import cv2

    if name not in COLORMAPS:
        raise UnknownNameError("colormap", name, COLORMAPS)
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    bgr = cv2.applyColorMap(ramp, int(getattr(cv2, f"COLORMAP_{name.upper()}")))
    table = np.ascontiguousarray(np.asarray(bgr, dtype=np.uint8)[:, 0, ::-1])
    table.flags.writeable = False
    return table
