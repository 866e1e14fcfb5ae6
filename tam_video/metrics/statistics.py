"""Means over clips, and differences of means, with 95 % intervals.

Owns the one rule by which a figure over several clips gets its interval. The unit that is resampled
is the source: a clip, or all clips of one video, because clips of one video are not independent.

- Fewer than 30 sources: Student's t on the jackknife standard error. For the mean of single clips
  this is the ordinary t interval.
- 30 or more: the BCa bootstrap of `scipy.stats.bootstrap`, at a level that makes up for the
  narrowness of bootstrap intervals ("expanded" intervals).
- Rates, whose values are 0 or 1: Wilson's interval with the effective sample size of the sources.

`python -m benchmarks.coverage` measures how often these intervals cover the true mean.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 11 and 14; expanded
intervals: Hesterberg, The American Statistician 69, 2015; Wilson,
JASA 22, 1927; effective sample size of clustered rates: Franco et al., J. Survey Stat. Methodol. 7,
2019; means of clusters as ratios of sums: Cochran, Sampling Techniques, 1977, chapter 9A.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tam_video.types import Float64Array, IntArray

SMALL = 30
"""Below this number of sources an interval is Student's t, and is marked in the tables."""
RESAMPLES = 1000
MOST_JACKKNIFED = 1000
"""Sources up to which BCa is used: its acceleration costs the square of their number."""
CELLS_PER_BATCH = 2_000_000

Numbers: TypeAlias = Sequence[float] | NDArray[np.floating]
Statistic: TypeAlias = Callable[[IntArray], Any]
"""Maps indices of sources, int64 [..., U], to values, float64 [...]."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A statistic with its 95 % confidence interval over n clips.

    Attributes:
        mean: the figure, NaN without clips.
        low: lower end; NaN where it can't be computed, as from a single clip.
        high: upper end.
        n: clips that had a value.
        sources: independent sources that these clips come from.
    """

    mean: float
    low: float
    high: float
    n: int
    sources: int

    @property
    def is_small(self) -> bool:
        """Whether the interval is based on fewer than `SMALL` sources."""
        return self.sources < SMALL

    def as_dict(self) -> dict[str, float | None]:
        """Return rounded JSON values, with None for undefined numbers."""
        return {
            name: None if math.isnan(value) else round(value, 4)
            for name, value in asdict(self).items()
        }

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}] n={self.n}"


UNDEFINED = Interval(math.nan, math.nan, math.nan, 0, 0)


def mean_interval(
    values: Numbers,
    *,
    weights: Numbers | None = None,
    clusters: Sequence[str] | None = None,
    is_rate: bool = False,
) -> Interval:
    """Compute the mean of per-clip values, and its 95 % interval.

    Args:
        values: n real numbers, one per clip. NaN means that the metric is not defined on the clip,
            which is then left out.
        weights: weight of each clip in the mean, >= 0, such as its number of words; 1 by default.
        clusters: name of each clip's source. Clips of one source are resampled together; each clip
            is a source of its own by default.
        is_rate: the values are shares of successes, such as 0 and 1.

    Returns:
        The interval; undefined with n = 0 where no clip has a value.
    """
    data = _per_clip(values, "values")
    totals, counts = source_sums(data, weights=weights, clusters=clusters)
    num_clips = int((~np.isnan(data)).sum())
    return ratio_interval(totals, counts, is_rate=is_rate, num_clips=num_clips)


def difference_interval(
    first: Numbers,
    second: Numbers,
    *,
    weights: Numbers | None = None,
    clusters: Sequence[str] | None = None,
) -> Interval:
    """Compute the mean of `first - second` over the clips, and its 95 % interval.

    The interval leaves 0 out where the two differ by more than the choice of clips explains. It is
    narrower than the two single intervals suggest, because both share easy and hard clips.

    Args:
        first: n real numbers, one per clip.
        second: n real numbers of the same clips in the same order. A clip that is NaN in either is
            left out.
        weights: as in `mean_interval`, the same for both.
        clusters: as in `mean_interval`.
    """
    ours, theirs = _per_clip(first, "first"), _per_clip(second, "second")
    if len(ours) != len(theirs):
        raise ValueError(f"'first' has {len(ours)} clips, but 'second' has {len(theirs)}")
    return mean_interval(ours - theirs, weights=weights, clusters=clusters)


def ratio_interval(
    totals: Float64Array,
    counts: Float64Array,
    *,
    is_rate: bool = False,
    num_clips: int | None = None,
) -> Interval:
    """Compute sum(totals) / sum(counts) over sources, and its 95 % interval.

    Args:
        totals: float64 [U], one sum per source.
        counts: float64 [U]; sources with 0 are left out.
        is_rate: each total counts successes among `counts`.
        num_clips: `Interval.n`; the number of sources by default.
    """
    known = counts > 0
    totals, counts = totals[known], counts[known]
    if is_rate and len(counts):
        return _wilson(totals, counts, num_clips)

    def statistic(chosen: IntArray) -> Any:
        if is_even:  # half of the time
            return totals[chosen].mean(-1) / counts[0]
        return totals[chosen].sum(-1) / counts[chosen].sum(-1)

    is_even = bool((counts == counts[:1]).all())
    return statistic_interval(statistic, len(counts), num_clips=num_clips)


