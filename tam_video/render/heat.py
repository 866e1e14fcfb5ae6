"""Blend heatmaps over pictures, in YUV planes or in RGB.

Source: linear blending commutes with the affine map from RGB to YUV, so the opacity is the same in
both; a 4:2:0 colour sample takes the mean heat of its four pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from tam_video.render.canvas import RGB, Rect, part, to_yuv
from tam_video.render.overlay import (
    TimeWindow,
    color_table,
    slots_around,
    upsample,
)
from tam_video.types import ByteArray, Float64Array, FloatArray, View
from tam_video.video.planes import Planes

HeatTables: TypeAlias = tuple[ByteArray, tuple[ByteArray, ByteArray, ByteArray]]

_WHOLE = View()
_UNSEEN_SHARE = 0.3  # brightness that is kept where the model saw nothing
_HATCH_GRAY = 50
_HATCHES = 12  # diagonal lines along the shorter side: more would cost bytes
_FADE_STEPS = 16  # between two slots: more are not visible
_FADES_A_SECOND = 12  # more are not visible either, and each costs as much as drawing a frame
_KEPT_SLOTS = 3
_INVISIBLE_HEAT = 2  # of 255: changes a picture by less than one level


@lru_cache(maxsize=32)
def heat_tables(colormap: str, opacity: float, threshold: float, matrix: int) -> HeatTables:
    """Compute lookup tables that blend each of the 256 heatmap levels over a picture.

    Args:
        colormap: one of `COLORMAPS`.
        opacity: at full heat, in [0, 1].
        threshold: heat below it is not drawn, in [0, 1).
        matrix: H.273 matrix number of the planes.

    Returns:
        The weight of the picture, in 255ths, and the values added to each of the three planes:
        uint8 [256] each.

    Raises:
        UnknownNameError: there is no such colormap.
    """
    levels = np.arange(256) / 255.0
    shares = np.where(levels >= threshold, opacity * levels, 0.0)
    kept = np.rint(255.0 * (1.0 - shares))
    # The rest of the rounded weight goes to the colour, so that white stays white and gray gray.
    added = np.rint((1.0 - kept / 255.0)[:, None] * to_yuv(color_table(colormap), matrix))
    y, u, v = (np.ascontiguousarray(each) for each in added.T.astype(np.uint8))
    return kept.astype(np.uint8), (y, u, v)


@dataclass(eq=False)
class HeatField:
    """A relevance map from which `at` interpolates a full-size heatmap for any time.

    Attributes:
        maps: float32 [t, h, w] in [0, 1].
        slot_seconds: float64 [t], not decreasing.
        window: the time range of the map.
        view: the part of the picture that the cells cover.
        width: picture width in pixels.
        height: picture height in pixels.
    """

    maps: FloatArray
    slot_seconds: Float64Array
    window: TimeWindow
    view: View
    width: int
    height: int
    _slots: dict[int, ByteArray] = field(default_factory=dict, repr=False)
    _shown: tuple[tuple[int, int, float], ByteArray] | None = field(default=None, repr=False)

    def at(self, seconds: float) -> ByteArray | None:
        """Return the heatmap at a time as uint8 [H, W], or None outside the time window.

        Calls return the same array until the heatmap changes. The value 255 is a relevance of 1.
        """
        if seconds not in self.window:
            return None
        before, after, share = slots_around(self.slot_seconds, seconds)
        gap = float(self.slot_seconds[after] - self.slot_seconds[before])
        steps = min(_FADE_STEPS, max(1, round(gap * _FADES_A_SECOND)))
        key = (before, after, round(share * steps) / steps)
        if self._shown is None or self._shown[0] != key:
            self._shown = (key, self._mixed(*key))
        return self._shown[1]

    def _mixed(self, before: int, after: int, share: float) -> ByteArray:
        import cv2

        if not share or before == after:
            return self._slot(before)
        if share == 1:
            return self._slot(after)
        mixed = cv2.addWeighted(self._slot(before), 1 - share, self._slot(after), share, 0)
        return np.asarray(mixed, dtype=np.uint8)

    def _slot(self, number: int) -> ByteArray:
        if number not in self._slots:
            if len(self._slots) == _KEPT_SLOTS:
                del self._slots[next(iter(self._slots))]
            self._slots[number] = upsample(
                self.maps[number], width=self.width, height=self.height, view=self.view
            )
        return self._slots[number]


class HeatBlender:
    """Blends heatmaps over pictures. The weights are cached until the heatmap changes."""

    def __init__(self, tables: HeatTables, *, step: int) -> None:
        self._tables, self._step = tables, step
        self._heat: ByteArray | None = None
        self._area: Rect | None = None
        self._weights: list[tuple[ByteArray, ByteArray]] = []

    def blend(self, picture: Planes, heat: ByteArray, *, out: Planes) -> None:
        """Blend a heatmap, uint8 [H, W], over a picture, and write the result to `out`."""
        import cv2

        if heat is not self._heat:
            self._heat, self._area = heat, _warm_area(heat)
            self._weights = [] if self._area is None else self._weigh(heat, self._area)
        if self._area is None:
            picture.copy_to(out)
            return
        if (self._area.height, self._area.width) != heat.shape:
            picture.copy_to(out)
            picture, out = part(picture, self._area), part(out, self._area)
        planes = ((picture.y, out.y), (picture.u, out.u), (picture.v, out.v))
        for (source, target), (kept, added) in zip(planes, self._weights, strict=True):
            cv2.multiply(source, kept, dst=target, scale=1 / 255)
            cv2.add(target, added, dst=target)

    def _weigh(self, heat: ByteArray, area: Rect) -> list[tuple[ByteArray, ByteArray]]:
        """For each plane, compute the picture's weight and the value to add, both uint8 [h, w]."""
        import cv2

        large = heat[area.y : area.y + area.height, area.x : area.x + area.width]
        small = large
        if self._step == 2:
            small = np.asarray(cv2.resize(large, (area.width // 2, area.height // 2)), np.uint8)
        weights, tables = self._tables
        kept = [np.asarray(cv2.LUT(each, weights), np.uint8) for each in (large, small)]
        added = (
            np.asarray(cv2.LUT(each, table), np.uint8)
            for each, table in zip((large, small, small), tables, strict=True)
        )
        return list(zip((kept[0], kept[1], kept[1]), added, strict=True))


def _warm_area(heat: ByteArray) -> Rect | None:
    """Return an even-sided rectangle around the visible heatmap, or None if nothing is visible."""
    import cv2

    _, warm = cv2.threshold(heat, _INVISIBLE_HEAT, 255, cv2.THRESH_BINARY)
    x, y, width, height = cv2.boundingRect(warm)
    if not width:
        return None
    left, top = x - x % 2, y - y % 2
    right, bottom = x + width + (x + width) % 2, y + height + (y + height) % 2
    return Rect(left, top, right - left, bottom - top)


def mark_unseen(picture: Planes, view: View, *, matrix: int) -> Planes:
    """Dim and hatch the pixels outside the view, which the model did not receive.

    Returns the marked picture; the picture itself if the model saw all of it.
    """
    import cv2

    marks = _plane_marks(view, picture.width, picture.height, picture.step, matrix)
    if marks is None:
        return picture
    y, u, v = (
        np.asarray(cv2.add(cv2.multiply(plane, kept, scale=1 / 255), added), dtype=np.uint8)
        for plane, (kept, added) in zip((picture.y, picture.u, picture.v), marks, strict=True)
    )
    return Planes(y, u, v)


@lru_cache(maxsize=4)
def _plane_marks(
    view: View, width: int, height: int, step: int, matrix: int
) -> list[tuple[ByteArray, ByteArray]] | None:
    """Return each plane's weights and offsets for unseen pixels, or None if all were seen."""
    x, y = (np.arange(width) + 0.5) / width, ((np.arange(height) + 0.5) / height)[:, None]
    unseen = (y < view.top) | (y > view.bottom) | (x < view.left) | (x > view.right)
    if not unseen.any():
        return None
    pitch = max(6, min(width, height) // _HATCHES)
    is_line = np.add.outer(np.arange(height), np.arange(width)) % pitch < max(1, pitch // 8)
    marks = (
        np.where(unseen, round(255 * _UNSEEN_SHARE), 255).astype(np.uint8),
        np.where(unseen & is_line, _HATCH_GRAY, 0).astype(np.uint8),
    )
    black, white = to_yuv(np.array([(0, 0, 0), (255, 255, 255)], dtype=np.float64), matrix)
    planes = []
    for base, gain, every in zip(black, white - black, (1, step, step), strict=True):
        kept, lines = (np.ascontiguousarray(each[::every, ::every]) for each in marks)
        added = np.rint((1.0 - kept / 255.0) * base + lines * (gain / 255))
        planes.append((kept, added.astype(np.uint8)))
    return planes


def render_still(
    frame: ByteArray,
    cells: FloatArray,
    *,
    view: View = _WHOLE,
    colormap: str = "turbo",
    opacity: float = 0.6,
    threshold: float = 0.0,
) -> ByteArray:
    """Blend one relevance map over one RGB picture.

    Args:
        frame: uint8 [H, W, 3], RGB.
        cells: float32 [h, w] in [0, 1].
        view: the part of the picture that the cells cover.
        colormap: one of `COLORMAPS`.
        opacity: at heat 1, in [0, 1].
        threshold: heat below it is not drawn, in [0, 1).

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        UnknownNameError: there is no such colormap.
    """
    heat = upsample(cells, width=frame.shape[1], height=frame.shape[0], view=view)
    channels = np.ascontiguousarray(frame.transpose(2, 0, 1))
    out = Planes(*np.empty_like(channels))
    blender = HeatBlender(heat_tables(colormap, opacity, threshold, RGB), step=1)
    blender.blend(mark_unseen(Planes(*channels), view, matrix=RGB), heat, out=out)
    return np.stack((out.y, out.u, out.v), axis=2)
