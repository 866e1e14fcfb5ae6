"""Values of clips to a mean with its interval, or a difference of two means.

Owns: what counts once, and what is drawn together: a clip or the words of it, alone or with the
others of its source.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993; means of sampled clusters as
ratios of sums, Cochran, Sampling Techniques, 1977, chapter 9A.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from tam_video.evaluation.ledger import ClipRow
from tam_video.metrics import Interval, bootstrap, f1_iou, paired_bootstrap
from tam_video.metrics.grids import BoolArray
from tam_video.metrics.statistics import unit_sums
from tam_video.types import Float64Array

RESAMPLES = 1000
UNDEFINED = Interval(math.nan, math.nan, math.nan, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Values of one method and metric, one per clip.

    Attributes:
        values: float64 [n], NaN where the metric is not defined.
        weights: float64 [n], numbers of words; None where every clip counts once.
        clusters: n sources; None where every clip is one of its own.
    """

    values: Float64Array
    weights: Float64Array | None = None
    clusters: tuple[str, ...] | None = None

    def only(self, chosen: BoolArray) -> Column:
        """The clips that a mask bool [n] chooses."""
        return Column(
            self.values[chosen],
            None if self.weights is None else self.weights[chosen],
            None if self.clusters is None else tuple(compress(self.clusters, chosen)),
        )

    def sums(self) -> tuple[Float64Array, Float64Array]:
        """What each unit that is drawn adds to the mean; see `unit_sums`."""
        return unit_sums(self.values, weights=self.weights, clusters=self.clusters)


def f1_interval(objects: Column, functions: Column) -> Interval:
    """F1-IoU of the two means, with the interval of resampled clips.

    Args:
        objects: Obj-IoU.
        functions: Func-IoU of the same clips.

    Returns:
        Over the clips that have both, or over all words where words count; undefined where a mean
        is.
    """
    return _interval(_f1_draws(*_both_known(objects, functions)))


def f1_difference(first: tuple[Column, Column], second: tuple[Column, Column]) -> Interval:
    """Difference of two methods' F1-IoU, both drawn on the same clips.

    Args:
        first: Obj-IoU and Func-IoU.
        second: those of the other method on the same clips.
    """
    columns = _both_known(*first, *second)
    ours, theirs = _f1_draws(*columns[:2]), _f1_draws(*columns[2:])
    return _interval((ours[0] - theirs[0], ours[1] - theirs[1], ours[2]))


def _column(rows: Sequence[ClipRow], method: str, metric: str) -> Column:
    found = [row.values[method].get(metric) for row in rows]
    counts = [row.counts.get(method, {}).get(metric, 0) for row in rows]
    sources = tuple(row.source for row in rows)
    return Column(
        np.array([math.nan if value is None else value for value in found], np.float64),
        np.array(counts, np.float64) if any(row.counts for row in rows) else None,
        sources if any(sources) else None,
    )


def _both(rows: Sequence[ClipRow], method: str) -> tuple[Column, Column]:
    return _column(rows, method, "obj_iou"), _column(rows, method, "func_iou")


def _both_known(*columns: Column) -> tuple[Column, ...]:
    """The clips that have all values; where words count, all clips: each word is there or not."""
    if columns[0].weights is not None:
        return columns
    known = ~np.asarray(np.isnan([column.values for column in columns]).any(axis=0))
    return tuple(column.only(known) for column in columns)


def mean_interval(rows: Sequence[ClipRow], method: str, metric: str) -> Interval:
    """Mean of a method and metric over finished clips."""
    if metric == "f1_iou":
        return f1_interval(*_both(rows, method))
    column = _column(rows, method, metric)
    return bootstrap(
        column.values, resamples=RESAMPLES, weights=column.weights, clusters=column.clusters
    )


def difference_interval(rows: Sequence[ClipRow], ours: str, other: str, metric: str) -> Interval:
    """Mean of our method less that of another one, on the same finished clips."""
    if metric == "f1_iou":
        return f1_difference(_both(rows, ours), _both(rows, other))
    first, second = _column(rows, ours, metric), _column(rows, other, metric)
    return paired_bootstrap(
        first.values,
        second.values,
        resamples=RESAMPLES,
        weights=first.weights,
        clusters=first.clusters,
    )


def _f1_draws(objects: Column, functions: Column) -> tuple[float, Float64Array, int]:
    """F1-IoU, float64 [R] of resampled clips, and the number of clips."""
    (totals, counts), (others, other_counts) = objects.sums(), functions.sums()
    if not counts.any() or not other_counts.any():
        return math.nan, np.full(1, math.nan), 0
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(counts), size=(RESAMPLES, len(counts)))
    parts = [values[drawn].sum(axis=1) for values in (totals, counts, others, other_counts)]
    with np.errstate(invalid="ignore"):  # a draw may hold no word
        means = np.stack([parts[0] / parts[1], parts[2] / parts[3]], axis=1)
    values = np.array([f1_iou(*pair) for pair in means.tolist()])
    mean = f1_iou(float(totals.sum() / counts.sum()), float(others.sum() / other_counts.sum()))
    known = ~(np.isnan(objects.values) & np.isnan(functions.values))
    return mean, values, int(known.sum())


def _interval(draws: tuple[float, Float64Array, int]) -> Interval:
    mean, values, num_clips = draws
    if not num_clips:
        return UNDEFINED
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return Interval(mean, float(low), float(high), num_clips)