def statistic_interval(
    statistic: Statistic, num_sources: int, *, num_clips: int | None = None
) -> Interval:
    """Compute a statistic over some sources, and its 95 % interval.

    Args:
        statistic: of the sources with given indices, repeated ones counting repeatedly; NaN where
            it is not defined, which gives `UNDEFINED` if it is so for all sources.
        num_sources: how many there are.
        num_clips: `Interval.n`; the number of sources by default.
    """
    value = float(statistic(np.arange(num_sources))) if num_sources else math.nan
    if math.isnan(value):
        return UNDEFINED
    ends = _student_t if num_sources < SMALL else _bootstrap
    low, high = ends(statistic, value, num_sources)
    return Interval(value, low, high, num_sources if num_clips is None else num_clips, num_sources)


def clipped(interval: Interval, low: float, high: float) -> Interval:
    """Clip an interval to the range of its metric."""
    ends = np.clip([interval.low, interval.high], low, high).tolist()
    return replace(interval, low=ends[0], high=ends[1])


def source_sums(
    values: Float64Array,
    *,
    weights: Numbers | None = None,
    clusters: Sequence[str] | None = None,
) -> tuple[Float64Array, Float64Array]:
    """Compute the weighted sum of the values and the sum of the weights for each source.

    Args:
        values: float64 [n], NaN where there is none.
        weights: [n], as in `mean_interval`.
        clusters: n names, as in `mean_interval`.

    Returns:
        float64 [U] weighted sums and float64 [U] sums of weights; a source without a value has 0
        and 0. Without clusters the sources are the n clips in order.
    """
    known = ~np.isnan(values)
    shares = np.ones(len(values)) if weights is None else _per_clip(weights, "weights")
    if len(shares) != len(values) or not (shares >= 0).all():
        raise ValueError("weights must contain one number >= 0 per clip")
    counts = np.where(known, shares, 0.0)
    totals = np.where(known, values, 0.0) * counts
    if clusters is None:
        return totals, counts
    if len(clusters) != len(values):
        raise ValueError(f"clusters has {len(clusters)} names, but there are {len(values)} clips")
    names, unit = np.unique(np.asarray(clusters, dtype=np.str_), return_inverse=True)
    return (
        np.asarray(np.bincount(unit, totals, minlength=len(names)), np.float64),
        np.asarray(np.bincount(unit, counts, minlength=len(names)), np.float64),
    )


def _student_t(statistic: Statistic, value: float, num_sources: int) -> tuple[float, float]:
    """Return the value plus and minus t jackknife standard errors, or NaN for a single source."""
    if num_sources < 2:
        return math.nan, math.nan
    from scipy import stats

    others = np.array([np.delete(np.arange(num_sources), k) for k in range(num_sources)])
    left_out = np.asarray(statistic(others), np.float64)
    error = math.sqrt((num_sources - 1) * left_out.var())
    half = float(stats.t.ppf(0.975, num_sources - 1)) * error
    return value - half, value + half


def _bootstrap(statistic: Statistic, _value: float, num_sources: int) -> tuple[float, float]:
    from scipy import stats

    quantile = stats.t.ppf(0.975, num_sources - 1) * math.sqrt(num_sources / (num_sources - 1))
    tail = float(stats.norm.sf(quantile))
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # equal values: see below
        result = stats.bootstrap(
            (np.arange(num_sources),),
            lambda chosen, axis: statistic(chosen),  # noqa: ARG005 - sources are the last axis
            vectorized=True,
            n_resamples=RESAMPLES,
            batch=max(1, CELLS_PER_BATCH // num_sources),
            confidence_level=1 - 2 * tail,
            method="BCa" if num_sources <= MOST_JACKKNIFED else "percentile",
            rng=np.random.default_rng(0),
        )
        low, high = result.confidence_interval
        if math.isnan(low) or math.isnan(high):
            # BCa is not defined where all draws are equal, or the statistic is not on some.
            low, high = np.nanquantile(result.bootstrap_distribution, (tail, 1 - tail))
    return float(low), float(high)


def _wilson(totals: Float64Array, counts: Float64Array, num_clips: int | None) -> Interval:
    """Compute a rate and its Wilson interval for the effective number of sources."""
    from scipy import stats

    num_sources = len(counts)
    rate = float(totals.sum() / counts.sum())
    variance = float(((totals - rate * counts) ** 2).sum() / counts.sum() ** 2)
    effective = rate * (1 - rate) / variance if variance > 0 else num_sources
    is_binary = bool(((totals == 0) | (totals == counts)).all())
    z = float(stats.norm.ppf(0.975) if is_binary else stats.t.ppf(0.975, num_sources - 1))
    middle = (rate + z * z / (2 * effective)) / (1 + z * z / effective)
    half = z * math.sqrt(rate * (1 - rate) / effective + (z / (2 * effective)) ** 2)
    half /= 1 + z * z / effective
    n = num_sources if num_clips is None else num_clips
    return Interval(rate, max(middle - half, 0.0), min(middle + half, 1.0), n, num_sources)


def _per_clip(values: Numbers, name: str) -> Float64Array:
    data = np.asarray(values, np.float64)
    if data.ndim != 1:
        raise ValueError(f"{name} must be [n], one number per clip, not {list(data.shape)}")
    if np.isinf(data).any():
        raise ValueError(f"{name} must not contain infinite values")
    return data
