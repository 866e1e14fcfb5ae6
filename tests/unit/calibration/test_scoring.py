"""Candidates that share work give the values that each gives by itself."""

from dataclasses import replace

import numpy as np
import pytest
from made_evidence import make_evidence

from tam_video.calibration.candidates import (
    METRICS,
    RAW,
    STEPS,
    Candidate,
    candidate_maps,
    layer_candidates,
    step_candidates,
)
from tam_video.calibration.evidence import ClipEvidence
from tam_video.calibration.scoring import candidate_values
from tam_video.evaluation.score import clip_values, score_answer


def plain_values(evidence: ClipEvidence, candidate: Candidate) -> list[float]:
    """One candidate by itself, with the maps of all tokens."""
    truth = replace(evidence.truth, function_words=())
    scored = score_answer(candidate_maps(evidence, candidate), truth, METRICS)
    values = clip_values([scored], METRICS)
    return [np.nan if values[name] is None else values[name] for name in METRICS]


@pytest.mark.parametrize("seed", range(4))
def test_shared_work_changes_no_value(seed: int) -> None:
    evidence = make_evidence(seed, has_sinks=seed > 1)
    layers = layer_candidates([(0,), (0, 2)], mask_sinks=seed > 2)
    steps = [each for step in STEPS for each in step_candidates(step, layers[-1])]
    candidates = [*layers, *steps, Candidate((1,), RAW)]
    expected = [plain_values(evidence, each) for each in candidates]
    np.testing.assert_allclose(candidate_values(evidence, candidates, METRICS), expected, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0, -np.inf])
def test_constant_scores_have_values(value: float) -> None:
    evidence = make_evidence(1)
    flat = tuple(np.full_like(table, value) for table in evidence.scores)
    candidates = list(layer_candidates([(0, 1)], mask_sinks=False))
    values = candidate_values(replace(evidence, scores=flat), candidates, METRICS)
    assert np.isfinite(values[:, METRICS.index("viou")]).all()


def test_scores_that_are_not_finite_are_refused() -> None:
    evidence = make_evidence(1)
    broken = tuple(np.full_like(table, np.nan) for table in evidence.scores)
    with pytest.raises(ValueError, match="finite"):
        candidate_values(replace(evidence, scores=broken), [Candidate((0,), RAW)], METRICS)


def test_a_clip_without_object_words_has_no_values() -> None:
    evidence = make_evidence(1)
    empty = replace(evidence, truth=replace(evidence.truth, objects=()))
    candidates = layer_candidates([(0,)], mask_sinks=False)
    values = candidate_values(empty, candidates, METRICS)
    assert np.isnan(values).all()
    assert values.shape == (len(candidates), len(METRICS))
