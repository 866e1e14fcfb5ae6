"""Measured values as rows, and their aggregation into means with confidence intervals.

Owns: what is averaged, and what is resampled together. A clip counts once, unless its value is
stored with the number of words that it is the mean of; clips of one source are resampled together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import compress
from typing import NamedTuple

import numpy as np

from tam_video.evaluation.ledger import ClipKey, ClipRow
from tam_video.evaluation.score import METRICS, Metric
from tam_video.metrics.plausibility import f1_iou
from tam_video.metrics.statistics import (
    Interval,
    Numbers,
    clipped,
    difference_interval,
    mean_interval,
    source_sums,
    statistic_interval,
)
from tam_video.types import BoolArray, Float64Array, IntArray

_KINDS = {**METRICS, "area": METRICS["amcr"]}
_CORRELATION = Metric("", bounds=(-1.0, 1.0))


class Row(NamedTuple):
    """One measured value of one clip.

    Attributes:
        clip: world and number of the clip.
        method: name of the method; of a word its name in the clip.
        source: where the maps come from; empty where there is only one source.
        metric: name of the metric.
        value: NaN where the metric is not defined.
        weight: number of words that the value is the mean of; 1 where they are not counted.
    """

    clip: ClipKey
    method: str
    source: str
    metric: str
    value: float
    weight: float


class Series(NamedTuple):
    """Key of a series of values, one per clip: a method, a metric and a source."""

    method: str
    metric: str
    source: str = ""


def measured_rows(clip: ClipRow) -> Iterator[Row]:
    """Yield one row per measured value of a clip. A value's key is `METRIC` or `SOURCE:METRIC`."""
    for method, values in clip.values.items():
        counts = clip.counts.get(method, {})
        for key, value in values.items():
            source, _, metric = key.rpartition(":")
            number = math.nan if value is None else value
            weight = counts.get(key, 0) if clip.counts else 1
            yield Row(clip.key, method, source, metric, number, weight)


class Samples:
    """The measured values of some clips, with one value per clip and series.

    Attributes:
        clips: number of clips.
    """

    def __init__(self, clips: Sequence[ClipRow]) -> None:
        self.clips = len(clips)
        index = {clip.key: k for k, clip in enumerate(clips)}
        videos = tuple(clip.source for clip in clips)
        self._videos = videos if any(videos) else None
        self._has_weights = any(clip.counts for clip in clips)
        self._columns: dict[Series, Float64Array] = {}
        for row in (row for clip in clips for row in measured_rows(clip)):
            series = Series(row.method, row.metric, row.source)
            column = self._columns.setdefault(series, self._empty())
            column[:, index[row.clip]] = row.value, row.weight

    def values(self, series: Series) -> Float64Array:
        """Return one value per clip: float64 [n]. The value is NaN if a clip has none."""
        values: Float64Array = self._column(series)[0]
        return values

    def mean(self, series: Series) -> Interval:
        """Compute the mean of a series. F1-IoU is computed from the means of its two parts."""
        metric = _KINDS.get(series.metric, _CORRELATION)
        if series.metric == "f1_iou":
            return clipped(self._f1([series]), *metric.bounds)
        values = self.values(series)
        interval = mean_interval(
            values,
            weights=self._weights(series),
            clusters=self._videos,
            is_rate=metric.is_rate,
        )
        return clipped(interval, *metric.bounds)

    def difference(self, first: Series, second: Series) -> Interval:
        """Compute the mean of `first - second` over the clips that have both values."""
        if first.metric == "f1_iou":
            return self._f1([first, second])
        return difference_interval(
            self.values(first),
            self.values(second),
            weights=self._weights(first),
            clusters=self._videos,
        )

    def _empty(self) -> Float64Array:
        return np.stack([np.full(self.clips, math.nan), np.zeros(self.clips)])

    def _column(self, series: Series) -> Float64Array:
        return self._columns.get(series, self._empty())

    def _weights(self, series: Series) -> Numbers | None:
        return self._column(series)[1] if self._has_weights else None

    def _f1(self, series: Sequence[Series]) -> Interval:
        """Compute F1-IoU from mean Obj-IoU and Func-IoU. For two series, return the difference.

        Only clips that have every part count; where words are counted, all words do.
        """
        parts = [each._replace(metric=name) for each in series for name in ("obj_iou", "func_iou")]
        data = np.stack([self.values(part) for part in parts])
        known: BoolArray = np.ones(self.clips, np.bool_)
        if not self._has_weights:
            known = np.asarray(~np.isnan(data).any(axis=0))
        videos = None if self._videos is None else list(compress(self._videos, known))
        sums = [
            source_sums(
                self.values(part)[known],
                weights=self._column(part)[1][known] if self._has_weights else None,
                clusters=videos,
            )
            for part in parts
        ]
        totals, counts = (np.stack(each) for each in zip(*sums, strict=True))

        def statistic(chosen: IntArray) -> Float64Array:
            with np.errstate(invalid="ignore", divide="ignore"):  # a draw may hold no word
                means = totals[:, chosen].sum(-1) / counts[:, chosen].sum(-1)
            scores = [_f1_of(*means[k : k + 2]) for k in range(0, len(means), 2)]
            return np.asarray(scores[0] - scores[1] if len(scores) > 1 else scores[0])

        counted = int((known & ~np.isnan(data[:2]).all(axis=0)).sum())
        return statistic_interval(statistic, totals.shape[1], num_clips=counted)


_f1_of = np.vectorize(f1_iou, otypes=[np.float64])
