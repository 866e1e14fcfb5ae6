"""Heat on pictures: a map at a moment, laid over what the model saw, coloured and blended by value.

Pure functions from arrays to arrays. Knows nothing of files, answers or captions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import numpy as np

from tam_video.errors import UnknownNameError
from tam_video.settings.groups import Colormap
from tam_video.types import ByteArray, Explanation, Float64Array, FloatArray, View

COLORMAPS: tuple[str, ...] = get_args(Colormap)

_WHOLE = View()
_UNSEEN_SHARE = 0.3  # brightness that is left where the model saw nothing
_HATCH_GRAY = 50
_HATCHES = 12  # diagonal lines along the shorter side: more would cost bytes


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """The stretch of the clip that the model saw, in source seconds, ends included."""

    start_seconds: float
    end_seconds: float

    def __contains__(self, seconds: float) -> bool:
        """Whether a moment lies in it."""
        return self.start_seconds <= seconds <= self.end_seconds


def explained_window(
    explanation: Explanation, *, clip_start_seconds: float, clip_end_seconds: float
) -> TimeWindow:
    """The stretch that the slots speak for, half a slot around the first and the last.

    An end of the clip that is less than one whole slot away belongs to the window too: samplers
    leave such a rest when they see the clip from end to end.

    Args:
        explanation: its grid and frame times say where the slots are.
        clip_start_seconds: pts of the clip's first frame.
        clip_end_seconds: end of the clip's last frame.

    Returns:
        The window; the whole clip when one single frame was sampled.
    """
    slots = np.unique(explanation.layout.slot_seconds(explanation.pts_seconds))
    if len(slots) > 1:
        first_gap, last_gap = float(slots[1] - slots[0]), float(slots[-1] - slots[-2])
    else:
        first_gap = last_gap = _only_slot_seconds(
            explanation.pts_seconds, default=clip_end_seconds - clip_start_seconds
        )
    start, end = float(slots[0]) - first_gap / 2, float(slots[-1]) + last_gap / 2
    if start - clip_start_seconds <= first_gap / 2:
        start = min(start, clip_start_seconds)
    if clip_end_seconds - end <= last_gap / 2:
        end = max(end, clip_end_seconds)
    return TimeWindow(start, end)


def _only_slot_seconds(pts_seconds: Float64Array, *, default: float) -> float:
    """How long a lone slot lasts: its frames' span and one gap, `default` for one frame."""
    times = np.unique(pts_seconds)
    if len(times) == 1:
        return default
    return float(times[-1] - times[0]) * len(times) / (len(times) - 1)


def map_at(maps: FloatArray, slot_seconds: Float64Array, seconds: float) -> FloatArray:
    """Linear interpolation between the two slots around a moment; the end slots hold beyond them.

    Args:
        maps: float32 [t, h, w] in [0, 1].
        slot_seconds: float64 [t], not decreasing.
        seconds: the moment, on the same clock.

    Returns:
        float32 [h, w] in [0, 1].
    """
    before, after, share = slots_around(slot_seconds, seconds)
    mixed: FloatArray = maps[before] + np.float32(share) * (maps[after] - maps[before])
    return mixed


def slots_around(slot_seconds: Float64Array, seconds: float) -> tuple[int, int, float]:
    """Between which two slots a moment lies; before the first and after the last these hold.

    Args:
        slot_seconds: float64 [t], not decreasing.
        seconds: the moment, on the same clock.

    Returns:
        (before, after, share of the way from the one to the other); the same slot twice at the
        ends.
    """
    after = int(np.searchsorted(slot_seconds, seconds, side="right"))
    if after in (0, len(slot_seconds)):
        held = max(0, after - 1)
        return held, held, 0.0
    before = after - 1
    gap = slot_seconds[after] - slot_seconds[before]
    return before, after, float((seconds - slot_seconds[before]) / gap)


