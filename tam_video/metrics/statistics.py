"""Means over clips, and differences of means, with bootstrap intervals.

Owns: how a number that stands for many clips gets its interval. The clip is the unit that is drawn,
for words of one clip are not independent.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, percentile interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from tam_video.types import Float64Array


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % percentile bootstrap interval over n clips.

    Attributes:
        mean: mean of the clips, NaN without clips.
        low: 2.5 % percentile of the resampled means.
        high: 97.5 % percentile.
        n: clips that had a value.
    """

    mean: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, float]:
        """Plain values, rounded."""
        return {name: round(value, 4) for name, value in asdict(self).items()}

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}] n={self.n}"


def bootstrap(
    values: Sequence[float] | NDArray[np.floating],
    *,
    resamples: int = 1000,
    seed: int = 0,
    weights: Sequence[float] | NDArray[np.floating] | None = None,
    clusters: Sequence[str] | None = None,
) -> Interval:
    """Mean of per-clip values with a 95 % interval.

    Args:
        values: n real numbers, one per clip. NaN stands for a clip on which the metric is not
            defined and is left out; `n` tells how many were counted.
        resamples: how often the clips are drawn with replacement.
        seed: of the draws; the same values and seed give the same interval.
        weights: how much each clip counts in the mean, >= 0, such as its number of words; all alike
            by default.
        clusters: what each clip was taken from. Clips of one source are not independent and are
            drawn together; each is a source of its own by default.

    Returns:
        The interval; all NaN with n = 0 where no clip has a value.

    Raises:
        ValueError: the lists are not [n], `values` holds an infinity, a weight is not finite and
            >= 0, or `resamples` is below 1.
    """
    data = _per_clip(values, "values")
    if resamples < 1:
        raise ValueError(f"resamples must be 1 at least, not {resamples}")
    totals, counts = unit_sums(data, weights=weights, clusters=clusters)
    totals, counts = totals[counts > 0], counts[counts > 0]
    if not len(counts):
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(counts), size=(resamples, len(counts)))
    means = totals[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.percentile(means, (2.5, 97.5))
    told = int((~np.isnan(data)).sum())
    return Interval(float(totals.sum() / counts.sum()), float(low), float(high), told)


def unit_sums(
    values: Float64Array,
    *,
    weights: Sequence[float] | NDArray[np.floating] | None = None,
    clusters: Sequence[str] | None = None,
) -> tuple[Float64Array, Float64Array]:
    """What the units that are drawn add to a mean: the mean is sum(totals) / sum(counts).

    Args:
        values: float64 [n], NaN where there is none.
        weights: [n], as in `bootstrap`.
        clusters: n names, as in `bootstrap`.

    Returns:
        float64 [U] weighted sums and float64 [U] sums of weights; a unit without a value has 0 and
        0. Without clusters the units are the n clips in order.

    Raises:
        ValueError: a list is not [n], or a weight is not finite and >= 0.
    """
    known = ~np.isnan(values)
    shares = np.ones(len(values)) if weights is None else _per_clip(weights, "weights")
    if len(shares) != len(values) or not (shares >= 0).all():
        raise ValueError("weights must be one number >= 0 per clip")
    counts = np.where(known, shares, 0.0)
    totals = np.where(known, values, 0.0) * counts
    if clusters is None:
        return totals, counts
    if len(clusters) != len(values):
        raise ValueError(f"{len(clusters)} clusters are named for {len(values)} clips")
    names, unit = np.unique(np.asarray(clusters, dtype=np.str_), return_inverse=True)
    return (
        np.asarray(np.bincount(unit, totals, minlength=len(names)), np.float64),
        np.asarray(np.bincount(unit, counts, minlength=len(names)), np.float64),
    )


def paired_bootstrap(
    first: Sequence[float] | NDArray[np.floating],
    second: Sequence[float] | NDArray[np.floating],
    *,
    resamples: int = 1000,
    seed: int = 0,
    weights: Sequence[float] | NDArray[np.floating] | None = None,
    clusters: Sequence[str] | None = None,
) -> Interval:
    """Mean of `first - second` over clips with a 95 % interval, both drawn on the same clips.

    The interval leaves 0 out where the two differ beyond what the choice of clips explains. It is
    narrower than the two single intervals suggest, for easy and hard clips are shared.

    Args:
        first: n real numbers, one per clip.
        second: n real numbers of the same clips in the same order. A clip that is NaN in either is
            left out of both.
        resamples: how often the clips are drawn with replacement.
        seed: of the draws.
        weights: as in `bootstrap`, the same for both.
        clusters: as in `bootstrap`.

    Returns:
        The interval of the difference; all NaN with n = 0 where no clip has both values.

    Raises:
        ValueError: the two are not [n] of one length, hold an infinity, or `resamples` is below 1.
    """
    ours, theirs = _per_clip(first, "first"), _per_clip(second, "second")
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} clips against {len(theirs)}: pairs need the same clips")
    differences = ours - theirs
    return bootstrap(
        differences, resamples=resamples, seed=seed, weights=weights, clusters=clusters
    )


def _per_clip(values: Sequence[float] | NDArray[np.floating], name: str) -> Float64Array:
    data = np.asarray(values, np.float64)
    if data.ndim != 1:
        raise ValueError(f"{name} must be one number per clip, [n], not {list(data.shape)}")
    if np.isinf(data).any():
        raise ValueError(f"{name} must not be infinite")
    return data
