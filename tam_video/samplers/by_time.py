"""Samplers by presentation time, never by frame numbers divided by a rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tam_video.errors import ConfigError
from tam_video.samplers.base import Window
from tam_video.samplers.by_count import check_at_least_one, thinned
from tam_video.types import Float64Array, IntArray


def shown_at(window: Window, seconds: Float64Array) -> IntArray:
    """Return int64 [k], source numbers of the frames displayed `seconds` after the window's first.

    A frame is displayed from its own time until the next frame's, with a tolerance of 1 us.
    """
    indices = np.searchsorted(window.seconds, seconds + 1e-6, side="right") - 1
    return window.indices[np.clip(indices, 0, len(window) - 1)]


@dataclass(frozen=True, slots=True)
class FpsSampler:
    """Choose the frame displayed every `1 / fps` seconds, from the window's first frame on.

    Attributes:
        fps: frames per second; no frame is chosen twice.
        max_frames: maximum number; more frames are thinned out evenly. None keeps all.
    """

    fps: float = 2.0
    max_frames: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.fps < np.inf:
            raise ConfigError(f"fps must be above 0, not {self.fps}", hint="set fps to 0.1 or more")
        check_at_least_one("max_frames", self.max_frames)

    def sample(self, window: Window) -> IntArray:
        """Return int64 [T], source frame numbers."""
        if len(window) == 1:
            return window.indices.copy()
        shortest = float(np.diff(window.pts_seconds).min())
        if self.fps * shortest >= 1:
            return thinned(window.indices.copy(), max_frames=self.max_frames)
        num_ticks = max(1, int(np.ceil(_end_seconds(window) * self.fps - 1e-6)))
        ticks = np.arange(num_ticks) / self.fps
        return thinned(np.unique(shown_at(window, ticks)), max_frames=self.max_frames)


@dataclass(frozen=True, slots=True)
class TimestampSampler:
    """Choose the frames displayed at given times.

    Attributes:
        seconds: times relative to the first frame of the WINDOW, in any order.
    """

    seconds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.seconds:
            raise ConfigError("no times were given", hint="give at least one time in seconds")
        if not all(0 <= second < np.inf for second in self.seconds):
            raise ConfigError("times must be 0 or more", hint="give seconds from the start on")

    def sample(self, window: Window) -> IntArray:
        """Return int64 [T], source frame numbers; two times in one frame give it once.

        Raises:
            ConfigError: a time is after the window's end.
        """
        last = max(self.seconds)
        if last > _end_seconds(window):
            raise ConfigError(
                f"{last:g} s is after the end", hint=f"the end is at {_end_seconds(window):.3f} s"
            )
        return np.unique(shown_at(window, np.array(self.seconds, np.float64)))


def _end_seconds(window: Window) -> float:
    """Return the end of the window's last frame, relative to the window's first frame."""
    start = float(window.pts_seconds[0])
    if int(window.indices[-1]) == window.info.num_frames - 1:
        return window.info.start_seconds + window.info.duration_seconds - start
    duration = float(np.median(np.diff(window.pts_seconds))) if len(window) > 1 else 0.0
    return float(window.pts_seconds[-1]) + duration - start
