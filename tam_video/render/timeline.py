"""Draw the time strip below the answer: slot ticks, and a word's mean relevance in each slot.

The past and the future are two pictures of one strip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tam_video.render.overlay import TimeWindow
from tam_video.render.theme import BACKGROUND, DIM, FAINT, LIT, Color, mix
from tam_video.types import ByteArray, Float64Array

_FINER = 3  # drawn this much larger and scaled down, for smooth edges
_BASE_SHARE = 0.74  # of the height: the line above the ticks
_TICKS_END = 0.96


@dataclass(frozen=True, slots=True, eq=False)
class TimeAxis:
    """A horizontal time axis for the clip.

    Attributes:
        start_seconds: pts of the first frame.
        end_seconds: end of the last frame.
        slot_seconds: float64 [t], the times of the slots; empty for an axis without ticks.
        window: the time range of the slots.
    """

    start_seconds: float
    end_seconds: float
    slot_seconds: Float64Array
    window: TimeWindow

    def share(self, seconds: float) -> float:
        """Return the position of a time on the axis, in [0, 1]."""
        length = self.end_seconds - self.start_seconds
        if length <= 0:
            return 0.0
        return min(1.0, max(0.0, (seconds - self.start_seconds) / length))


def draw_strip(
    axis: TimeAxis,
    *,
    width: int,
    height: int,
    energy: Float64Array | None = None,
    shown: tuple[float, float] | None = None,
) -> tuple[ByteArray, ByteArray]:
    """Draw the time strip for the past and for the future: two images uint8 [height, width, 3].

    It has ticks at the slots, and above them the energy of each slot, float64 [t], >= 0, scaled to
    its own maximum. `shown` is the time range in which the word is shown, on the axis's clock.
    """
    line, size = _energy_line(axis, energy), (width, height)
    past = _draw(axis, line, shown, size=size, color=LIT)
    return past, _draw(axis, line, shown, size=size, color=mix(BACKGROUND, DIM, 0.75))


def _energy_line(axis: TimeAxis, energy: Float64Array | None) -> list[tuple[float, float]]:
    """Return the curve of the mean relevance as points (x, y) in [0, 1] along the whole axis."""
    clean = np.nan_to_num(np.empty(0) if energy is None else energy)
    if not clean.max(initial=0.0) > 0:
        return []
    levels = np.clip(clean / clean.max(), 0.0, 1.0).tolist()
    times = [axis.window.start_seconds, *axis.slot_seconds.tolist(), axis.window.end_seconds]
    levels = [levels[0], *levels, levels[-1]]
    return [(axis.share(time), level) for time, level in zip(times, levels, strict=True)]


def _draw(
    axis: TimeAxis,
    line: list[tuple[float, float]],
    shown: tuple[float, float] | None,
    *,
    size: tuple[int, int],
    color: Color,
) -> ByteArray:
    from PIL import Image, ImageDraw

    width, height = size[0] * _FINER, size[1] * _FINER
    picture = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    base = _BASE_SHARE * height
    if line:
        outline = [(x * (width - 1), base - 0.94 * base * level) for x, level in line]
        area = [(outline[0][0], base), *outline, (outline[-1][0], base)]
        draw.polygon(area, fill=mix(BACKGROUND, color, 0.45))
        draw.line(outline, fill=color, width=_FINER + 1, joint="curve")
    draw.rectangle((0, base, width, base + _FINER - 1), fill=FAINT)
    for seconds in np.unique(axis.slot_seconds).tolist():
        x = axis.share(seconds) * (width - 1)
        tick = (x - _FINER / 2, base, x + _FINER / 2, _TICKS_END * height)
        draw.rectangle(tick, fill=mix(BACKGROUND, color, 0.8))
    if shown is not None:
        start, end = (axis.share(seconds) * (width - 1) for seconds in shown)
        draw.rectangle((start, base - _FINER / 2, end, base + 1.5 * _FINER), fill=color)
    small = picture.resize(size, Image.Resampling.BOX)
    return np.asarray(small, dtype=np.uint8)


def clock_text(seconds: float) -> str:
    """Format a time with tenths of a second: "0:03.2", "1:02:03.4"."""
    tenths = max(0, int(seconds * 10 + 1e-6))
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{start}:{rest // 10:02}.{rest % 10}"
