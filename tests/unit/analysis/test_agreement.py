import math

import numpy as np
import pytest
from constructed import blobs
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tam_video.analysis.agreement import Agreement, agreement, mean_agreement

SECONDS = np.array([0.0, 0.5, 1.5])
SHAPE = (3, 3, 4)
MAPS = hnp.arrays(np.float32, SHAPE, elements=st.floats(0, 1, width=32))


def test_a_map_agrees_with_itself():
    heat = blobs(SHAPE, [(1, 1, 1)], noise=0.5)
    assert agreement(heat, heat, SECONDS) == Agreement(1.0, 1.0, 0.0, 0.0, 0.0, 0.0)


def test_maps_with_different_peaks_disagree():
    first, second = blobs(SHAPE, [(0, 0, 0)]), blobs(SHAPE, [(2, 2, 3)])
    result = agreement(first, second, SECONDS)
    assert result.iou == 0
    assert result.peak_slots == 2
    assert result.peak_seconds == 1.5
    assert result.peak_cells == math.hypot(2, 3)
    assert result.energy_difference == 1
    assert result.spearman < 0


@given(MAPS, MAPS)
@settings(deadline=None, max_examples=60)
def test_figures_are_in_range_and_the_same_both_ways(first, second):
    one, two = agreement(first, second, SECONDS), agreement(second, first, SECONDS)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        assert all(value is None for value in one.as_dict().values())
        return
    assert one.as_dict() == two.as_dict()
    assert -1 <= one.spearman <= 1 or math.isnan(one.spearman)
    assert 0 <= one.iou <= 1
    assert 0 <= one.energy_difference <= 1 + 1e-9


def test_strength_alone_changes_nothing():
    first, second = blobs(SHAPE, [(0, 0, 0)], noise=0.4), blobs(SHAPE, [(1, 2, 1)], noise=0.2)
    strong, weaker = (agreement(first, scale * second, SECONDS) for scale in (1, 0.5))
    assert strong.as_dict() == weaker.as_dict()


def test_undefined_figures_have_no_part_in_a_mean():
    heat, flat = blobs(SHAPE, [(1, 1, 1)]), np.zeros(SHAPE, np.float32)
    result = mean_agreement([agreement(heat, heat, SECONDS), agreement(heat, flat, SECONDS)])
    assert result.iou == 1
    assert all(value is None for value in mean_agreement([]).as_dict().values())


def test_maps_that_do_not_fit_or_are_broken_are_refused():
    heat = blobs(SHAPE, [(1, 1, 1)])
    with pytest.raises(ValueError, match="shapes must agree"):
        agreement(heat, heat[:, :2], SECONDS)
    with pytest.raises(ValueError, match="shapes must agree"):
        agreement(heat, heat, SECONDS[:2])
    with pytest.raises(ValueError, match="finite"):
        agreement(heat, np.full(SHAPE, np.nan, np.float32), SECONDS)
