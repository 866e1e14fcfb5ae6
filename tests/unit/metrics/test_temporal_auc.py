import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from tam_video.metrics.spans import temporal_auc

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3))


@st.composite
def maps_and_masks(draw):
    shape = draw(SHAPES)
    values = st.integers(0, 3).map(lambda level: level / 4)
    return draw(hnp.arrays(np.float32, shape, elements=values)), draw(hnp.arrays(bool, shape))


def reference_implementation(cells, mask):
    """Every pair of slots of every cell, one with the object and one without."""
    won = pairs = 0.0
    slots, rows, columns = cells.shape
    for row in range(rows):
        for column in range(columns):
            for here in range(slots):
                for away in range(slots):
                    if mask[here, row, column] and not mask[away, row, column]:
                        hot, cold = cells[here, row, column], cells[away, row, column]
                        pairs += 1
                        won += 1 if hot > cold else 0.5 if hot == cold else 0
    return won / pairs if pairs else math.nan


@given(maps_and_masks())
@settings(deadline=None, max_examples=60)
def test_equals_reference_implementation(drawn):
    cells, mask = drawn
    np.testing.assert_allclose(
        temporal_auc(cells, mask), reference_implementation(cells, mask), rtol=1e-12
    )


def test_agrees_with_scikit_learn_on_one_cell():
    rng = np.random.default_rng(0)
    cells, mask = rng.random((30, 1, 1), dtype=np.float32), rng.random((30, 1, 1)) < 0.4
    expected = roc_auc_score(mask.ravel(), cells.ravel())
    assert temporal_auc(cells, mask) == pytest.approx(expected)


def moving_object(slots=5):
    mask = np.zeros((slots, 3, slots), bool)
    mask[np.arange(slots), 1, np.arange(slots)] = True
    return mask


def test_map_that_follows_the_object_is_perfect_and_its_mean_over_time_is_chance():
    mask = moving_object()
    assert temporal_auc(mask.astype(np.float32), mask) == 1
    still = np.broadcast_to(mask.mean(axis=0, dtype=np.float32), mask.shape)
    assert temporal_auc(still, mask) == 0.5


def test_mean_over_all_orders_of_the_slots_is_chance():
    from itertools import permutations

    mask = moving_object(4)
    cells = mask + np.random.default_rng(1).random(mask.shape, dtype=np.float32) / 2
    scores = [temporal_auc(cells[list(order)], mask) for order in permutations(range(4))]
    assert np.mean(scores) == pytest.approx(0.5)


@pytest.mark.parametrize("always", [True, False])
def test_object_that_never_comes_or_goes_has_no_value(always):
    mask = np.full((3, 2, 2), always)
    assert math.isnan(temporal_auc(np.zeros(mask.shape, np.float32), mask))


def test_bad_input_is_refused():
    mask = moving_object()
    with pytest.raises(ValueError, match="mask"):
        temporal_auc(np.zeros((5, 3, 4), np.float32), mask)
    with pytest.raises(ValueError, match="finite"):
        temporal_auc(np.full(mask.shape, np.nan, np.float32), mask)
