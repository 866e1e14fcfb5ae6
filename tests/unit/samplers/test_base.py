"""The window of frames that may be chosen."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tam_video.errors import ConfigError
from tam_video.samplers import Window, window
from tam_video.types import VideoInfo

PTS = 5 + np.arange(50) / 25
INFO = VideoInfo(
    Path("clip.mp4"),
    num_frames=50,
    width=8,
    height=8,
    average_fps=Fraction(25),
    duration_seconds=2.0,
    start_seconds=5.0,
)


def make(start: float | None = None, end: float | None = None) -> Window:
    flags = np.arange(50) % 25 == 0
    return window(INFO, PTS, flags, start_seconds=start, end_seconds=end)


def test_without_limits_every_frame_is_in() -> None:
    whole = make()
    assert whole.indices.tolist() == list(range(50))
    assert whole.indices.dtype == np.int64
    assert whole.seconds[0] == 0


def test_times_count_from_the_first_frame_and_the_end_is_out() -> None:
    assert make(0.4, 0.8).indices.tolist() == list(range(10, 20))
    assert make(0.4, 0.8).pts_seconds[0] == pytest.approx(5.4)
    assert make(end=0.04).indices.tolist() == [0]
    assert make(start=1.96).indices.tolist() == [49]


def test_a_later_window_keeps_its_keyframes() -> None:
    assert np.flatnonzero(make(0.4).is_keyframe).tolist() == [15]


@pytest.mark.parametrize(
    "limits",
    [(1.0, 1.0), (1.0, 0.5), (-1.0, None), (float("nan"), None), (2.0, None), (0.01, 0.02)],
)
def test_a_window_without_frames_is_an_error_with_a_hint(limits: tuple[Any, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        make(*limits)
    assert caught.value.hint


def test_arrays_of_different_length_are_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"\[n\]"):
        Window(np.arange(3), PTS[:2], np.zeros(3, np.bool_), INFO)
    with pytest.raises(ValueError, match="one frame"):
        Window(np.arange(0), PTS[:0], np.zeros(0, np.bool_), INFO)
