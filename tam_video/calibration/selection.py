"""Choose a profile on some clips, and compare it with the built-in profile on others.

Candidates are compared by their mean rank over the metrics of `METRICS`. Of those whose score is
within one standard error of the best, the simplest is taken (Hastie et al., The Elements of
Statistical Learning, 7.10).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import rankdata

from tam_video.calibration.candidates import (
    METRICS,
    RAW,
    STEPS,
    Candidate,
    built_in,
    layer_candidates,
    step_candidates,
)
from tam_video.calibration.evidence import ClipEvidence
from tam_video.calibration.scoring import candidate_values
from tam_video.metrics.statistics import Interval, difference_interval
from tam_video.tam.options import DEFAULT
from tam_video.types import BoolArray, Float64Array, IntArray

_HELD_OUT = 0.4
_MOST_LAYERS = 3
_LAYERS_TO_EXTEND = 8  # of the best ones, and those of the built-in profile


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """The value of every metric for each candidate on each clip.

    Attributes:
        candidates: the candidates.
        values: float64 [candidates, clips, metrics], NaN where a clip has no value.
    """

    candidates: tuple[Candidate, ...]
    values: Float64Array

    def extended(self, other: Scores) -> Scores:
        """Return the scores of the candidates of both, on the same clips."""
        values = np.concatenate([self.values, other.values])
        return Scores((*self.candidates, *other.candidates), values)

    def mean_ranks(self, clips: IntArray) -> Float64Array:
        """Return the mean rank of each candidate over all metrics. Rank 1 is the best."""
        means = known_mean(self.values[:, clips], axis=1)
        known = ~np.isnan(means).all(axis=0)
        return np.asarray(rankdata(-means[:, known], axis=0).mean(axis=1), np.float64)

    def composite(self) -> Float64Array:
        """Return the mean over the metrics for each candidate and clip: float64 [C, clips]."""
        return known_mean(self.values, axis=2)

    def not_below(self, index: int, clips: IntArray) -> BoolArray:
        """Return which candidates are at most one standard error below another: bool [C].

        This holds for each metric and for their mean: the mean alone would exchange one metric for
        another, and a choice with a lower metric is not adopted.
        """
        values = np.concatenate([self.values, self.composite()[..., None]], axis=2)[:, clips]
        gaps = values[index] - values
        means, counts = known_mean(gaps, axis=1), (~np.isnan(gaps)).sum(axis=1)
        squares = known_mean(np.square(gaps - means[:, None]), axis=1)
        errors = np.sqrt(squares / np.maximum(counts - 1, 1))
        within = (np.isnan(means) | (means <= errors)).all(axis=1)
        within[index] = True
        return np.asarray(within, np.bool_)

    def best(self, clips: IntArray, standard: Candidate) -> int:
        """Return the index of the best candidate that is not below `standard`, by mean rank."""
        allowed = self.not_below(self.candidates.index(standard), clips)
        return int(np.argmin(np.where(allowed, self.mean_ranks(clips), np.inf)))

    def choose(self, clips: IntArray, standard: Candidate) -> int:
        """Return the index of the simplest candidate that is not below the best."""
        ranks = self.mean_ranks(clips)
        within = np.flatnonzero(self.not_below(self.best(clips, standard), clips))
        return min(
            within.tolist(),
            key=lambda index: (*self.candidates[index].complexity, ranks[index]),
        )


def split_clips(
    clips: Sequence[ClipEvidence],
) -> tuple[Sequence[ClipEvidence], Sequence[ClipEvidence]]:
    """Split the clips of a world into clips for the selection and held-out clips."""
    end = len(clips) - round(_HELD_OUT * len(clips))
    return clips[:end], clips[end:]


def known_mean(values: Float64Array, *, axis: int) -> Float64Array:
    """Compute the mean along an axis, ignoring NaN. If all values are NaN, the mean is NaN."""
    counts = (~np.isnan(values)).sum(axis=axis)
    totals = np.nansum(values, axis=axis)
    means = np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0)
    return np.asarray(means, np.float64)


def score_candidates(
    evidence: Sequence[ClipEvidence],
    candidates: Sequence[Candidate],
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Compute the metrics of all candidates on all clips."""
    values = np.empty((len(candidates), len(evidence), len(METRICS)))
    for clip, each in enumerate(evidence):
        values[:, clip] = candidate_values(each, candidates, METRICS)
        if progress is not None:
            progress(clip + 1, len(evidence))
    return Scores(tuple(candidates), values)


