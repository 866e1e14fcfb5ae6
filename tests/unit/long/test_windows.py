"""Where windows lie, and who speaks for which moment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tam_video.errors import ConfigError
from tam_video.long.gate import ActiveSpan
from tam_video.long.windows import (
    VideoWindow,
    WindowOptions,
    duration_seconds,
    plan_windows,
    stretches,
)


def places(windows) -> list[tuple[float, float]]:
    return [(each.start_seconds, each.end_seconds) for each in windows]


def test_windows_lie_end_to_end_with_a_ragged_last_one() -> None:
    found = plan_windows(0, 80, options=WindowOptions(30))
    assert places(found) == [(0, 30), (30, 60), (60, 80)]


def test_short_rest_makes_the_last_window_longer() -> None:
    assert places(plan_windows(0, 65, options=WindowOptions(30))) == [(0, 30), (30, 65)]


def test_stride_shorter_than_the_window_overlaps_up_to_the_end() -> None:
    found = plan_windows(5, 65, options=WindowOptions(30, 15))
    assert places(found) == [(5, 35), (20, 50), (35, 65)]


def test_stride_longer_than_the_window_leaves_gaps() -> None:
    assert places(plan_windows(0, 50, options=WindowOptions(5, 20))) == [(0, 5), (20, 25), (40, 45)]


def test_windows_are_clipped_to_spans_and_begin_with_them() -> None:
    spans = (ActiveSpan(8, 20), ActiveSpan(50, 100))
    found = plan_windows(10, 90, options=WindowOptions(30), spans=spans)
    assert places(found) == [(10, 20), (50, 80), (80, 90)]
    assert [each.index for each in found] == [0, 1, 2]


def test_no_span_gives_no_window() -> None:
    assert plan_windows(0, 100, options=WindowOptions(), spans=()) == ()


def test_no_window_crosses_a_scene() -> None:
    found = plan_windows(0, 60, options=WindowOptions(30), borders=(40, 12))
    assert places(found) == [(0, 12), (12, 40), (40, 60)]


def test_overlap_is_drawn_by_the_window_whose_middle_is_nearest() -> None:
    found = stretches(plan_windows(0, 60, options=WindowOptions(30, 15)))
    assert [(s.start_seconds, s.end_seconds, s.window) for s in found] == [
        (0, 22.5, 0),
        (22.5, 37.5, 1),
        (37.5, 60, 2),
    ]


def test_gaps_are_told_only_for_the_whole_video() -> None:
    windows = (VideoWindow(0, 10, 20), VideoWindow(1, 30, 40))
    assert [s.window for s in stretches(windows)] == [0, 1]
    assert [s.window for s in stretches(windows, whole=(0, 50))] == [None, 0, None, 1, None]
    assert stretches((), whole=(0, 5))[0].window is None
    assert stretches(()) == ()


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(1, 20)).map(lambda at: (at[0], sum(at))),
        max_size=6,
        unique=True,
    )
)
def test_every_moment_of_any_windows_has_one_nearest_owner(given_places) -> None:
    windows = tuple(VideoWindow(k, *place) for k, place in enumerate(sorted(given_places)))
    found = stretches(windows)
    for moment in (quarter / 4 + 0.1 for quarter in range(260)):
        holding = [w for w in windows if w.start_seconds <= moment < w.end_seconds]
        owners = [s.window for s in found if s.start_seconds <= moment < s.end_seconds]
        assert len(owners) == bool(holding)
        if owners:
            least = min(abs(w.middle_seconds - moment) for w in holding)
            assert abs(windows[owners[0]].middle_seconds - moment) == pytest.approx(least)


@pytest.mark.parametrize("wrong", [(0, None), (30, 0), (-1, None), (float("nan"), None)])
def test_senseless_windows_are_refused(wrong) -> None:
    with pytest.raises(ConfigError):
        WindowOptions(*wrong)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30s", 30), ("1m", 60), ("1.5h", 5400), ("90", 90), ("0:30", 30), (" 2.5S ", 2.5)],
)
def test_lengths_of_time_are_read(text, expected) -> None:
    assert duration_seconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "soon", "0", "-5s", "1:30s", "nan", "inf", "1d"])
def test_what_is_no_length_of_time_is_refused(text) -> None:
    with pytest.raises(ConfigError, match="time"):
        duration_seconds(text)
