"""Where control regions lie, against a search over all places."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tam_video.localise.controls import MAX_OVERLAP, control_masks


def moved_cells(mask, row, column):
    return {(t, y + row, x + column) for t, y, x in zip(*np.nonzero(mask), strict=True)}


def fitting_regions(mask, in_picture):
    """Every place of a track that is in the picture and apart from it, by loops over cells."""
    own, (_, h, w) = moved_cells(mask, 0, 0), mask.shape
    regions = []
    for row in range(-h + 1, h):
        for column in range(-w + 1, w):
            cells = moved_cells(mask, row, column)
            inside = all(0 <= y < h and 0 <= x < w and in_picture[y, x] for _, y, x in cells)
            if inside and len(cells & own) <= MAX_OVERLAP * len(own):
                regions.append(frozenset(cells))
    return regions


def as_cells(masks):
    return [frozenset(moved_cells(mask, 0, 0)) for mask in masks]


@st.composite
def tracks(draw):
    t, h, w = draw(st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)))
    mask = draw(hnp.arrays(bool, (t, h, w), elements=st.sampled_from([False, False, True])))
    in_picture = draw(hnp.arrays(bool, (h, w), elements=st.sampled_from([True, True, True, False])))
    return mask, in_picture


@given(tracks(), st.integers(1, 9), st.integers(0, 3))
def test_controls_are_drawn_from_all_places_that_fit(track, limit, seed):
    mask, in_picture = track
    masks = control_masks(mask, in_picture, limit=limit, seed=seed)
    assert masks.dtype == np.bool_
    assert masks.shape[1:] == mask.shape
    cells, fitting = as_cells(masks), fitting_regions(mask, in_picture) if mask.any() else []
    assert len(cells) == len(set(cells)) == min(limit, len(fitting))
    assert set(cells) <= set(fitting)
    np.testing.assert_array_equal(masks, control_masks(mask, in_picture, limit=limit, seed=seed))


@given(tracks())
def test_a_control_has_the_size_and_the_motion_of_the_track(track):
    mask, in_picture = track
    for control in control_masks(mask, in_picture):
        assert control.sum(axis=(1, 2)).tolist() == mask.sum(axis=(1, 2)).tolist()
        own, other = np.argwhere(mask), np.argwhere(control)
        assert len({tuple(step) for step in other - own}) == 1


def test_no_control_fits_a_track_that_fills_the_picture():
    whole = np.ones((2, 3, 4), bool)
    assert control_masks(whole, np.ones((3, 4), bool)).shape == (0, 2, 3, 4)
    assert control_masks(whole & False, np.ones((3, 4), bool)).shape == (0, 2, 3, 4)


def test_other_seeds_draw_other_places():
    mask = np.zeros((1, 12, 12), bool)
    mask[0, 5, 5] = True
    drawn = [control_masks(mask, np.ones((12, 12), bool), seed=seed) for seed in (0, 1)]
    assert set(as_cells(drawn[0])) != set(as_cells(drawn[1]))


def test_a_picture_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="fit"):
        control_masks(np.ones((1, 2, 2), bool), np.ones((2, 3), bool))
