import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from render_cases import map_at

from tam_video.errors import UnknownNameError
from tam_video.render.overlay import (
    color_table,
    slots_around,
    upsample,
)
from tam_video.types import View, VisualLayout

unit_floats = st.floats(0.0, 1.0, width=32)


def slow_map_at(maps, slots, seconds):
    if seconds <= slots[0]:
        return maps[0]
    for before in range(len(slots) - 1):
        start, end = slots[before], slots[before + 1]
        if start <= seconds < end:
            share = (seconds - start) / (end - start)
            return (1 - share) * maps[before] + share * maps[before + 1]
    return maps[-1]


def slow_upsample(cells, width, height):
    rows, columns = cells.shape
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            v = min(max((y + 0.5) * rows / height - 0.5, 0), rows - 1)
            u = min(max((x + 0.5) * columns / width - 0.5, 0), columns - 1)
            top, left = int(v), int(u)
            low, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            a, b = v - top, u - left
            upper = (1 - b) * cells[top, left] + b * cells[top, right]
            lower = (1 - b) * cells[low, left] + b * cells[low, right]
            out[y, x] = (1 - a) * upper + a * lower
    return 255 * out


def slow_placed(cells, view, width, height):
    """Each pixel between the cell centres that `cell_box` gives, 0 where no cell covers it."""
    rows, columns = cells.shape
    layout = VisualLayout(1, rows, columns, ((0,),), view)
    boxes = [layout.cell_box(row, 0, width=width, height=height) for row in range(rows)]
    centres_y = [(top + bottom) / 2 for _, top, _, bottom in boxes]
    wide = [layout.cell_box(0, column, width=width, height=height) for column in range(columns)]
    centres_x = [(left + right) / 2 for left, _, right, _ in wide]
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            inside_x = wide[0][0] <= x + 0.5 <= wide[-1][2]
            inside_y = boxes[0][1] <= y + 0.5 <= boxes[-1][3]
            if inside_x and inside_y:
                lines = [np.interp(x + 0.5, centres_x, line) for line in cells]
                out[y, x] = np.interp(y + 0.5, centres_y, lines)
    return 255 * out


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.float32, (4, 2, 3), elements=unit_floats),
    st.lists(st.integers(0, 90), min_size=4, max_size=4, unique=True).map(sorted),
    st.floats(-20, 120),
)
def test_interpolation_equals_the_reference_implementation(maps, slots, seconds):
    got = map_at(maps, np.array(slots), seconds)
    np.testing.assert_allclose(got, slow_map_at(maps, slots, seconds), atol=1e-5)


def test_interpolation_hits_the_slots_and_their_middle():
    maps = np.arange(3, dtype=np.float32).reshape(3, 1, 1) / 2
    slots = np.array([1.0, 2.0, 4.0])
    got = [float(map_at(maps, slots, at)[0, 0]) for at in (0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 9.0)]
    assert got == pytest.approx([0, 0, 0.25, 0.5, 0.75, 1, 1])


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=unit_floats),
    st.integers(5, 23),
    st.integers(4, 19),
)
def test_upsampling_equals_the_reference_implementation(cells, width, height):
    got = upsample(cells, width=width, height=height)
    assert got.shape == (height, width)
    np.testing.assert_allclose(got, slow_upsample(cells, width, height), atol=0.8)


@st.composite
def views(draw):
    """Crops, canvases that reach beyond the picture, and what is both."""
    left, top = draw(st.floats(-0.6, 0.6)), draw(st.floats(-0.6, 0.6))
    return View(
        left, top, max(left, 0) + draw(st.floats(0.2, 1)), max(top, 0) + draw(st.floats(0.2, 1))
    )


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=unit_floats),
    views(),
    st.integers(5, 23),
    st.integers(4, 19),
)
def test_placing_by_view_equals_the_reference_implementation(cells, view, width, height):
    edges = [view.left * width - 0.5, view.right * width - 0.5]
    edges += [view.top * height - 0.5, view.bottom * height - 0.5]
    assume(all(abs(edge - round(edge)) > 1e-6 for edge in edges))
    got = upsample(cells, width=width, height=height, view=view)
    assert got.shape == (height, width)
    np.testing.assert_allclose(got, slow_placed(cells, view, width, height), atol=0.8)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), views(), st.data())
def test_a_hot_cell_is_hottest_where_its_box_says(rows, columns, view, data):
    cell = data.draw(st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1)))
    cells = np.zeros((rows, columns), dtype=np.float32)
    cells[cell] = 1.0
    layout = VisualLayout(1, rows, columns, ((0,),), view)
    left, top, right, bottom = layout.cell_box(*cell, width=400, height=300)
    x, y = int((left + right) / 2), int((top + bottom) / 2)
    assume(0 <= x < 400 and 0 <= y < 300)
    heat = upsample(cells, width=400, height=300, view=view)
    assert heat[y, x] >= max(heat.max() - 20, 225)


def test_a_nearly_whole_view_is_painted_as_the_whole_one():
    cells = np.random.default_rng(0).random((5, 7), dtype=np.float32)
    whole = upsample(cells, width=90, height=60)
    nearly = upsample(cells, width=90, height=60, view=View(0, 0, 1, 1 + 1e-9))
    np.testing.assert_allclose(nearly, whole, atol=1)


def test_heat_lies_over_its_own_cell():
    cells = np.zeros((3, 4), dtype=np.float32)
    cells[1, 2] = 1.0
    heat = upsample(cells, width=40, height=30)
    ys, xs = np.nonzero(heat == heat.max())
    assert (ys.mean(), xs.mean()) == (14.5, 24.5)
    assert heat[:5].max() == 0
    assert heat[:, :15].max() == 0


def test_values_outside_0_to_1_and_nan_do_no_harm():
    cells = np.array([[np.nan, -3.0, 5.0]], dtype=np.float32)
    np.testing.assert_array_equal(upsample(cells, width=3, height=1), [[0, 0, 255]])


def test_tables_are_rgb_and_run_from_cold_to_hot():
    turbo, jet = color_table("turbo"), color_table("jet")
    assert turbo.shape == (256, 3)
    assert jet[0].argmax() == 2
    assert jet[-1].argmax() == turbo[-1].argmax() == 0
    for name in ("inferno", "cividis", "viridis"):
        brightness = color_table(name).astype(int).sum(axis=1)
        assert brightness[-1] > brightness[128] > brightness[0]


def test_an_unknown_colormap_names_the_close_ones():
    with pytest.raises(UnknownNameError) as caught:
        color_table("turbor")
    assert "turbo" in caught.value.hint


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        (0.5, (0, 0, 0.0)),
        (1.0, (0, 1, 0.0)),
        (1.25, (0, 1, 0.25)),
        (2.0, (1, 2, 0.0)),
        (3.0, (1, 2, 0.5)),
        (4.0, (2, 2, 0.0)),
        (9.0, (2, 2, 0.0)),
    ],
)
def test_a_time_lies_between_two_slots(seconds, wanted):
    assert slots_around(np.array([1.0, 2.0, 4.0]), seconds) == wanted
