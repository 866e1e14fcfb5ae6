"""Measured words to figures: does reliance find false names, and does it foretell blanking.

The clip is the unit that is drawn for every interval: words of one clip are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from tam_video.evaluation.columns import RESAMPLES, UNDEFINED
from tam_video.evaluation.controls_report import plain_figures
from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.reliance_settings import GROUPS, SCORES, RelianceSettings
from tam_video.metrics import Interval, auc, rank_correlation
from tam_video.types import Float64Array

WordTable: TypeAlias = Float64Array
"""float64 [n, columns], one line per word of a clip, NaN where a value is not defined."""
COLUMNS = ("reliance", "probability", "blanked", "hidden", "content", "false")
CORRELATIONS = {
    "all words": "what every word loses when the whole video is blanked",
    "content words": "what content words lose when the whole video is blanked",
    "names": "what true names lose when the cells of their objects are blanked",
}
NUM_BINS = 5


@dataclass(frozen=True, slots=True)
class FlagFigure:
    """How well low values tell false names from true ones, in one group of answers.

    Attributes:
        num_words: names.
        num_false: names that are true of nothing.
        auc: for each of `SCORES`, how often a false name has the lower value.
        precision: share of the flagged names that are false.
        recall: share of the false names that are flagged.
        false_alarms: share of the true names that are flagged.
    """

    num_words: int
    num_false: int
    auc: Mapping[str, Interval]
    precision: Interval
    recall: Interval
    false_alarms: Interval


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Words of one range of reliance.

    Attributes:
        low: where the range begins.
        high: where it ends.
        num_words: words in it.
        reliance: their mean; None without words.
        blanked: mean share of their probability that is lost with the video.
    """

    low: float
    high: float
    num_words: int
    reliance: float | None
    blanked: float | None


@dataclass(frozen=True, slots=True)
class RelianceSummary:
    """Figures of some clips.

    Attributes:
        flags: of each of `GROUPS`.
        correlations: Spearman correlation of reliance with each of `CORRELATIONS`, over the words
            that the model said itself.
        calibration: `NUM_BINS` ranges of reliance, over the same words.
        calibration_error: mean distance of the two means of the ranges, weighted by words; None
            without words.
        answers: "presence" and "bait" -> how many answers said "yes", "no", or "neither".
    """

    flags: Mapping[str, FlagFigure]
    correlations: Mapping[str, Interval]
    calibration: tuple[CalibrationBin, ...]
    calibration_error: float | None
    answers: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class RelianceReport:
    """Everything that was found.

    Attributes:
        settings: what was asked.
        overall: figures over all clips.
        worlds: figures of each world's clips.
    """

    settings: RelianceSettings
    overall: RelianceSummary
    worlds: Mapping[str, RelianceSummary]

    def as_dict(self) -> dict[str, Any]:
        """JSON values, those of results.json."""
        return {
            "settings": self.settings.model_dump(
                mode="json", exclude={"methods", "metrics", "steps"}
            ),
            **plain_figures(self.overall),
            "worlds": plain_figures(self.worlds),
        }


def make_reliance_report(rows: Sequence[ClipRow], settings: RelianceSettings) -> RelianceReport:
    """The figures of finished clips.

    Args:
        rows: in any order; the same clips give the same report.
        settings: threshold, and worlds in the order to tell them.
    """
    ordered = sorted(rows, key=lambda row: (settings.worlds.index(row.world), row.number))
    worlds = {
        world: summarise_reliance(
            [row for row in ordered if row.world == world], settings.threshold
        )
        for world in settings.worlds
    }
    several = len(worlds) > 1
    overall = summarise_reliance(ordered, settings.threshold) if several else None
    return RelianceReport(settings, overall or next(iter(worlds.values())), worlds)


def summarise_reliance(rows: Sequence[ClipRow], threshold: float) -> RelianceSummary:
    """The figures of some clips; names with less reliance than the threshold are flagged."""
    said = [word_table(row, GROUPS["said"]) for row in rows]
    bins = calibration(said)
    return RelianceSummary(
        flags={
            group: flag_figure([word_table(row, asked) for row in rows], threshold)
            for group, asked in GROUPS.items()
        },
        correlations={name: drawn(said, partial(correlation, name=name)) for name in CORRELATIONS},
        calibration=bins,
        calibration_error=_calibration_error(bins),
        answers={asked: _answers(rows, asked) for asked in ("presence", "bait")},
    )


def word_table(row: ClipRow, asked: Sequence[str]) -> WordTable:
    """The words of a clip's answers to some questions, those without any evidence left out."""
    found = [
        [math.nan if values[name] is None else values[name] for name in COLUMNS]
        for key, values in row.values.items()
        if "/" in key and key.partition("/")[0] in asked
    ]
    table = np.array(found, np.float64).reshape(-1, len(COLUMNS))
    return np.asarray(table[~np.isnan(table[:, 0])])