def choose_layers(
    evidence: Sequence[ClipEvidence], *, mask_sinks: bool = False
) -> list[tuple[int, ...]]:
    """Choose sets of one, two and three layers by forward selection.

    The first layer is the one with the best raw maps. Each step adds one of the best layers, or one
    of the built-in profile, since a layer with poor maps of its own can be the best to add. Two
    sets are kept, which may be equal: with the default steps, those with the best mean rank and
    with the best mean of the metrics.

    Args:
        evidence: the clips.
        mask_sinks: whether sinks are left out of the maps that are compared.
    """
    num_layers = len(evidence[0].scores)
    clips = np.arange(len(evidence))
    raw, default = (replace(each, mask_sinks=mask_sinks) for each in (RAW, DEFAULT))
    single = score_candidates(evidence, [Candidate((n,), raw) for n in range(num_layers)])
    order = [int(n) for n in np.argsort(single.mean_ranks(clips), kind="stable")]
    pool = dict.fromkeys([*order[:_LAYERS_TO_EXTEND], *built_in(num_layers).layers])
    sets: list[tuple[int, ...]] = [(order[0],)]
    for size in range(2, 1 + min(_MOST_LAYERS, num_layers)):
        options = dict.fromkeys(
            tuple(sorted((*each, layer)))
            for each in sets
            if len(each) == size - 1
            for layer in pool
            if layer not in each
        )
        scores = score_candidates(evidence, [Candidate(each, default) for each in options])
        best = (
            np.argmin(scores.mean_ranks(clips)),
            np.argmax(known_mean(scores.composite(), axis=1)),
        )
        sets += [scores.candidates[int(index)].layers for index in dict.fromkeys(best)]
    return sets


def select(
    evidence: Sequence[ClipEvidence], progress: Callable[[int, int], None] | None = None
) -> Candidate:
    """Choose layers and steps on the given clips.

    Layer sets are compared together with the correction; then each further step is varied on the
    best candidate so far. The best candidate is the one with the best mean rank that is at most one
    standard error below the built-in profile in each metric and in their mean. Of all candidates at
    most one standard error below the best, the simplest is chosen. Where no clip has
    sinks, leaving them out changes nothing and is not a candidate.
    """
    clips = np.arange(len(evidence))
    has_sinks = any(each.sinks is not None and each.sinks.any() for each in evidence)
    sets = choose_layers(evidence, mask_sinks=has_sinks)
    standard = built_in(len(evidence[0].scores))
    standard = replace(standard, options=replace(standard.options, mask_sinks=has_sinks))
    known = tuple(dict.fromkeys([*sets, standard.layers]))
    steps = STEPS if has_sinks else STEPS[:-1]
    first = layer_candidates(known, mask_sinks=has_sinks)

    def report(stage: int) -> Callable[[int, int], None] | None:
        if progress is None:
            return None
        start, total = stage * len(evidence), (1 + len(steps)) * len(evidence)
        return lambda number, _count: progress(start + number, total)

    scores = score_candidates(evidence, first, report(0))
    for stage, step in enumerate(steps, start=1):
        base = scores.candidates[scores.best(clips, standard)]
        further = [each for each in step_candidates(step, base) if each not in scores.candidates]
        scores = scores.extended(score_candidates(evidence, further, report(stage)))
    return scores.candidates[scores.choose(clips, standard)]


def compare(scores: Scores) -> dict[str, Interval]:
    """Compute the paired difference of two candidates, the first minus the second.

    Returns:
        The mean difference of each metric with its 95 % interval, and of their mean ("mean").
    """
    first, second = scores.values
    pairs = {name: (first[:, i], second[:, i]) for i, name in enumerate(METRICS)}
    mean = scores.composite()
    pairs["mean"] = (mean[0], mean[1])
    return {name: difference_interval(*each) for name, each in pairs.items()}


def is_better(differences: dict[str, Interval]) -> bool:
    """Return whether the mean of the metrics increases and no metric decreases significantly."""
    lower = any(each.high < 0 for each in differences.values())
    return differences["mean"].low > 0 and not lower
