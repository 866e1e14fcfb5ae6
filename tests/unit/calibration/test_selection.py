"""The choice among candidates."""

from dataclasses import asdict
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest

from tam_video.calibration.candidates import (
    RAW,
    STEPS,
    Candidate,
    Step,
    built_in,
    layer_candidates,
    step_candidates,
)
from tam_video.calibration.selection import Scores, is_better, select
from tam_video.metrics.statistics import Interval
from tam_video.tam.options import DEFAULT, Correction

ONE = Candidate((3,), RAW)
TWO = Candidate((1, 3), DEFAULT)


def scores(first: float, second: float, *, noise: float = 0.01) -> Scores:
    rng = np.random.default_rng(0)
    means = np.array([first, second])[:, None, None]
    return Scores((ONE, TWO), means + noise * rng.standard_normal((2, 40, 4)))


def test_the_better_candidate_is_chosen() -> None:
    assert scores(0.5, 0.6).choose(np.arange(40), ONE) == 1
    assert scores(0.6, 0.5).choose(np.arange(40), ONE) == 0


def test_within_one_standard_error_the_simpler_candidate_is_chosen() -> None:
    noisy = scores(0.5, 0.505, noise=0.3)
    assert noisy.choose(np.arange(40), ONE) == 0


def test_a_simpler_candidate_must_not_exchange_one_metric_for_another() -> None:
    noisy = scores(0.5, 0.505, noise=0.3)
    noisy.values[0] += (0.2, 0.0, 0.0, 0.0)
    noisy.values[1] += (0.0, 0.2, 0.2, 0.2)
    assert noisy.choose(np.arange(40), TWO) == 1


def test_a_candidate_below_the_built_in_profile_in_a_metric_is_not_chosen() -> None:
    uneven = scores(0.5, 0.5)
    uneven.values[1] += (-0.1, 0.3, 0.3, 0.3)
    assert uneven.choose(np.arange(40), ONE) == 0
    assert uneven.choose(np.arange(40), TWO) == 1


def test_standard_errors_are_those_of_the_clips_with_a_value() -> None:
    gaps = np.random.default_rng(0).normal(0.3, 1.0, 10)
    for shift, chosen in ((-0.01, 0), (0.01, 1)):
        known = gaps - gaps.mean() + gaps.std(ddof=1) / np.sqrt(10) + shift
        values = np.full((2, 12, 4), np.nan)
        values[0, :10], values[1, :10] = 0.0, known[:, None]
        assert Scores((ONE, TWO), values).choose(np.arange(12), ONE) == chosen


def test_mean_ranks_leave_out_metrics_that_no_clip_has() -> None:
    values = np.full((2, 3, 4), np.nan)
    values[0, :, 0], values[1, :, 0] = 0.2, 0.9
    ranks = Scores((ONE, TWO), values).mean_ranks(np.arange(3))
    assert ranks.tolist() == [2.0, 1.0]


def test_the_built_in_profile_reads_every_quarter_of_the_depth() -> None:
    assert built_in(28).layers == (6, 13, 20, 27)
    assert built_in(4).layers == (0, 1, 2, 3)


def test_layer_sets_are_compared_with_every_correction() -> None:
    candidates = layer_candidates([(1,), (1, 2)], mask_sinks=True)
    assert len(set(candidates)) == len(candidates) == 2 * 5
    assert {c.options.correction for c in candidates} == set(get_args(Correction))
    assert all(c.options.mask_sinks for c in candidates)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_varies_one_thing_and_keeps_the_base(step: Step) -> None:
    base = layer_candidates([(1, 2)], mask_sinks=True)[1]
    candidates = step_candidates(step, base)
    assert len(set(candidates)) == len(candidates) > 1
    assert base in candidates
    names = {
        "rank filter": {"rank_filter", "rank_filter_min_cells"},
        "smoothing": {"gaussian_sigma_slots"},
        "sinks": {"mask_sinks"},
    }
    for each in candidates:
        old, new = asdict(base.options), asdict(each.options)
        assert {name for name in old if old[name] != new[name]} <= names[step]


def test_steps_are_chosen_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[Candidate] = []

    def metrics(evidence: Any, candidate: Candidate, names: Any) -> np.ndarray:
        counted.append(candidate)
        distance = sum(abs(layer - 60) for layer in candidate.layers)
        sinks = 0.1 * (not candidate.options.mask_sinks)
        small = 0.05 * (candidate.options.rank_filter_min_cells != 16)
        noise = 0.001 * np.sin(evidence.number * distance)
        return np.full(4, 1 - 0.01 * distance - sinks - small + noise)

    def values(evidence: Any, candidates: Any, names: Any) -> np.ndarray:
        rows = [metrics(evidence, each, names) for each in candidates]
        return np.reshape(rows, (len(candidates), 4))

    monkeypatch.setattr("tam_video.calibration.selection.candidate_values", values)
    clips: Any = [
        SimpleNamespace(number=n, scores=[None] * 80, sinks=np.array([has_sinks]))
        for n, has_sinks in enumerate((False, True, False))
    ]
    seen: list[tuple[int, int]] = []
    chosen = select(clips, lambda number, total: seen.append((number, total)))
    assert chosen.layers == (60,)
    assert chosen.options.mask_sinks
    assert chosen.options.rank_filter
    assert chosen.options.rank_filter_min_cells == 16
    assert len(counted) <= 3 * 160
    assert [number for number, _ in seen] == list(range(1, len(seen) + 1))
    assert {total for _, total in seen} == {len(seen)}

    counted.clear()
    without: Any = [SimpleNamespace(**{**vars(each), "sinks": None}) for each in clips]
    assert not select(without).options.mask_sinks
    assert not any(each.options.mask_sinks for each in counted)


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
