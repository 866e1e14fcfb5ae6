"""One suite for every sampler: what it chooses lies in the window, in order."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.samplers import SAMPLERS, Window, window
from tam_video.types import VideoInfo

ARGUMENTS: dict[str, dict[str, Any]] = {
    "timestamps": {"seconds": (0.0,)},
    "native": {"rule": lambda chosen_from: chosen_from.indices[::2]},
}


def make_window(gaps: list[int], first_tick: int = 0, skip: int = 0) -> Window:
    pts = (first_tick + np.cumsum([0, *gaps])) / 1000
    info = VideoInfo(
        Path("clip.mp4"),
        num_frames=len(pts),
        width=32,
        height=24,
        average_fps=Fraction(25),
        duration_seconds=float(pts[-1] - pts[0] + 0.04),
        start_seconds=float(pts[0]),
    )
    is_keyframe = np.arange(len(pts)) % 12 == 0
    whole = window(info, pts, is_keyframe)
    if not skip:
        return whole
    return Window(whole.indices[skip:], pts[skip:], is_keyframe[skip:], info)


@pytest.mark.parametrize("name", SAMPLERS.targets)
@given(
    gaps=st.lists(st.integers(1, 500), max_size=80),
    first_tick=st.integers(0, 10_000),
)
@settings(max_examples=40, deadline=None)
def test_every_sampler_chooses_increasing_frames_of_the_window(
    name: str, gaps: list[int], first_tick: int
) -> None:
    frames = make_window(gaps, first_tick)
    chosen = SAMPLERS.load(name)(**ARGUMENTS.get(name, {})).sample(frames)
    assert chosen.dtype == np.int64
    assert len(chosen) >= 1
    assert np.isin(chosen, frames.indices).all()
    steps = np.diff(chosen)
    assert (steps >= 0).all()
    if name != "uniform" or len(frames) >= 16:
        assert (steps > 0).all()


@pytest.mark.parametrize("name", SAMPLERS.targets)
def test_a_later_window_gives_source_numbers(name: str) -> None:
    frames = make_window([40] * 99, skip=48)
    chosen = SAMPLERS.load(name)(**ARGUMENTS.get(name, {})).sample(frames)
    assert 48 <= chosen.min() <= chosen.max() <= 99


@pytest.mark.parametrize("name", SAMPLERS.targets)
def test_sampling_is_repeatable_and_leaves_the_window_alone(name: str) -> None:
    frames = make_window([40, 80, 20] * 20)
    before = frames.indices.copy()
    sampler = SAMPLERS.load(name)(**ARGUMENTS.get(name, {}))
    first = sampler.sample(frames)
    first_copy = first.copy()
    first[:] = -1
    assert np.array_equal(sampler.sample(frames), first_copy)
    assert np.array_equal(frames.indices, before)
