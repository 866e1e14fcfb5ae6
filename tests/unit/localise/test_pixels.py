import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.localise import Placement
from tam_video.types import View, VisualLayout

VIEWS = [
    View(),
    View(0.21875, 0.0, 0.78125, 1.0),  # the middle square of 16:9
    View(0.0, -0.38888, 1.0, 1.38888),  # padded to a square
    View(-0.1, 0.2, 1.3, 0.9),
]


def slow_mask(placement: Placement, cells, margin):
    """Each pixel asks which cells, grown by a margin, its centre lies in."""
    layout = VisualLayout(1, placement.h, placement.w, ((0,),), placement.view)
    size = {"width": placement.width, "height": placement.height}
    mask = np.zeros((placement.height, placement.width), bool)
    for row, column in zip(*np.nonzero(cells), strict=True):
        left, top, right, bottom = layout.cell_box(row, column, **size)
        for y in range(placement.height):
            for x in range(placement.width):
                is_across = left - margin <= x + 0.5 < right + margin
                mask[y, x] |= is_across and top - margin <= y + 0.5 < bottom + margin
    return mask


@given(
    view=st.sampled_from(VIEWS),
    grid=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    size=st.tuples(st.integers(1, 23), st.integers(1, 23)),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_masks_and_boxes_are_those_of_a_reference_implementation(view, grid, size, data):
    placement = Placement(*grid, *size, view)
    cells = np.array(data.draw(st.lists(st.booleans(), min_size=25, max_size=25)))
    cells = cells.reshape(5, 5)[: grid[0], : grid[1]]
    mask = placement.pixel_mask(cells)
    # A centre on a border may fall to either side by the last digit.
    assert not (mask & ~slow_mask(placement, cells, 1e-6)).any()
    assert not (slow_mask(placement, cells, -1e-6) & ~mask).any()
    x0, y0, x1, y1 = placement.box(cells)
    ys, xs = np.nonzero(mask)
    if len(xs):
        assert (x0, y0, x1, y1) == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    else:
        assert (x0, y0, x1, y1) == (0, 0, 0, 0)


@pytest.mark.parametrize("view", VIEWS)
def test_every_covered_pixel_belongs_to_one_cell(view):
    placement = Placement(4, 6, 161, 121, view)
    each = [placement.pixel_mask(cell.reshape(4, 6)) for cell in np.eye(24, dtype=bool)]
    owners = np.sum(each, axis=0)
    assert owners.max() == 1
    assert np.array_equal(owners == 1, placement.pixel_mask(np.ones((4, 6), bool)))
    assert placement.cells_in_picture().ravel().tolist() == [mask.any() for mask in each]


def test_a_cell_smaller_than_a_pixel_may_have_none():
    placement = Placement(1, 7, 3, 1)
    covered = [placement.box(np.eye(7, dtype=bool)[n : n + 1]) != (0, 0, 0, 0) for n in range(7)]
    assert sum(covered) == 3
    assert placement.cells_in_picture().ravel().tolist() == covered


def test_centres_are_those_of_the_cells_and_stay_in_the_picture():
    x, y = Placement(2, 2, 100, 50, View(-1.0, 0.0, 1.0, 0.5)).centers()
    assert x.tolist() == [0.0, 50.0]
    assert y.tolist() == [6.25, 18.75]
