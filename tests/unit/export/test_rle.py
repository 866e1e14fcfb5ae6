import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from tam_video.export.rle import row_mask, row_runs

EXAMPLE = [3, 5, 7, 7, 5, 9, 3, 11, 2, 11, 2, 12, 1, 12, 1, 26, 1, 12, 1, 12, 2, 11, 3, 9, 5, 7]
EXAMPLE += [7, 5, 3]
"""The mask of 13 x 15 pixels in CVAT's documentation of its XML format."""


def slow_runs(mask):
    runs, value = [0], False
    for pixel in mask.ravel().tolist():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)))
def test_runs_are_those_of_a_reference_implementation_and_come_back(mask):
    runs = row_runs(mask)
    assert runs == slow_runs(mask)
    assert sum(runs) == mask.size
    height, width = mask.shape
    assert np.array_equal(row_mask(runs, width=width, height=height), mask)


def test_the_documented_example_is_read_and_written_as_it_stands():
    mask = row_mask(EXAMPLE, width=13, height=15)
    assert row_runs(mask) == EXAMPLE
    # A filled ellipse is in one piece in each row and column. Read column by column, or with the
    # foreground first, it is not.
    for axis in (0, 1):
        assert (np.abs(np.diff(mask.astype(int), axis=axis)).sum(axis=axis) <= 2).all()
    assert mask[7].all()


def test_a_mask_that_begins_with_foreground_has_an_empty_first_run():
    assert row_runs(np.array([[True, False]])) == [0, 1, 1]


def test_runs_of_another_size_are_refused():
    with pytest.raises(ValueError, match="reshape"):
        row_mask([1, 2], width=2, height=2)
