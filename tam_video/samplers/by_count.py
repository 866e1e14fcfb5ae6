"""Samplers by number of frames: uniform, all, keyframes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tam_video.errors import ConfigError
from tam_video.samplers.base import Window
from tam_video.types import IntArray


def evenly(count: int, *, num_frames: int) -> IntArray:
    """Return int64 [num_frames], indices spread evenly over 0..count-1.

    The range is divided into `num_frames` equal parts and the middle index of each is taken;
    indices repeat if `count` is smaller.
    """
    middles = (np.arange(num_frames) + 0.5) * count / num_frames
    return np.minimum(np.floor(middles), count - 1).astype(np.int64)


def check_at_least_one(name: str, value: float | None) -> None:
    """Check that an option is 1 or more, or None.

    Raises:
        ConfigError: `value` is below 1.
    """
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
        """Return int64 [num_frames], source frame numbers."""
        return window.indices[evenly(len(window), num_frames=self.num_frames)]


@dataclass(frozen=True, slots=True)
class AllSampler:
    """Choose every frame of the window."""

    def sample(self, window: Window) -> IntArray:
        """Return int64 [n], source frame numbers."""
        return window.indices.copy()


@dataclass(frozen=True, slots=True)
class KeyframeSampler:
    """Choose the keyframes, which are fast to decode and often at scene changes.

    Attributes:
        max_frames: maximum number; more keyframes are thinned out evenly. None keeps all.
    """

    max_frames: int | None = None

    def __post_init__(self) -> None:
        check_at_least_one("max_frames", self.max_frames)

    def sample(self, window: Window) -> IntArray:
        """Return int64 [T], source frame numbers.

        Raises:
            ConfigError: the window has no keyframe.
        """
        chosen = window.indices[window.is_keyframe]
        if not len(chosen):
            raise ConfigError(
                "there is no keyframe in this part of the video",
                hint="widen --start/--end or use another sampler",
            )
        return thinned(chosen, max_frames=self.max_frames)


def thinned(chosen: IntArray, *, max_frames: int | None) -> IntArray:
    """Return int64 [T], T <= max_frames: `chosen`, thinned out evenly if there are more."""
    if max_frames is None or len(chosen) <= max_frames:
        return chosen
    return chosen[evenly(len(chosen), num_frames=max_frames)]
