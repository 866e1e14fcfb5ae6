"""The choice among candidates."""

import numpy as np
import pytest

from tam_video.calibration.candidates import RAW, Candidate, built_in, option_candidates
from tam_video.calibration.selection import Scores, is_better
from tam_video.metrics.statistics import Interval
from tam_video.tam.options import DEFAULT

ONE = Candidate((3,), RAW)
TWO = Candidate((1, 3), DEFAULT)


def scores(first: float, second: float, *, noise: float = 0.01) -> Scores:
    rng = np.random.default_rng(0)
    means = np.array([first, second])[:, None, None]
    return Scores((ONE, TWO), means + noise * rng.standard_normal((2, 40, 4)))


def test_the_better_candidate_is_chosen() -> None:
    assert scores(0.5, 0.6).choose(np.arange(40)) == 1
    assert scores(0.6, 0.5).choose(np.arange(40)) == 0


def test_within_one_standard_error_the_simpler_candidate_is_chosen() -> None:
    noisy = scores(0.5, 0.505, noise=0.3)
    assert noisy.choose(np.arange(40)) == 0


def test_mean_ranks_leave_out_metrics_that_no_clip_has() -> None:
    values = np.full((2, 3, 4), np.nan)
    values[0, :, 0], values[1, :, 0] = 0.2, 0.9
    ranks = Scores((ONE, TWO), values).mean_ranks(np.arange(3))
    assert ranks.tolist() == [2.0, 1.0]


def test_the_built_in_profile_reads_every_quarter_of_the_depth() -> None:
    assert built_in(28).layers == (6, 13, 20, 27)
    assert built_in(4).layers == (0, 1, 2, 3)


def test_all_options_are_candidates_once() -> None:
    candidates = list(option_candidates([(1,), (1, 2)]))
    assert len(set(candidates)) == len(candidates) == 2 * 4 * 2 * 2
    assert {c.options.correction for c in candidates} == {
        "none",
        "content",
        "agreement",
        "published",
    }


@pytest.mark.parametrize(
    ("mean", "metric", "better"),
    [
        ((0.01, 0.03), (-0.02, 0.04), True),
        ((-0.01, 0.03), (0.01, 0.04), False),
        ((0.01, 0.03), (-0.04, -0.01), False),
    ],
)
def test_a_choice_is_adopted_only_if_no_metric_is_lower(
    mean: tuple[float, float], metric: tuple[float, float], better: bool
) -> None:
    differences = {
        name: Interval(sum(ends) / 2, *ends, n=40, sources=40)
        for name, ends in {"mean": mean, "viou": metric}.items()
    }
    assert is_better(differences) is better
