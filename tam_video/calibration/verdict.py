"""Decide whether the maps of a model can be trusted: are they above chance on held-out clips?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tam_video.calibration.candidates import Candidate, candidate_maps
from tam_video.calibration.evidence import ClipEvidence
from tam_video.evaluation.score import ObjectWord, score_answer
from tam_video.metrics.statistics import Interval, clipped, difference_interval, mean_interval
from tam_video.profiles.profile import Verdict
from tam_video.types import FloatArray

LEAST_AUC = 0.6
"""Lower end of the interval of AUC from which maps are trusted; 0.5 is chance."""
_CHANCE_CLIPS = 4


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, and the measured values on which it is based.

    Attributes:
        verdict: "trust" or "do-not-trust".
        sentence: the verdict in words.
        auc: AUC of the object words on held-out clips.
        pointing: pointing of the same words.
        chance: pointing of the same maps at objects of other clips.
    """

    verdict: Verdict
    sentence: str
    auc: Interval
    pointing: Interval
    chance: Interval


def judge(evidence: Sequence[ClipEvidence], candidate: Candidate) -> Judgement:
    """Compare held-out maps with their objects and with the objects of other clips."""
    own, others = [], []
    for number, each in enumerate(evidence):
        maps = candidate_maps(each, candidate)
        words = [word for word in each.truth.objects if word.cells.any()]
        own.append(_values(maps, each, words))
        strangers = [
            evidence[(number + step) % len(evidence)] for step in range(1, _CHANCE_CLIPS + 1)
        ]
        others.append(_values(maps, each, [w for s in strangers for w in _moved(words, s)]))
    first, second = np.array(own), np.array(others)
    auc, pointing, chance = (
        clipped(mean_interval(values), 0.0, 1.0)
        for values in (first[:, 0], first[:, 1], second[:, 1])
    )
    above = [difference_interval(first[:, i], second[:, i]) for i in range(2)]
    trusted = auc.low > LEAST_AUC and all(each.low > 0 for each in above)
    finds = "find the object" if trusted else "do not find the object reliably"
    sentence = (
        f"On this model, maps of words that name an object {finds}: pointing {_short(pointing)}, "
        f"chance {chance.mean:.2f}; AUC {_short(auc)}, chance 0.50 ({auc.n} held-out clips)."
    )
    return Judgement("trust" if trusted else "do-not-trust", sentence, auc, pointing, chance)


def _values(maps: FloatArray, evidence: ClipEvidence, words: Sequence[ObjectWord]) -> list[float]:
    """Average AUC and pointing over the words. Return two NaN if there are no words."""
    truth = replace(evidence.truth, objects=tuple(words), function_words=())
    values = score_answer(maps, truth, ("auc", "pointing"))
    return [float(np.nanmean(values[n])) if values.get(n) else np.nan for n in ("auc", "pointing")]


def _moved(words: Sequence[ObjectWord], other: ClipEvidence) -> list[ObjectWord]:
    """Replace each word's cells by the cells of an object in `other`, if the grids are equal."""
    cells = [w.cells for w in other.truth.objects if w.cells.any()]
    return [
        replace(word, cells=cells[number % len(cells)])
        for number, word in enumerate(words)
        if cells and cells[0].shape == word.cells.shape
    ]


def _short(interval: Interval) -> str:
    return f"{interval.mean:.2f} [{interval.low:.2f}, {interval.high:.2f}]"
