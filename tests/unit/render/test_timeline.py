import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tam_video.render.overlay import TimeWindow
from tam_video.render.theme import BACKGROUND, DIM, FAINT, LIT, mix
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


def rows_where(column, color, tolerance=2):
    return np.flatnonzero(np.abs(column.astype(int) - color).max(axis=1) <= tolerance)


def test_a_strip_has_its_line_ticks_and_curve_at_fixed_shares_of_its_height():
    width, height = 301, 100
    past, future = draw_strip(
        axis(slots=(15.0,)), width=width, height=height, energy=np.array([2.0])
    )
    for picture, color in ((past, LIT), (future, mix(BACKGROUND, DIM, 0.75))):
        free = picture[:, 30]  # beside the tick: the area under the curve, then the line
        area = rows_where(free, mix(BACKGROUND, color, 0.45))
        assert (area.min(), area.max()) == pytest.approx((0.06 * 74 + 1, 73), abs=1.1)
        assert rows_where(free, color).tolist() == pytest.approx([4], abs=1)
        assert rows_where(free, FAINT).tolist() == [74]
        assert (free[76:] == BACKGROUND).all()
        tick = rows_where(picture[:, 150], mix(BACKGROUND, color, 0.8))
        assert (tick.min(), tick.max()) == pytest.approx((74, 95), abs=1)
        assert (picture[97:, 150] == BACKGROUND).all()
        assert (picture[80, [148, 152]] == BACKGROUND).all()


def test_the_curve_is_scaled_to_its_maximum_and_extends_to_both_ends():
    energy = np.array([0.1, 0.4, np.nan])
    picture = draw_strip(axis(), width=301, height=100, energy=energy)[0]
    heights = [inked(picture[:74, [x]])[0] for x in (2, 30, 150, 268, 298)]
    # A quarter, all, and nothing of 94 % of the 74 px above the line.
    wanted = [0.94 * 74 * level for level in (0.25, 0.25, 1, 0, 0)]
    assert heights == pytest.approx(wanted, abs=3)


@pytest.mark.parametrize("energy", [None, np.zeros(3), np.full(3, np.nan), -np.ones(3)])
def test_without_energy_there_is_no_curve(energy):
    picture = draw_strip(axis(), width=301, height=100, energy=energy)[0]
    assert (picture[:73] == BACKGROUND).all()


def test_negative_energy_counts_as_none():
    picture = draw_strip(axis(), width=301, height=100, energy=np.array([-5.0, 1.0, -5.0]))[0]
    assert inked(picture[:73, [30]])[0] <= 2
    assert (picture[76:95, 20] == BACKGROUND).all()


def test_the_turn_is_a_thick_part_of_the_line():
    past, future = draw_strip(axis(slots=()), width=301, height=100, shown=(12.0, 14.0))
    for picture, color in ((past, LIT), (future, mix(BACKGROUND, DIM, 0.75))):
        shares = (picture[70:80, 90, 0] - 17.0) / (color[0] - 17.0)
        assert (shares[:3] == 0).all()
        assert shares[4] == pytest.approx(1)
        assert shares.sum() == pytest.approx(2.2, abs=0.2)  # 1.5 lines below and 0.5 above
        inside = rows_where(picture[74], color)
        assert (inside.min(), inside.max()) == pytest.approx((60, 120), abs=1)
        assert rows_where(picture[:, 30], FAINT).tolist() == [74]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3599.99, "59:59.9"),
        (3600, "1:00:00.0"),
        (600, "10:00.0"),
        (0.09, "0:00.0"),
        (0.1, "0:00.1"),
    ],
)
def test_the_clock_has_hours_only_from_the_first_hour_on(seconds, text):
    assert clock_text(seconds) == text
