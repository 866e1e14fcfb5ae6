"""Samplers that choose by number of frames, by presentation time, or by the model's rule.

Times are presentation times, never frame numbers divided by a rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tam_video.errors import ConfigError
from tam_video.samplers.base import Window
from tam_video.types import Float64Array, IntArray


def evenly(count: int, *, num_frames: int) -> IntArray:
    """Return indices spread evenly over 0..count-1: int64 [num_frames].

    The range is divided into `num_frames` equal parts and the middle index of each is taken;
    indices repeat if `count` is smaller.
    """
    middles = (np.arange(num_frames) + 0.5) * count / num_frames
    return np.minimum(np.floor(middles), count - 1).astype(np.int64)


def check_at_least_one(name: str, value: float | None) -> None:
    """Raise `ConfigError` if the value of an option is below 1. None is allowed."""
    if value is not None and not value >= 1:
        raise ConfigError(f"{name} must be 1 or more, not {value}", hint=f"set {name} to 1 or more")


@dataclass(frozen=True, slots=True)
class UniformSampler:
    """Choose `num_frames` frames evenly spread over the window.

    Attributes:
        num_frames: the exact number: frames repeat if the window has fewer.
    """

    num_frames: int = 16

    def __post_init__(self) -> None:
        check_at_least_one("num_frames", self.num_frames)

    def sample(self, window: Window) -> IntArray:
        """Return the source frame numbers of the chosen frames: int64 [num_frames]."""
        return window.indices[evenly(len(window), num_frames=self.num_frames)]


@dataclass(frozen=True, slots=True)
class AllSampler:
    """Choose every frame of the window."""

    def sample(self, window: Window) -> IntArray:
        """Return the source frame numbers of all frames in the window: int64 [n]."""
        return window.indices.copy()


@dataclass(frozen=True, slots=True)
class KeyframeSampler:
    """Choose the keyframes. They are fast to decode, and often the first frames of scenes.

    Attributes:
        max_frames: maximum number; more keyframes are thinned out evenly. None keeps all.
    """

    max_frames: int | None = None

    def __post_init__(self) -> None:
        check_at_least_one("max_frames", self.max_frames)

    def sample(self, window: Window) -> IntArray:
        """Return the source frame numbers of the chosen frames: int64 [T]."""
        chosen = window.indices[window.is_keyframe]
        if not len(chosen):
            raise ConfigError(
                "there is no keyframe in this part of the video",
                hint="widen the range of --start and --end, or use another --sampler",
            )
        return thinned(chosen, max_frames=self.max_frames)


def thinned(chosen: IntArray, *, max_frames: int | None) -> IntArray:
    """Return `chosen`, thinned out evenly to at most `max_frames` frame numbers: int64 [T]."""
    if max_frames is None or len(chosen) <= max_frames:
        return chosen
    return chosen[evenly(len(chosen), num_frames=max_frames)]


def shown_at(window: Window, seconds: Float64Array) -> IntArray:
    """Return the source frame numbers of the frames that are displayed at `seconds`: int64 [k].

    A frame is displayed from its own time until the next frame's, with a tolerance of 1 us.
    """
    indices = np.searchsorted(window.seconds, seconds + 1e-6, side="right") - 1
    return window.indices[np.clip(indices, 0, len(window) - 1)]


@dataclass(frozen=True, slots=True)
class FpsSampler:
    """Choose one frame every `1 / fps` seconds, starting with the window's first frame.

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
        """Return the source frame numbers of the chosen frames: int64 [T]."""
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
            raise ConfigError("times must be 0 or more", hint="give seconds counted from the start")

    def sample(self, window: Window) -> IntArray:
        """Return the source frame numbers of the chosen frames without repeats: int64 [T]."""
        last = max(self.seconds)
        if last > _end_seconds(window):
            raise ConfigError(
                f"the time {last:g} s is after the end",
                hint=f"the end is at {_end_seconds(window):.3f} s",
            )
        return np.unique(shown_at(window, np.array(self.seconds, np.float64)))


def _end_seconds(window: Window) -> float:
    """Return the end of the window's last frame, relative to the window's first frame."""
    start = float(window.pts_seconds[0])
    if int(window.indices[-1]) == window.info.num_frames - 1:
        return window.info.start_seconds + window.info.duration_seconds - start
    duration = float(np.median(np.diff(window.pts_seconds))) if len(window) > 1 else 0.0
    return float(window.pts_seconds[-1]) + duration - start


@dataclass(frozen=True, slots=True)
class NativeSampler:
    """Choose frames by the model's own sampling rule.

    Attributes:
        rule: returns source frame numbers of a window.
    """

    rule: Callable[[Window], IntArray]

    def sample(self, window: Window) -> IntArray:
        """Return the source frame numbers of the chosen frames: int64 [T].

        Raises:
            ValueError: the rule returns nothing, frames outside the window, or decreasing numbers.
        """
        chosen = np.asarray(self.rule(window))
        if chosen.ndim != 1 or not len(chosen) or not np.issubdtype(chosen.dtype, np.integer):
            raise ValueError("the sampling rule must return a list of frame numbers")
        if not np.isin(chosen, window.indices).all() or (np.diff(chosen) < 0).any():
            raise ValueError("the sampling rule must return increasing frame numbers in the window")
        return chosen.astype(np.int64)
