"""Samplers that count frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tam_video.errors import ConfigError
from tam_video.samplers import Window
from tam_video.samplers.builtin import AllSampler, KeyframeSampler, UniformSampler, evenly


def test_uniform_takes_the_middle_of_equal_parts(constant: Window) -> None:
    assert UniformSampler(4).sample(constant).tolist() == [12, 37, 62, 87]
    assert UniformSampler(1).sample(constant).tolist() == [50]
    assert UniformSampler(100).sample(constant).tolist() == list(range(100))


def test_uniform_repeats_frames_of_a_short_window(at: Callable[..., Window]) -> None:
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


def test_all_and_keyframes(constant: Window) -> None:
    assert AllSampler().sample(constant).tolist() == list(range(100))
    assert KeyframeSampler().sample(constant).tolist() == list(range(0, 100, 10))
    assert KeyframeSampler(max_frames=5).sample(constant).tolist() == [10, 30, 50, 70, 90]


def test_a_window_without_keyframes_is_an_error(at: Callable[..., Window]) -> None:
    between = at([n / 25 for n in range(10)], start=0.2)
    with pytest.raises(ConfigError, match="no keyframe"):
        KeyframeSampler().sample(between)


@pytest.mark.parametrize(
    "make",
    [
        lambda: UniformSampler(0),
        lambda: KeyframeSampler(max_frames=-1),
    ],
)
def test_options_that_ask_for_nothing_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.hint
