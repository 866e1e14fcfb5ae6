"""Plan the windows of a long video, and assign each moment to one window.

Pure functions of times. All times are seconds on the clock of the caller.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice, pairwise
from typing import Literal

from tam_video.errors import ConfigError
from tam_video.long.gate import ActiveSpan, GateOptions
from tam_video.settings.parse import seconds

_SHORTEST_SHARE = 0.25  # of a window: a shorter remainder extends the window before it
_SAME_SECONDS = 1e-6
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """Options for dividing a video into windows.

    Attributes:
        window_seconds: length of a window; the last one of a span may be shorter, or a quarter
            longer.
        stride_seconds: step between window starts; None for the length. Windows overlap with a
            shorter step, and have gaps with a longer one.
        by_scene: also divide at scene changes, so that no window contains parts of two scenes.
    """

    window_seconds: float = 30.0
    stride_seconds: float | None = None
    by_scene: bool = False

    def __post_init__(self) -> None:
        for name, value in (("window", self.window_seconds), ("stride", self.stride)):
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(
                    f"a {name} can't last {value:g} seconds",
                    hint="pass a positive duration, such as --window 30s",
                )

    @property
    def stride(self) -> float:
        """Return the time between the starts of successive windows."""
        return self.window_seconds if self.stride_seconds is None else self.stride_seconds


@dataclass(frozen=True, slots=True)
class LongOptions:
    """Options for explaining a long video.

    Attributes:
        windows: how it is divided.
        gate: what counts as motion; None to explain every window.
        film: content of the annotated MP4: "windows" for the explained windows only, "whole" for
            the whole video, with heat where it was explained.
        report: whether reports are written, of each window and of the video.
    """

    windows: WindowOptions = field(default_factory=WindowOptions)
    gate: GateOptions | None = field(default_factory=GateOptions)
    film: Literal["windows", "whole"] = "windows"
    report: bool = True


@dataclass(frozen=True, slots=True)
class VideoWindow:
    """A time span that is explained independently.

    Attributes:
        index: index of the window, from 0.
        start_seconds: its start.
        end_seconds: its end, exclusive.
    """

    index: int
    start_seconds: float
    end_seconds: float

    @property
    def middle_seconds(self) -> float:
        """Return the midpoint of the window."""
        return (self.start_seconds + self.end_seconds) / 2


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time span of the video that belongs to one window, or to none.

    Attributes:
        start_seconds: its start.
        end_seconds: its end.
        window: index of the window; None where nothing was explained.
    """

    start_seconds: float
    end_seconds: float
    window: int | None


def plan_windows(
    start_seconds: float,
    end_seconds: float,
    *,
    options: WindowOptions,
    spans: Sequence[ActiveSpan] | None = None,
    borders: Sequence[float] = (),
) -> tuple[VideoWindow, ...]:
    """Compute the windows of a video, in order of time.

    The first window of a span starts with the span, so that motion is divided as little as
    possible.

    Args:
        start_seconds: start of the video.
        end_seconds: its end.
        options: length and step of the windows.
        spans: spans with motion; None for the whole video.
        borders: times of scene changes, which no window crosses.

    Returns:
        The windows; empty without motion.
    """
    whole = (ActiveSpan(start_seconds, end_seconds),)
    pieces = [
        piece
        for span in (whole if spans is None else spans)
        for piece in _cut(
            max(span.start_seconds, start_seconds), min(span.end_seconds, end_seconds), borders
        )
    ]
    tiles = [tile for piece in pieces for tile in _tiled(*piece, options)]
    return tuple(VideoWindow(index, *tile) for index, tile in enumerate(tiles))


def stretches(
    windows: Sequence[VideoWindow], *, whole: tuple[float, float] | None = None
) -> tuple[Stretch, ...]:
    """Divide a video among its windows. Overlaps belong to the window with the nearest midpoint.

    Args:
        windows: in order of time; they may overlap.
        whole: start and end of the video, to include the moments without a window.

    Returns:
        The stretches in order of time, without overlaps.
    """
    moments = sorted({*_borders(windows), *(whole or ())})
    waiting = sorted(windows, key=lambda each: each.start_seconds, reverse=True)
    holding: list[VideoWindow] = []
    parts: list[Stretch] = []
    for begin, end in pairwise(moments):
        middle = (begin + end) / 2
        while waiting and waiting[-1].start_seconds <= middle:
            holding.append(waiting.pop())
        holding = [each for each in holding if each.end_seconds > middle]
        nearest = min(holding, key=lambda w: abs(w.middle_seconds - middle), default=None)
        owner = None if nearest is None else nearest.index
        if parts and parts[-1].window == owner and parts[-1].end_seconds == begin:
            parts[-1] = Stretch(parts[-1].start_seconds, end, owner)
        elif owner is not None or whole is not None:
            parts.append(Stretch(begin, end, owner))
    return tuple(parts)


def _borders(windows: Sequence[VideoWindow]) -> Iterator[float]:
    """Yield the times at which the window with the nearest midpoint may change."""
    ordered = sorted(windows, key=lambda each: each.start_seconds)
    for index, one in enumerate(ordered):
        yield from (one.start_seconds, one.end_seconds)
        for other in islice(ordered, index + 1, None):
            if other.start_seconds >= one.end_seconds:
                break
            yield (one.middle_seconds + other.middle_seconds) / 2


def duration_seconds(text: str) -> float:
    """Parse a duration such as "30s", "1m", "1.5h", "90" or "0:30", and return seconds.

    Raises:
        ConfigError: not a valid duration.
    """
    plain = text.strip().lower()
    unit = _UNITS.get(plain[-1:])
    length = seconds(plain) if unit is None else unit * seconds(plain[:-1])
    if (unit is not None and ":" in plain) or not (math.isfinite(length) and length > 0):
        raise ConfigError(
            f"{text!r} is not a valid duration", hint="use a duration such as 30s, 1m or 0:30"
        )
    return length


def _cut(start: float, end: float, borders: Sequence[float]) -> list[tuple[float, float]]:
    inner = [edge for edge in sorted(borders) if start < edge < end]
    edges = [start, *inner, end]
    return [(begin, stop) for begin, stop in pairwise(edges) if stop - begin > _SAME_SECONDS]


def _tiled(start: float, end: float, options: WindowOptions) -> list[tuple[float, float]]:
    """Divide one time span into windows. A short remainder extends the last window."""
    length, stride = options.window_seconds, options.stride
    tiles: list[tuple[float, float]] = []
    for number in count():
        begin = start + number * stride
        if begin >= end - _SAME_SECONDS or (tiles and tiles[-1][1] >= end - _SAME_SECONDS):
            break
        if tiles and stride <= length and end - tiles[-1][1] < _SHORTEST_SHARE * length:
            return [*tiles[:-1], (tiles[-1][0], end)]
        tiles.append((begin, min(begin + length, end)))
    return tiles
