from __future__ import annotations

import numpy as np
import pytest

from tam_video.methods.base import MethodMaps, scaled_maps
from tam_video.models.forcing import ProbeCost
from tam_video.types import Generation


def test_one_scale_for_all_slots_and_inputs_of_a_token(generation: Generation) -> None:
    scores = np.arange(3 * 28, dtype=np.float64).reshape(3, 28)
    first, second = scaled_maps(scores, generation)
    for token in range(3):
        row = np.concatenate([first[2 + token].ravel(), second[2 + token].ravel()])
        np.testing.assert_allclose(row, np.arange(28) / 27, atol=1e-6)


def test_a_token_of_equal_scores_has_a_map_of_0(generation: Generation) -> None:
    assert not any(part.any() for part in scaled_maps(np.full((3, 28), -7.0), generation))


def test_signed_scores_keep_their_order(generation: Generation) -> None:
    scores = np.random.default_rng(0).normal(size=(3, 28))
    first, second = scaled_maps(scores, generation)
    row = np.concatenate([first[3].ravel(), second[3].ravel()])
    np.testing.assert_array_equal(np.argsort(row), np.argsort(scores[1]))


@pytest.mark.parametrize("scores", [np.zeros((5, 28)), np.zeros((3, 24)), np.full((3, 28), np.nan)])
def test_scores_that_do_not_fit_are_refused(generation: Generation, scores: np.ndarray) -> None:
    with pytest.raises(ValueError, match="scores must be"):
        scaled_maps(scores, generation)


def test_maps_are_checked() -> None:
    with pytest.raises(ValueError, match="maps must be"):
        MethodMaps("x", ())
    with pytest.raises(ValueError, match="same number of maps"):
        MethodMaps("x", (np.zeros((2, 1, 1, 1), np.float32), np.zeros((3, 1, 1, 1), np.float32)))


def test_costs_subtract() -> None:
    assert ProbeCost(5, 3) - ProbeCost(2, 1) == ProbeCost(3, 2)
