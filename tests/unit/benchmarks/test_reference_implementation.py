"""The reference implementation of the benchmark computes the same maps as the package."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.performance.tam_stage import QUICK, TOLERANCE, answered, our_stage, reference_stage


@pytest.mark.parametrize("grid", [(2, 6, 8), (1, 1, 5), (3, 4, 1)])
def test_maps_of_random_states_are_equal(grid: tuple[int, int, int]) -> None:
    given = answered(replace(QUICK, grid=grid))

    np.testing.assert_allclose(our_stage(given), reference_stage(given), atol=TOLERANCE)


def test_maps_with_repeated_tokens_and_no_evidence_are_equal() -> None:
    given = answered(QUICK)
    strings = given.layout["token_strings"]
    strings[3], strings[6], strings[8] = strings[2], strings[5], strings[5]
    given.hidden[given.layout["visual_positions"][10:40]] = 0

    np.testing.assert_allclose(our_stage(given), reference_stage(given), atol=TOLERANCE)
