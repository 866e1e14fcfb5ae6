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
    values: Sequence[float] | NDArray[np.floating], *, resamples: int = 1000, seed: int = 0
) -> Interval:
    """Mean of per-clip values with a 95 % interval.

    Args:
        values: n real numbers, one per clip. NaN stands for a clip on which the metric is not
            defined and is left out; `n` tells how many were counted.
        resamples: how often n clips are drawn with replacement.
        seed: of the draws; the same values and seed give the same interval.

    Returns:
        The interval; all NaN with n = 0 where no clip has a value.

    Raises:
        ValueError: `values` is not [n], holds an infinity, or `resamples` is below 1.
    """
    data = _per_clip(values, "values")
    if resamples < 1:
        raise ValueError(f"resamples must be 1 at least, not {resamples}")
    data = data[~np.isnan(data)]
    if not len(data):
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    rng = np.random.default_rng(seed)
    means = data[rng.integers(len(data), size=(resamples, len(data)))].mean(1)
    low, high = np.percentile(means, (2.5, 97.5))
    return Interval(float(data.mean()), float(low), float(high), len(data))


def paired_bootstrap(
    first: Sequence[float] | NDArray[np.floating],
    second: Sequence[float] | NDArray[np.floating],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Mean of `first - second` over clips with a 95 % interval, both drawn on the same clips.

    The interval leaves 0 out where the two differ beyond what the choice of clips explains. It is
    narrower than the two single intervals suggest, for easy and hard clips are shared.

    Args:
        first: n real numbers, one per clip.
        second: n real numbers of the same clips in the same order. A clip that is NaN in either is
            left out of both.
        resamples: how often n clips are drawn with replacement.
        seed: of the draws.

    Returns:
        The interval of the difference; all NaN with n = 0 where no clip has both values.

    Raises:
        ValueError: the two are not [n] of one length, hold an infinity, or `resamples` is below 1.
    """
    ours, theirs = _per_clip(first, "first"), _per_clip(second, "second")
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} clips against {len(theirs)}: pairs need the same clips")
    return bootstrap(ours - theirs, resamples=resamples, seed=seed)


def _per_clip(values: Sequence[float] | NDArray[np.floating], name: str) -> Float64Array:
    data = np.asarray(values, np.float64)
    if data.ndim != 1:
        raise ValueError(f"{name} must be one number per clip, [n], not {list(data.shape)}")
    if np.isinf(data).any():
        raise ValueError(f"{name} must not be infinite")
    return data
