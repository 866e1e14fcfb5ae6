"""Times of windows, and the window that represents each moment."""

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


def times(windows) -> list[tuple[float, float]]:
    return [(each.start_seconds, each.end_seconds) for each in windows]


def test_windows_are_adjacent_and_the_last_is_shorter() -> None:
    windows = plan_windows(0, 80, options=WindowOptions(30))
    assert times(windows) == [(0, 30), (30, 60), (60, 80)]


def test_short_remainder_extends_the_last_window() -> None:
    assert times(plan_windows(0, 65, options=WindowOptions(30))) == [(0, 30), (30, 65)]


def test_stride_shorter_than_the_window_overlaps_up_to_the_end() -> None:
    windows = plan_windows(5, 65, options=WindowOptions(30, 15))
    assert times(windows) == [(5, 35), (20, 50), (35, 65)]


def test_stride_longer_than_the_window_leaves_gaps() -> None:
    assert times(plan_windows(0, 50, options=WindowOptions(5, 20))) == [(0, 5), (20, 25), (40, 45)]


def test_windows_are_clipped_to_spans_and_begin_with_them() -> None:
    spans = (ActiveSpan(8, 20), ActiveSpan(50, 100))
    windows = plan_windows(10, 90, options=WindowOptions(30), spans=spans)
    assert times(windows) == [(10, 20), (50, 80), (80, 90)]
    assert [each.index for each in windows] == [0, 1, 2]


def test_no_span_gives_no_window() -> None:
    assert plan_windows(0, 100, options=WindowOptions(), spans=()) == ()


def test_no_window_crosses_a_scene() -> None:
    windows = plan_windows(0, 60, options=WindowOptions(30), borders=(40, 12))
    assert times(windows) == [(0, 12), (12, 40), (40, 60)]


def test_overlap_belongs_to_the_window_with_the_nearest_midpoint() -> None:
    parts = stretches(plan_windows(0, 60, options=WindowOptions(30, 15)))
    assert [(s.start_seconds, s.end_seconds, s.window) for s in parts] == [
        (0, 22.5, 0),
        (22.5, 37.5, 1),
        (37.5, 60, 2),
    ]


def test_gaps_are_listed_only_for_the_whole_video() -> None:
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
def test_every_moment_of_any_windows_has_one_nearest_owner(spans) -> None:
    windows = tuple(VideoWindow(k, *span) for k, span in enumerate(sorted(spans)))
    parts = stretches(windows)
    for moment in (quarter / 4 + 0.1 for quarter in range(260)):
        holding = [w for w in windows if w.start_seconds <= moment < w.end_seconds]
        owners = [s.window for s in parts if s.start_seconds <= moment < s.end_seconds]
        assert len(owners) == bool(holding)
        if owners:
            least = min(abs(w.middle_seconds - moment) for w in holding)
            assert abs(windows[owners[0]].middle_seconds - moment) == pytest.approx(least)


@pytest.mark.parametrize("wrong", [(0, None), (30, 0), (-1, None), (float("nan"), None)])
def test_invalid_windows_are_refused(wrong) -> None:
    with pytest.raises(ConfigError):
        WindowOptions(*wrong)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30s", 30), ("1m", 60), ("1.5h", 5400), ("90", 90), ("0:30", 30), (" 2.5S ", 2.5)],
)
def test_lengths_of_time_are_read(text, expected) -> None:
    assert duration_seconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "soon", "0", "-5s", "1:30s", "nan", "inf", "1d"])
def test_invalid_length_of_time_is_refused(text) -> None:
    with pytest.raises(ConfigError, match=r"is not a (valid duration|time)"):
        duration_seconds(text)
