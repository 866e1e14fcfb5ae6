"""Samplers that follow the clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tam_video.errors import ConfigError
from tam_video.samplers import Window
from tam_video.samplers.builtin import FpsSampler, TimestampSampler


def test_fps_takes_the_frame_on_screen_at_every_tick(constant: Window, variable: Window) -> None:
    assert FpsSampler(5.0).sample(constant).tolist() == list(range(0, 100, 5))
    assert FpsSampler(2.0).sample(variable).tolist() == [0, 2, 4]
    assert FpsSampler(0.01).sample(constant).tolist() == [0]


def test_fps_counts_the_time_that_the_last_frame_stays(at: Callable[..., Window]) -> None:
    assert FpsSampler(2.0).sample(at([0.0, 0.5, 2.7], last=0.9)).tolist() == [0, 1, 2]


def test_fps_above_the_rate_takes_every_frame_once(
    constant: Window, at: Callable[..., Window]
) -> None:
    assert FpsSampler(1000.0).sample(constant).tolist() == list(range(100))
    assert FpsSampler(25.0).sample(constant).tolist() == list(range(100))
    assert FpsSampler(30.0).sample(at([1.0])).tolist() == [0]


def test_fps_is_thinned_to_its_maximum(constant: Window) -> None:
    chosen = FpsSampler(5.0, max_frames=4).sample(constant)
    assert chosen.tolist() == [10, 35, 60, 85]


def test_timestamps_are_frames_on_screen(constant: Window, variable: Window) -> None:
    times = TimestampSampler((0.95, 0.1, 2.59, 2.9, 0.97))
    assert times.sample(variable).tolist() == [1, 3, 4, 6]
    assert TimestampSampler((0.0,)).sample(constant).tolist() == [0]


def test_timestamps_after_the_end_are_refused(constant: Window) -> None:
    with pytest.raises(ConfigError, match="after the end"):
        TimestampSampler((4.5,)).sample(constant)


@pytest.mark.parametrize(
    "make",
    [
        lambda: FpsSampler(0.0),
        lambda: FpsSampler(float("nan")),
        lambda: FpsSampler(2.0, max_frames=0),
        lambda: TimestampSampler(()),
        lambda: TimestampSampler((-1.0,)),
    ],
)
def test_options_that_ask_for_nothing_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.hint
