"""The interface of samplers, and the window of frames that they choose from.

Owns: the window (`--start/--end`) and the protocol. Does not read pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tam_video.errors import ConfigError
from tam_video.types import Float64Array, IntArray, VideoInfo

_HALF_TICK = 5e-7  # seconds: tolerance for rounded times


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The frames from which a sampler chooses: at least one frame, in display order.

    Attributes:
        indices: int64 [n], frame numbers in the source, consecutive.
        pts_seconds: float64 [n], presentation times as stored in the container, increasing.
        is_keyframe: bool [n].
        info: the source video.
    """

    indices: IntArray
    pts_seconds: Float64Array
    is_keyframe: NDArray[np.bool_]
    info: VideoInfo

    def __post_init__(self) -> None:
        if not self.indices.shape == self.pts_seconds.shape == self.is_keyframe.shape:
            raise ValueError("'indices', 'pts_seconds' and 'is_keyframe' must all be [n]")
        if self.indices.ndim != 1 or not len(self.indices):
            raise ValueError("a window must have at least one frame")

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def seconds(self) -> Float64Array:
        """Times of the frames in seconds after the window's first frame: float64 [n]."""
        relative: Float64Array = self.pts_seconds - self.pts_seconds[0]
        return relative


class FrameSampler(Protocol):
    """Interface of classes that choose frames."""

    def sample(self, window: Window) -> IntArray:
        """Return the increasing source frame numbers of the chosen frames: int64 [T], T >= 1.

        Exception: a sampler with a fixed number of frames repeats some if the window has fewer; the
        numbers then do not decrease.

        Raises:
            ConfigError: no frame of the window matches the options.
        """


def window(
    info: VideoInfo,
    timeline_pts: Float64Array,
    is_keyframe: NDArray[np.bool_],
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
) -> Window:
    """Return the frames displayed from `start_seconds` up to but excluding `end_seconds`.

    Args:
        info: the source video.
        timeline_pts: float64 [N], presentation times of all its frames, increasing.
        is_keyframe: bool [N].
        start_seconds: relative to the first frame; None for the beginning.
        end_seconds: relative to the first frame, exclusive; None for the end.

    Raises:
        ConfigError: the times are negative, not numbers, out of order, or contain no frame.
    """
    start = 0.0 if start_seconds is None else start_seconds
    end = np.inf if end_seconds is None else end_seconds
    if not (0 <= start < end):
        raise ConfigError(
            f"the start ({start:g} s) must be at least 0 and before the end ({end:g} s)",
            hint="use times in seconds after the first frame, with the start before the end",
        )
    relative = timeline_pts - timeline_pts[0]
    indices = np.flatnonzero((relative >= start - _HALF_TICK) & (relative < end - _HALF_TICK))
    if not len(indices):
        last = float(relative[-1])
        raise ConfigError(
            f"there is no frame between {start:g} s and {end:g} s",
            hint=f"the last frame of {info.path.name} is at {last:.3f} s",
        )
    return Window(indices.astype(np.int64), timeline_pts[indices], is_keyframe[indices], info)