def upsample(cells: FloatArray, *, width: int, height: int, view: View = _WHOLE) -> ByteArray:
    """Bilinear enlargement with cell centres in place: where `VisualLayout.cell_box` has them.

    Args:
        cells: float32 [h, w], clipped to [0, 1]; NaN counts as 0.
        width: picture width W in pixels.
        height: picture height H in pixels.
        view: the part of the picture that the cells cover.

    Returns:
        uint8 [H, W], heat in 255ths. The value at a cell's centre is the cell's; border cells
        reach to the view's edge. Pixels outside of the view have none, and what of the view lies
        outside of the picture is cut off.
    """
    import cv2

    clean = np.clip(np.nan_to_num(cells, nan=0.0), 0.0, 1.0).astype(np.float32, copy=False)
    if view.is_whole:
        large = cv2.resize(clean, (width, height), interpolation=cv2.INTER_LINEAR)
    else:
        down = _cell_shares(clean.shape[0], height, view.top, view.bottom)
        across = _cell_shares(clean.shape[1], width, view.left, view.right)
        large = down @ clean @ across.T
    return np.asarray(cv2.convertScaleAbs(large, alpha=255.0), dtype=np.uint8)


@lru_cache(maxsize=16)
def _cell_shares(num_cells: int, size: int, start: float, end: float) -> FloatArray:
    """How much of each cell every pixel of a side takes, linearly between cell centres.

    Args:
        num_cells: cells along the side, n.
        size: length of the side in pixels.
        start: where the first cell starts, as a share of the side.
        end: where the last cell ends.

    Returns:
        float32 [size, n]; a row adds up to 1, to 0 for a pixel whose centre no cell covers.
    """
    middles = (np.arange(size) + 0.5) / size
    places = np.clip((middles - start) / (end - start) * num_cells - 0.5, 0, num_cells - 1)
    shares = np.maximum(1.0 - np.abs(places[:, None] - np.arange(num_cells)), 0.0)
    shares[(middles < start) | (middles > end)] = 0.0
    found: FloatArray = shares.astype(np.float32)
    found.flags.writeable = False
    return found


def mark_unseen(frame: ByteArray, view: View) -> ByteArray:
    """Dim and hatch the pixels that the model never saw, the same way in every frame.

    Args:
        frame: uint8 [H, W, 3], RGB.
        view: the part of the picture that the model saw.

    Returns:
        uint8 [H, W, 3], RGB; the frame itself where the model saw all of it.
    """
    import cv2

    marks = _unseen_marks(view, frame.shape[1], frame.shape[0])
    if marks is None:
        return frame
    kept, added = marks
    return np.asarray(cv2.add(cv2.multiply(frame, kept, scale=1 / 255), added), dtype=np.uint8)


@lru_cache(maxsize=4)
def _unseen_marks(view: View, width: int, height: int) -> tuple[ByteArray, ByteArray] | None:
    """What is kept of the picture and what is added to it: uint8 [H, W, 3] each; None for all."""
    marks = unseen_marks(view, width, height)
    if marks is None:
        return None
    kept, lines = (np.repeat(each[:, :, None], 3, axis=2) for each in marks)
    return kept, lines


