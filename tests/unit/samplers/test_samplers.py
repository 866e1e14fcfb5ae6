"""What each sampler chooses."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tam_video.errors import ConfigError
from tam_video.samplers import Window, window
from tam_video.samplers.by_count import AllSampler, KeyframeSampler, UniformSampler, evenly
from tam_video.samplers.by_time import FpsSampler, TimestampSampler
from tam_video.samplers.native import NativeSampler
from tam_video.types import VideoInfo


def at(pts: list[float], *, last: float = 0.04, start: float | None = None) -> Window:
    times = np.array(pts, np.float64)
    info = VideoInfo(
        Path("clip.mp4"),
        num_frames=len(times),
        width=8,
        height=8,
        average_fps=Fraction(25),
        duration_seconds=float(times[-1] - times[0]) + last,
        start_seconds=float(times[0]),
    )
    return window(info, times, np.arange(len(times)) % 10 == 0, start_seconds=start)


CONSTANT = at([3 + n / 25 for n in range(100)])
VARIABLE = at([0.0, 0.1, 0.15, 0.9, 1.0, 2.6, 2.7], last=0.3)


def test_uniform_takes_the_middle_of_equal_parts() -> None:
    assert UniformSampler(4).sample(CONSTANT).tolist() == [12, 37, 62, 87]
    assert UniformSampler(1).sample(CONSTANT).tolist() == [50]
    assert UniformSampler(100).sample(CONSTANT).tolist() == list(range(100))


def test_uniform_repeats_frames_of_a_short_window() -> None:
    assert UniformSampler(6).sample(at([0.0, 0.1, 0.2])).tolist() == [0, 0, 1, 1, 2, 2]
    assert UniformSampler(3).sample(at([0.0])).tolist() == [0, 0, 0]


@given(st.integers(1, 500), st.integers(1, 64))
def test_even_places_are_spread_evenly(count: int, num_frames: int) -> None:
    places = evenly(count, num_frames=num_frames)
    slow = [min(int((k + 0.5) * count / num_frames), count - 1) for k in range(num_frames)]
    assert places.tolist() == slow
    if num_frames > 1:
        steps = np.diff(places)
        assert steps.max() - steps.min() <= 1


def test_fps_takes_the_frame_on_screen_at_every_tick() -> None:
    assert FpsSampler(5.0).sample(CONSTANT).tolist() == list(range(0, 100, 5))
    assert FpsSampler(2.0).sample(VARIABLE).tolist() == [0, 2, 4, 5]
    assert FpsSampler(0.01).sample(CONSTANT).tolist() == [0]


def test_fps_above_the_rate_takes_every_frame_once() -> None:
    assert FpsSampler(1000.0).sample(CONSTANT).tolist() == list(range(100))
    assert FpsSampler(25.0).sample(CONSTANT).tolist() == list(range(100))
    assert FpsSampler(30.0).sample(at([1.0])).tolist() == [0]


def test_fps_is_thinned_to_its_maximum() -> None:
    chosen = FpsSampler(5.0, max_frames=4).sample(CONSTANT)
    assert chosen.tolist() == [10, 35, 60, 85]


def test_timestamps_are_frames_on_screen() -> None:
    times = TimestampSampler((0.95, 0.1, 2.59, 2.9, 0.97))
    assert times.sample(VARIABLE).tolist() == [1, 3, 4, 6]
    assert TimestampSampler((0.0,)).sample(CONSTANT).tolist() == [0]


def test_timestamps_after_the_end_are_refused() -> None:
    with pytest.raises(ConfigError, match="after the end"):
        TimestampSampler((4.5,)).sample(CONSTANT)


def test_all_and_keyframes() -> None:
    assert AllSampler().sample(CONSTANT).tolist() == list(range(100))
    assert KeyframeSampler().sample(CONSTANT).tolist() == list(range(0, 100, 10))
    assert KeyframeSampler(max_frames=5).sample(CONSTANT).tolist() == [10, 30, 50, 70, 90]


def test_a_window_without_keyframes_is_an_error() -> None:
    between = at([n / 25 for n in range(10)], start=0.2)
    with pytest.raises(ConfigError, match="no keyframe"):
        KeyframeSampler().sample(between)


def test_native_passes_the_rule_of_the_model_on() -> None:
    assert NativeSampler(lambda w: w.indices[::50]).sample(CONSTANT).tolist() == [0, 50]


@pytest.mark.parametrize("wrong", [[], [5, 4], [100], [0.5], [[1, 2]]])
def test_native_rules_are_checked(wrong: list[object]) -> None:
    with pytest.raises(ValueError, match="native rule"):
        NativeSampler(lambda w: np.array(wrong)).sample(CONSTANT)


@pytest.mark.parametrize(
    "make",
    [
        lambda: UniformSampler(0),
        lambda: FpsSampler(0.0),
        lambda: FpsSampler(float("nan")),
        lambda: FpsSampler(2.0, max_frames=0),
        lambda: KeyframeSampler(max_frames=-1),
        lambda: TimestampSampler(()),
        lambda: TimestampSampler((-1.0,)),
    ],
)
def test_options_that_ask_for_nothing_are_refused(make: object) -> None:
    with pytest.raises(ConfigError) as caught:
        make()  # type: ignore[operator]
    assert caught.value.hint
