"""Test whether visual reliance detects wrong object names and predicts the effect of hidden pixels.

The ground truth is the clip's own description; what a word owes to the pixels is measured by
blanking them. The clip is the unit that is resampled for every interval: words of one clip are not
independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.plots import Chart
from tam_video.evaluation.reliance_clip import measure_reliance
from tam_video.evaluation.reliance_settings import GROUPS, SCORES, TITLES, RelianceSettings
from tam_video.evaluation.report import Experiment, Line
from tam_video.evaluation.tables import Table, cell, number
from tam_video.metrics.faithfulness import rank_correlation
from tam_video.metrics.plausibility import auc
from tam_video.metrics.statistics import Interval, clipped, ratio_interval, statistic_interval
from tam_video.types import Float64Array, IntArray

COLUMNS = ("reliance", "probability", "blanked", "hidden", "content", "false")
"""Columns of a word table, float64 [n, columns]: one row per word of a clip, NaN where a value is
not defined."""
CORRELATIONS = {
    "all words": "what every word loses when the whole video is blanked",
    "content words": "what content words lose when the whole video is blanked",
    "names": "what true names lose when the cells of their objects are blanked",
}
NUM_BINS = 5


@dataclass(frozen=True, slots=True)
class FlagFigure:
    """How well low scores separate false names from true names in one group of answers.

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
    """The words whose visual reliance lies in one range.

    Attributes:
        low: start of the range.
        high: end of the range.
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
    """The aggregated results of the visual reliance experiment.

    Attributes:
        flags: of each of `GROUPS`.
        correlations: Spearman correlation of reliance with each of `CORRELATIONS`, over the words
            that the model generated itself.
        calibration: `NUM_BINS` ranges of reliance, over the same words.
        calibration_error: mean distance of the two means of the ranges, weighted by words; None
            without words.
        answers: "presence" and "bait" -> how many answers said "yes", "no", or "neither".
        clips: number of clips.
    """

    flags: Mapping[str, FlagFigure]
    correlations: Mapping[str, Interval]
    calibration: tuple[CalibrationBin, ...]
    calibration_error: float | None
    answers: Mapping[str, Mapping[str, int]]
    clips: int

    def lines(self) -> Iterator[Line]:
        """Yield one line of results.csv per group and statistic."""
        for group, flag in self.flags.items():
            for score, interval in flag.auc.items():
                yield Line((group, f"auc of {score}"), interval)
            yield Line((group, "precision"), flag.precision)
            yield Line((group, "recall"), flag.recall)
            yield Line((group, "false alarms"), flag.false_alarms)
        for name, interval in self.correlations.items():
            yield Line(("said", f"spearman of {name}"), interval)

    def tables(self, title: str, settings: RelianceSettings) -> Iterator[Table | str]:
        """Yield tables of AUC, flagged names, correlations and calibration, then answer counts."""
        show = partial(cell, total=self.clips)
        flags = [(TITLES[group], flag) for group, flag in self.flags.items()]
        yield Table(
            f"{title}: false names found by low values, AUC (chance 0.5)",
            ["names in", "names / false", "reliance", "probability", "blanking"],
            [
                [name, f"{flag.num_words} / {flag.num_false}", *map(show, flag.auc.values())]
                for name, flag in flags
            ],
        )
        yield Table(
            f"{title}: names flagged, reliance below {settings.threshold:g}",
            ["names in", "precision ↑", "recall ↑", "true names flagged ↓"],
            [
                [name, show(flag.precision), show(flag.recall), show(flag.false_alarms)]
                for name, flag in flags
            ],
        )
        yield Table(
            f"{title}: Spearman correlation of reliance with",
            ["", "correlation ↑"],
            [[CORRELATIONS[name], show(value)] for name, value in self.correlations.items()],
        )
        yield Table(
            f"{title}: calibration, error {number(self.calibration_error)}",
            ["reliance", "words", "mean reliance", "probability lost when blanked"],
            [
                [
                    f"{each.low:.1f} to {each.high:.1f}",
                    str(each.num_words),
                    number(each.reliance),
                    number(each.blanked),
                ]
                for each in self.calibration
            ],
        )
        there, absent = self.answers["presence"], self.answers["bait"]
        yield (
            f"{title}: objects that are there: {there['yes']} yes, {there['no']} no; objects that "
            f"are not there: {absent['yes']} yes, {absent['no']} no"
        )

    def charts(self, _settings: RelianceSettings) -> Iterator[Chart]:
        """Yield a chart of the AUC for false names, and a chart of the correlations."""
        yield Chart("auc.svg", "AUC for false names", self.flags["said"].auc)
        title = "Spearman correlation with the loss under blanking"
        yield Chart("correlations.svg", title, self.correlations)


def summarise_reliance(rows: Sequence[ClipRow], settings: RelianceSettings) -> RelianceSummary:
    """Aggregate the measured words. Names with a reliance below the threshold are flagged."""
    said = [word_table(row, GROUPS["said"]) for row in rows]
    bins = calibration(said)
    return RelianceSummary(
        flags={
            group: flag_figure([word_table(row, kinds) for row in rows], settings.threshold)
            for group, kinds in GROUPS.items()
        },
        correlations={
            name: word_interval(said, partial(correlation, name=name), bounds=(-1, 1))
            for name in CORRELATIONS
        },
        calibration=bins,
        calibration_error=_calibration_error(bins),
        answers={kind: _answers(rows, kind) for kind in ("presence", "bait")},
        clips=len(rows),
    )


def word_table(row: ClipRow, kinds: Sequence[str]) -> Float64Array:
    """Return a table of words with known reliance, from answers to the given kinds of prompt."""
    words = [
        [math.nan if values[name] is None else values[name] for name in COLUMNS]
        for key, values in row.values.items()
        if "/" in key and key.partition("/")[0] in kinds
    ]
    table = np.array(words, np.float64).reshape(-1, len(COLUMNS))
    return np.asarray(table[~np.isnan(table[:, 0])])


def flag_figure(tables: Sequence[Float64Array], threshold: float) -> FlagFigure:
    """Measure how well low scores find false names in the word tables of clips."""
    names = [table[~np.isnan(_column(table, "false"))] for table in tables]
    words = np.concatenate([*names, np.empty((0, len(COLUMNS)))])
    counts = np.array([_counts(table, threshold) for table in names], np.float64).reshape(-1, 4)
    hits, flagged, false, all_names = counts.T
    return FlagFigure(
        num_words=len(words),
        num_false=int(_column(words, "false").sum()),
        auc={
            score: word_interval(names, partial(false_auc, score=score), bounds=(0, 1))
            for score in SCORES
        },
        precision=ratio_interval(hits, flagged, is_rate=True),
        recall=ratio_interval(hits, false, is_rate=True),
        false_alarms=ratio_interval(flagged - hits, all_names - false, is_rate=True),
    )


def false_auc(words: Float64Array, score: str) -> float:
    """Compute how often a false name has a lower score than a true name. Ties count half.

    NaN where there is no pair.
    """
    if not len(words):
        return math.nan
    values = -_column(words, score).reshape(1, 1, -1)
    return auc(values.astype(np.float32), (_column(words, "false") == 1).reshape(1, 1, -1))


def correlation(words: Float64Array, name: str) -> float:
    """Compute the Spearman correlation between the words' reliance and lost probability.

    NaN where all values are equal.
    """
    chosen = words
    if name == "content words":
        chosen = words[_column(words, "content") == 1]
    lost = _column(chosen, "hidden" if name == "names" else "blanked")
    known = ~np.isnan(lost)
    if known.sum() < 2:
        return math.nan
    return rank_correlation(_column(chosen, "reliance")[known], lost[known])


def calibration(tables: Sequence[Float64Array]) -> tuple[CalibrationBin, ...]:
    """Compute the mean reliance and mean lost probability of the words in each reliance range."""
    words = np.concatenate([*tables, np.empty((0, len(COLUMNS)))])
    reliance, blanked = _column(words, "reliance"), _column(words, "blanked")
    index = np.minimum((reliance * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    return tuple(
        CalibrationBin(
            low=k / NUM_BINS,
            high=(k + 1) / NUM_BINS,
            num_words=int((index == k).sum()),
            reliance=_mean(reliance[index == k]),
            blanked=_mean(blanked[index == k]),
        )
        for k in range(NUM_BINS)
    )


def word_interval(
    tables: Sequence[Float64Array],
    statistic: Callable[[Float64Array], float],
    *,
    bounds: tuple[float, float],
) -> Interval:
    """Compute a statistic over all words, and its confidence interval over clips.

    Args:
        tables: the word table of each clip.
        statistic: of the words of any clips together; NaN where it is not defined.
        bounds: its lowest and highest value.

    Returns:
        The interval, whose n are the clips that have a word; undefined where the statistic is.
    """
    known = [table for table in tables if len(table)]

    def of_clips(chosen: IntArray) -> float:
        return statistic(np.concatenate([known[k] for k in chosen]))

    interval = statistic_interval(
        lambda chosen: np.apply_along_axis(of_clips, -1, chosen), len(known)
    )
    return clipped(interval, *bounds)


def _column(words: Float64Array, name: str) -> Float64Array:
    return words[:, COLUMNS.index(name)]


def _counts(names: Float64Array, threshold: float) -> tuple[int, int, int, int]:
    """Return four counts of a clip's names: false and flagged, flagged, false, and all."""
    flagged = _column(names, "reliance") < threshold
    false = _column(names, "false") == 1
    return int((flagged & false).sum()), int(flagged.sum()), int(false.sum()), len(names)


def _calibration_error(bins: Sequence[CalibrationBin]) -> float | None:
    total = sum(each.num_words for each in bins)
    distances = (
        each.num_words * abs(each.reliance - each.blanked)
        for each in bins
        if each.reliance is not None and each.blanked is not None
    )
    return round(sum(distances) / total, 4) if total else None


def _answers(rows: Sequence[ClipRow], kind: str) -> dict[str, int]:
    answers = [row.values[kind]["yes"] for row in rows if kind in row.values]
    counts = {"yes": answers.count(1.0), "no": answers.count(0.0)}
    return {**counts, "neither": answers.count(None)}


def _mean(values: Float64Array) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


RELIANCE = Experiment(
    measure_reliance, summarise_reliance, lambda _rows, _settings: {}, labels=("group", "figure")
)