def unseen_marks(view: View, width: int, height: int) -> tuple[ByteArray, ByteArray] | None:
    """How the pixels that the model never saw are dimmed and hatched.

    Args:
        view: the part of the picture that the model saw.
        width: picture width W in pixels.
        height: picture height H in pixels.

    Returns:
        uint8 [H, W] each: the brightness that is kept, in 255ths, and the gray that is added; None
        where all was seen.
    """
    columns = (np.arange(width) + 0.5) / width
    rows = (np.arange(height) + 0.5) / height
    unseen = ((rows < view.top) | (rows > view.bottom))[:, None] | (
        (columns < view.left) | (columns > view.right)
    )
    if not unseen.any():
        return None
    pitch = max(6, min(width, height) // _HATCHES)
    is_line = np.add.outer(np.arange(height), np.arange(width)) % pitch < max(1, pitch // 8)
    kept = np.where(unseen, round(255 * _UNSEEN_SHARE), 255).astype(np.uint8)
    added = np.where(unseen & is_line, _HATCH_GRAY, 0).astype(np.uint8)
    return kept, added


@lru_cache(maxsize=len(COLORMAPS))
def color_table(name: str) -> ByteArray:
    """The 256 colours of a colour map, cold to hot.

    Args:
        name: one of `COLORMAPS`.

    Returns:
        uint8 [256, 3], RGB.

    Raises:
        UnknownNameError: there is no such colour map.
    """
    import cv2

    if name not in COLORMAPS:
        raise UnknownNameError("colormap", name, COLORMAPS)
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    bgr = cv2.applyColorMap(ramp, int(getattr(cv2, f"COLORMAP_{name.upper()}")))
    table = np.ascontiguousarray(np.asarray(bgr, dtype=np.uint8)[:, 0, ::-1])
    table.flags.writeable = False
    return table


def heat_shares(opacity: float, threshold: float) -> Float64Array:
    """How much colour each heat level has over the picture.

    Args:
        opacity: share at full heat, in [0, 1].
        threshold: heat below it has none, in [0, 1).

    Returns:
        float64 [256], in [0, 1].
    """
    levels = np.arange(256) / 255.0
    return np.where(levels >= threshold, opacity * levels, 0.0)


@lru_cache(maxsize=32)
def _blend_tables(name: str, opacity: float, threshold: float) -> tuple[ByteArray, ByteArray]:
    """What is added and what is kept of the picture for each heat level: uint8 [256, 1, 3] each."""
    alpha = heat_shares(opacity, threshold)[:, None]
    added = np.rint(alpha * color_table(name)).astype(np.uint8)
    kept = np.rint(255.0 * (1.0 - alpha)).astype(np.uint8).repeat(3, axis=1)
    return np.ascontiguousarray(added[:, None]), np.ascontiguousarray(kept[:, None])


def blend(
    frame: ByteArray,
    heat: ByteArray,
    *,
    colormap: str = "turbo",
    opacity: float = 0.6,
    threshold: float = 0.0,
) -> ByteArray:
    """Lay heat over a picture: a pixel is `opacity * heat` colour and the rest picture.

    Args:
        frame: uint8 [H, W, 3], RGB.
        heat: uint8 [H, W], in 255ths. Where it is 0 the picture is unchanged.
        colormap: one of `COLORMAPS`.
        opacity: share of colour at full heat, in [0, 1].
        threshold: heat below it is not drawn, in [0, 1).

    Returns:
        uint8 [H, W, 3], RGB, within 2 levels of the exact blend (three roundings to 8 bits).

    Raises:
        UnknownNameError: there is no such colour map.
    """
    import cv2

    added, kept = _blend_tables(colormap, opacity, threshold)
    color = cv2.applyColorMap(heat, added)
    weight = cv2.applyColorMap(heat, kept)
    faded = cv2.multiply(frame, weight, scale=1 / 255)
    return np.asarray(cv2.add(faded, color), dtype=np.uint8)


def render_still(
    frame: ByteArray,
    cells: FloatArray,
    *,
    view: View = _WHOLE,
    colormap: str = "turbo",
    opacity: float = 0.6,
    threshold: float = 0.0,
) -> ByteArray:
    """One picture with one map over it, for previews.

    Args:
        frame: uint8 [H, W, 3], RGB.
        cells: float32 [h, w] in [0, 1].
        view: the part of the picture that the cells cover.
        colormap: one of `COLORMAPS`.
        opacity: share of colour at heat 1, in [0, 1].
        threshold: heat below it is not drawn, in [0, 1).

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        UnknownNameError: there is no such colour map.
    """
    height, width = frame.shape[:2]
    heat = upsample(cells, width=width, height=height, view=view)
    seen = mark_unseen(frame, view)
    return blend(seen, heat, colormap=colormap, opacity=opacity, threshold=threshold)
