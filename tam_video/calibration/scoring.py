"""Compute the metrics of many candidate profiles on one clip; candidates share their work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tam_video.calibration.candidates import Candidate, candidate_maps
from tam_video.calibration.evidence import ClipEvidence
from tam_video.evaluation.score import AnswerTruth, clip_values, score_answer
from tam_video.tam.temporal import temporal_gaussian
from tam_video.types import Float64Array, FloatArray


def candidate_values(
    evidence: ClipEvidence, candidates: Sequence[Candidate], metrics: Sequence[str]
) -> Float64Array:
    """Score the maps of candidates on a clip: the mean of each metric over the object words.

    Candidates that differ in the temporal smoothing alone share all steps before it, and the maps
    of all candidates are smoothed together. Only tokens of object words are smoothed and scored.

    Args:
        evidence: the clip; its scores are read once.
        candidates: the candidates.
        metrics: names of metrics of `evaluation.score`.

    Returns:
        float64 [candidates, metrics]. A metric that no word has is NaN.
    """
    tokens = sorted({index for word in evidence.truth.objects for index in word.token_indices})
    truth = _renumbered(evidence.truth, tokens)
    rows = []
    for maps in _maps_of_tokens(evidence, candidates, tokens):
        values = clip_values([score_answer(maps, truth, metrics)], metrics)
        known = (values[name] for name in metrics)
        rows.append([np.nan if value is None else value for value in known])
    return np.array(rows, np.float64).reshape(len(candidates), len(metrics))


def _maps_of_tokens(
    evidence: ClipEvidence, candidates: Sequence[Candidate], tokens: Sequence[int]
) -> list[FloatArray]:
    """Compute the maps of some tokens for each candidate: float32 [K, t, h, w] each."""
    loaded = replace(evidence, scores=evidence.scores[:])
    plain = [
        replace(each, options=replace(each.options, gaussian_sigma_slots=0.0))
        for each in candidates
    ]
    known = {each: candidate_maps(loaded, each)[list(tokens)] for each in dict.fromkeys(plain)}
    result = [known[each] for each in plain]
    widths = [each.options.gaussian_sigma_slots for each in candidates]
    for width in sorted({*widths} - {0.0}):
        numbers = [number for number, each in enumerate(widths) if each == width]
        stacked = np.concatenate([result[number] for number in numbers])
        smooth = temporal_gaussian(stacked, evidence.motion, sigma_slots=width)
        parts = np.split(np.clip(smooth, 0, 1), len(numbers))
        for number, part in zip(numbers, parts, strict=True):
            result[number] = part
    return result


def _renumbered(truth: AnswerTruth, tokens: Sequence[int]) -> AnswerTruth:
    """Return the object words with indices into `tokens`, without the function words."""
    place = {token: number for number, token in enumerate(tokens)}
    return replace(
        truth,
        function_words=(),
        objects=tuple(
            replace(
                word,
                token_indices=tuple(place[each] for each in word.token_indices),
                words=tuple(tuple(place[each] for each in part) for part in word.words),
            )
            for word in truth.objects
        ),
    )