def flag_figure(tables: Sequence[WordTable], threshold: float) -> FlagFigure:
    """How well low values find the false names.

    Args:
        tables: the words of each clip.
        threshold: names with less reliance are flagged.
    """
    names = [table[~np.isnan(_column(table, "false"))] for table in tables]
    words = np.concatenate([*names, np.empty((0, len(COLUMNS)))])
    counts = np.array([_counts(table, threshold) for table in names]).reshape(-1, 4)
    hits, flagged, false, words_in_all = counts.T
    return FlagFigure(
        num_words=len(words),
        num_false=int(_column(words, "false").sum()),
        auc={score: drawn(names, partial(false_auc, score=score)) for score in SCORES},
        precision=ratio(hits, flagged),
        recall=ratio(hits, false),
        false_alarms=ratio(flagged - hits, words_in_all - false),
    )


def false_auc(words: WordTable, score: str) -> float:
    """How often a false name has a lower score than a true one, ties half; NaN without a pair."""
    if not len(words):
        return math.nan
    values = -_column(words, score).reshape(1, 1, -1)
    return auc(values.astype(np.float32), (_column(words, "false") == 1).reshape(1, 1, -1))


def correlation(words: WordTable, name: str) -> float:
    """Spearman correlation of reliance with one of `CORRELATIONS`; NaN where nothing differs."""
    chosen = words
    if name == "content words":
        chosen = words[_column(words, "content") == 1]
    told = _column(chosen, "hidden" if name == "names" else "blanked")
    known = ~np.isnan(told)
    if known.sum() < 2:
        return math.nan
    return rank_correlation(_column(chosen, "reliance")[known], told[known])


def calibration(tables: Sequence[WordTable]) -> tuple[CalibrationBin, ...]:
    """Mean reliance and mean share lost of the words in equal ranges of reliance."""
    words = np.concatenate([*tables, np.empty((0, len(COLUMNS)))])
    reliance, blanked = _column(words, "reliance"), _column(words, "blanked")
    place = np.minimum((reliance * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    return tuple(
        CalibrationBin(
            low=number / NUM_BINS,
            high=(number + 1) / NUM_BINS,
            num_words=int((place == number).sum()),
            reliance=_mean(reliance[place == number]),
            blanked=_mean(blanked[place == number]),
        )
        for number in range(NUM_BINS)
    )


def drawn(tables: Sequence[WordTable], statistic: Callable[[WordTable], float]) -> Interval:
    """A statistic of all words with its 95 % percentile interval over clips that are drawn.

    Args:
        tables: the words of each clip.
        statistic: of the words of any clips together; NaN where not defined.

    Returns:
        The interval, whose n are the clips that have a word; undefined where the statistic is.
    """
    known = [table for table in tables if len(table)]
    value = statistic(np.concatenate(known)) if known else math.nan
    if math.isnan(value):
        return UNDEFINED
    if len(known) == 1:
        return Interval(value, value, value, 1)
    rng = np.random.default_rng(0)
    draws = [
        statistic(np.concatenate([known[k] for k in chosen]))
        for chosen in rng.integers(len(known), size=(RESAMPLES, len(known)))
    ]
    low, high = np.nanpercentile(draws, (2.5, 97.5))
    return Interval(value, float(low), float(high), len(known))


def ratio(part: Float64Array, whole: Float64Array) -> Interval:
    """sum(part) / sum(whole) over clips, with its interval; undefined where the whole is 0.

    Args:
        part: float64 [n], counts of each clip.
        whole: float64 [n], counts of each clip.
    """
    if not whole.sum() > 0:
        return UNDEFINED
    drawn_clips = np.random.default_rng(0).integers(len(whole), size=(RESAMPLES, len(whole)))
    above, below = part[drawn_clips].sum(axis=1), whole[drawn_clips].sum(axis=1)
    values = above[below > 0] / below[below > 0]
    low, high = np.percentile(values, (2.5, 97.5))
    counted = int((whole > 0).sum())
    return Interval(float(part.sum() / whole.sum()), float(low), float(high), counted)


def _column(words: WordTable, name: str) -> Float64Array:
    return words[:, COLUMNS.index(name)]


def _counts(names: WordTable, threshold: float) -> tuple[int, int, int, int]:
    """Of the names of a clip: false and flagged, flagged, false, all."""
    flagged = _column(names, "reliance") < threshold
    false = _column(names, "false") == 1
    return int((flagged & false).sum()), int(flagged.sum()), int(false.sum()), len(names)


def _calibration_error(bins: Sequence[CalibrationBin]) -> float | None:
    total = sum(each.num_words for each in bins)
    if not total:
        return None
    distances = (
        each.num_words * abs(each.reliance - each.blanked)
        for each in bins
        if each.reliance is not None and each.blanked is not None
    )
    return round(sum(distances) / total, 4)


def _answers(rows: Sequence[ClipRow], asked: str) -> dict[str, int]:
    told = [row.values[asked]["yes"] for row in rows if asked in row.values]
    counts = {"yes": told.count(1.0), "no": told.count(0.0)}
    return {**counts, "neither": told.count(None)}


def _mean(values: Float64Array) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None
