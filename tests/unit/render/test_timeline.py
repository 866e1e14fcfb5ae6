import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tam_video.render.overlay import TimeWindow
from tam_video.render.theme import BACKGROUND
from tam_video.render.timeline import TimeAxis, clock_text, draw_strip


def axis(start=10.0, end=20.0, slots=(11.0, 15.0, 19.0), window=(10.0, 20.0)):
    return TimeAxis(start, end, np.array(slots), TimeWindow(*window))


def inked(picture):
    """Per column, how many pixels are not background."""
    return (np.abs(picture.astype(int) - BACKGROUND).max(axis=2) > 12).sum(axis=0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00.0"),
        (3.26, "0:03.2"),
        (59.99, "0:59.9"),
        (60, "1:00.0"),
        (3723.45, "1:02:03.4"),
        (-1, "0:00.0"),
        (0.3, "0:00.3"),
        (0.1 + 0.7, "0:00.8"),
    ],
)
def test_the_clock_reads_as_in_players(seconds, text):
    assert clock_text(seconds) == text


def test_time_runs_from_left_to_right_and_stops_at_the_ends():
    assert [axis().share(at) for at in (5, 10, 15, 20, 99)] == [0, 0, 0.5, 1, 1]
    assert axis(3.0, 3.0).share(3.0) == 0


def test_ticks_stand_at_the_slots():
    strip = draw_strip(axis(), width=301, height=40)
    bottom = strip[0][-6:-2]
    columns = np.flatnonzero(inked(bottom))
    groups = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    middles = [group.mean() for group in groups]
    assert middles == pytest.approx([30, 150, 270], abs=1.5)


def test_the_energy_is_highest_at_its_slot():
    strip = draw_strip(axis(), width=300, height=40, energy=np.array([0.1, 0.9, 0.1]))
    heights = inked(strip[0][:28])
    assert abs(int(heights.argmax()) - 150) <= 4
    assert heights[150] > 3 * heights[30] > 0


def test_no_energy_is_drawn_outside_of_the_window():
    energy = np.ones(3)
    strip = draw_strip(axis(end=40.0), width=300, height=40, energy=energy)
    heights = inked(strip[1][:28])
    assert heights[:95].min() > 10
    assert heights[105:].max() == 0


def test_the_turn_is_marked():
    plain, marked = (
        draw_strip(axis(), width=300, height=40, shown=shown)[0] for shown in (None, (12, 14))
    )
    columns = np.flatnonzero((plain != marked).any(axis=(0, 2)))
    assert (columns.min(), columns.max()) == pytest.approx((60, 120), abs=2)


@settings(max_examples=20, deadline=None)
@given(
    arrays(np.float64, 3, elements=st.floats(0, 1e6) | st.just(float("nan"))),
    st.integers(2, 90),
    st.integers(2, 40),
)
def test_any_energy_and_size_can_be_drawn(energy, width, height):
    strip = draw_strip(axis(), width=width, height=height, energy=energy)
    assert strip[0].shape == strip[1].shape == (height, width, 3)
