import numpy as np
import pytest
from constructed import blobs, make_explanation, make_info, with_input
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tam_video.analysis.grid import CommonGrid, axis_weights, slots_at
from tam_video.errors import ConfigError
from tam_video.types import View


def run(shape, *, view=None, first=0.0):
    maps = np.random.default_rng(0).random((2, *shape), np.float32)
    return make_explanation(maps, view=view or View(), info=make_info(start_seconds=first))


def slow_weights(positions, start, end, num_cells):
    """Cell by cell: 1 minus the distance to the cell's centre, in cells, kept in [0, 1]."""
    size = (end - start) / num_cells
    centres = [start + (cell + 0.5) * size for cell in range(num_cells)]
    rows = []
    for place in positions:
        held = min(max(place, centres[0]), centres[-1])
        rows.append([max(0.0, 1 - abs(held - centre) / size) for centre in centres])
    return np.array(rows)


@given(
    st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=5),
    st.floats(-0.5, 0.4),
    st.floats(0.5, 1.5),
    st.integers(1, 6),
)
@settings(deadline=None, max_examples=60)
def test_weights_of_an_axis_equal_reference_implementation(positions, start, end, num_cells):
    weights = axis_weights(np.array(positions), start, end, num_cells)
    np.testing.assert_allclose(weights, slow_weights(positions, start, end, num_cells), atol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=1), 1)


@given(
    hnp.arrays(
        np.float32,
        st.tuples(*[st.integers(1, 4)] * 4),
        elements=st.floats(0, 1, width=32),
    )
)
@settings(deadline=None, max_examples=40)
def test_maps_on_their_own_grid_are_the_same_to_the_bit(maps):
    explanation = make_explanation(maps)
    grid = CommonGrid.of([explanation, explanation])
    assert grid.shape == maps.shape[1:]
    np.testing.assert_array_equal(grid.read(explanation, maps), maps)


def test_the_finest_rows_columns_and_slots_are_taken():
    runs = [run((2, 6, 3)), run((4, 3, 8))]
    grid = CommonGrid.of(runs)
    assert grid.shape == (4, 6, 8)
    for each in runs:
        read = grid.read(each, each.word_maps)
        assert read.shape == (2, 4, 6, 8)
        assert each.word_maps.min() - 1e-6 <= read.min()
        assert read.max() <= each.word_maps.max() + 1e-6


def test_a_hot_slot_stays_hot_at_its_moments_only():
    coarse = make_explanation(blobs((2, 1, 1), [(1, 0, 0)])[None])
    fine = run((6, 1, 1))
    grid = CommonGrid.of([coarse, fine])
    heat = grid.read(coarse, coarse.word_maps)[0, :, 0, 0]
    np.testing.assert_array_equal(heat, [0, 0, 0, 1, 1, 1])


def test_cells_cover_the_same_part_of_the_picture_in_every_view():
    whole = make_explanation(blobs((1, 4, 4), [(0, 1, 2)])[None])
    cropped = make_explanation(
        blobs((1, 2, 2), [(0, 0, 1)])[None], view=View(0.25, 0.25, 0.75, 0.75)
    )
    grid = CommonGrid.of([whole, cropped])
    assert grid.view == View(0.25, 0.25, 0.75, 0.75)
    assert grid.shape == (1, 2, 2)
    for each in (whole, cropped):
        np.testing.assert_array_equal(grid.read(each, each.word_maps)[0, 0], [[0, 1], [0, 0]])


def test_padding_is_not_part_of_the_grid():
    padded = run((1, 8, 4), view=View(0.0, -0.5, 1.0, 1.5))
    grid = CommonGrid.of([padded, run((1, 2, 2))])
    assert grid.view == View()
    assert grid.shape == (1, 4, 4)


def test_the_slot_that_speaks_is_the_one_with_the_frames():
    explanation = run((3, 1, 1), first=5.0)
    times = explanation.layout.slot_seconds(explanation.pts_seconds)
    assert slots_at(explanation, times) == [0, 1, 2]
    assert slots_at(explanation, np.array([-9.0, 99.0])) == [0, 2]


def test_runs_without_common_times_or_views_are_refused():
    early, late = run((2, 2, 2)), run((2, 2, 2))
    early = with_input(early, indices=np.arange(4), pts_seconds=np.arange(4) / 10)
    late = with_input(late, indices=np.arange(20, 24), pts_seconds=np.arange(20, 24) / 10)
    with pytest.raises(ConfigError, match="no part"):
        CommonGrid.of([early, late])
    left, right = (run((1, 2, 2), view=View(a, 0.0, b, 1.0)) for a, b in ((0.0, 0.5), (0.5, 1.0)))
    with pytest.raises(ConfigError, match="no common part"):
        CommonGrid.of([left, right])
