"""One set of maps out of the maps of several layers, mixed by fixed weights.

Owns: bringing layers to one scale, and their mean. Which layers and weights is for others to say.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tam_video.tam.temporal import LayerUnit
from tam_video.types import FloatArray


def layer_factors(
    raw: FloatArray, weights: Sequence[float], *, unit: LayerUnit = "layer"
) -> FloatArray:
    """What each layer's raw maps, and all relevance that goes with them, are multiplied by.

    A layer's factor is its weight over the sum of weights, divided by the maximum of its maps. The
    text relevance of a layer takes the same factor as its maps, for the joint min-max and the
    weights of the causal correction compare the two.

    Args:
        raw: float32 [L, M, V], raw maps of L layers, finite, >= 0.
        weights: L weights, >= 0, not all 0.
        unit: the maximum is that of the whole "layer", which keeps the tokens' proportions, or of
            each "token", which lets every layer say as much of each token.

    Returns:
        float32 [L, M], >= 0; 0 where there is nothing above 0.

    Raises:
        ValueError: shapes don't fit, or weights or unit are out of range.
    """
    if raw.ndim != 3 or raw.shape[2] == 0 or len(weights) != len(raw):
        raise ValueError(f"raw must be [L, M, V] for {len(weights)} weights, not {list(raw.shape)}")
    shares = np.asarray(weights, dtype=np.float64)
    if not (np.isfinite(shares).all() and (shares >= 0).all() and shares.sum() > 0):
        raise ValueError(f"weights must be at least 0 and not all 0, not {list(weights)}")
    if unit not in ("layer", "token"):
        raise ValueError(f"unit must be 'layer' or 'token', not {unit!r}")
    peaks = raw.max(axis=2).astype(np.float64)
    if unit == "layer":
        peaks = np.broadcast_to(peaks.max(axis=1, keepdims=True, initial=0), peaks.shape)
    shares = np.broadcast_to((shares / shares.sum())[:, None], peaks.shape)
    found = np.divide(shares, peaks, out=np.zeros(peaks.shape), where=peaks > 0)
    # A layer of the smallest numbers would ask for more than float32 holds.
    return np.asarray(np.minimum(found, np.finfo(np.float32).max), dtype=np.float32)


def mix_layers(values: FloatArray, factors: FloatArray) -> FloatArray:
    """Sum of the layers' maps or relevance, each multiplied by its factor.

    Args:
        values: float32 [L, M, ...], finite: raw maps [L, M, V] or text relevance [L, M, M].
        factors: float32 [L, M], as of `layer_factors`.

    Returns:
        float32 [M, ...]; raw maps come out in [0, 1], but for rounding.

    Raises:
        ValueError: shapes don't fit.
    """
    if values.ndim < 2 or factors.shape != values.shape[:2]:
        raise ValueError(
            f"values must be [L, M, ...] and factors [L, M], not {list(values.shape)} and "
            f"{list(factors.shape)}"
        )
    mixed = np.zeros(values.shape[1:], dtype=np.float64)
    trailing = (1,) * (values.ndim - 2)
    for layer, factor in zip(values, factors.astype(np.float64), strict=True):
        mixed += layer * factor.reshape(-1, *trailing)
    return np.asarray(mixed, dtype=np.float32)
