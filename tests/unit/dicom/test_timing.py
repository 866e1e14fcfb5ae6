from fractions import Fraction
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from tam_video.dicom.timing import frame_times

VECTOR, TIME = 0x00181065, 0x00181063


def tags(**values):
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def test_a_frame_time_counts_exactly():
    times = frame_times(tags(FrameTime="33.333", FrameIncrementPointer=TIME), 4)
    step = Fraction("0.033333")
    assert times.source == "FrameTime"
    assert times.pts_seconds.tolist() == [float(k * step) for k in range(4)]
    assert (times.duration_seconds, times.time_base) == (4 * step, step)
    assert times.average_fps == 1 / step
    assert not times.warnings


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=30))
def test_a_vector_is_summed_exactly(microseconds):
    vector = ["0", *(f"{each / 1000:.3f}" for each in microseconds)]
    times = frame_times(tags(FrameTimeVector=vector, FrameIncrementPointer=VECTOR), len(vector))
    ticks = [0, *accumulate(microseconds)]
    assert times.source == "FrameTimeVector"
    assert times.pts_seconds.tolist() == [float(Fraction(t, 10**6)) for t in ticks]
    assert times.duration_seconds == Fraction(ticks[-1] + microseconds[-1], 10**6)
    assert all((Fraction(t, 10**6) / times.time_base).denominator == 1 for t in ticks)


def test_a_vector_without_the_first_frames_zero_is_taken():
    times = frame_times(tags(FrameTimeVector=["10", "30"]), 3)
    assert times.pts_seconds.tolist() == [0, 0.01, 0.04]


def test_the_pointer_decides_between_time_and_vector():
    both = {"FrameTime": "50", "FrameTimeVector": ["0", "10"]}
    assert frame_times(tags(**both, FrameIncrementPointer=TIME), 2).source == "FrameTime"
    assert frame_times(tags(**both, FrameIncrementPointer=VECTOR), 2).source == "FrameTimeVector"
    assert frame_times(tags(**both), 2).source == "FrameTimeVector"


@pytest.mark.parametrize("vector", [["0", "10"], ["0", "0", "10"], ["0", "-1", "5"], []])
def test_a_vector_that_fits_neither_frames_nor_order_is_told_and_not_used(vector):
    times = frame_times(tags(FrameTimeVector=vector, CineRate="20"), 3)
    assert times.source == "CineRate"
    assert np.all(np.diff(times.pts_seconds) > 0)
    assert bool(times.warnings) == bool(vector)


def test_rates_are_asked_where_there_is_no_frame_time():
    rates = {"CineRate": "30", "RecommendedDisplayFrameRate": "15"}
    times = frame_times(tags(**rates), 3)
    assert (times.source, times.time_base) == ("CineRate", Fraction(1, 30))
    assert frame_times(tags(RecommendedDisplayFrameRate="15"), 3).time_base == Fraction(1, 15)
    assert frame_times(tags(FrameTime="0", CineRate="30"), 3).source == "CineRate"


def test_without_any_tag_25_frames_a_second_are_assumed_and_told():
    times = frame_times(tags(), 3)
    assert (times.source, times.pts_seconds.tolist()) == ("assumed", [0, 0.04, 0.08])
    assert times.warnings
    assert not frame_times(tags(), 1).warnings
