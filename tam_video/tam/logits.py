"""Compute the relevance of sequence positions to text tokens from one or more layers' logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tam_video.types import FloatArray, IntArray


def token_relevance(scores: FloatArray, positions: IntArray) -> FloatArray:
    """Compute the uncorrected relevance of sequence positions to each text token.

    Source: Li et al., ICCV 2025, arXiv:2506.23270: the raw maps A_m[v] = max(0, <x_v, W[c(m)]>) at
    the visual positions, and r_m[k] = max(0, <x_k, W[c(m)]>) at those of the text.

    Args:
        scores: float32 [S, M], logit at position s of text token m's class id.
        positions: int64 [P]: the cells, or the position that stands for each text token.

    Returns:
        float32 [M, P], >= 0; row m is the explained token.
    """
    return np.ascontiguousarray(np.maximum(scores[positions].T, np.float32(0)))


def layer_factors(raw: FloatArray, weights: Sequence[float]) -> FloatArray:
    """Compute the factor by which each layer's raw maps and text relevance are multiplied.

    A layer's factor is its weight over the sum of weights, divided by the maximum of its maps. The
    text relevance of a layer takes the same factor as its maps, because the joint min-max and the
    weights of the causal correction compare the two.

    Args:
        raw: float32 [L, M, V], raw maps of L layers, finite, >= 0.
        weights: L weights, >= 0, not all 0.

    Returns:
        float32 [L], >= 0; 0 for a layer without values above 0.

    Raises:
        ValueError: the shapes do not fit.
    """
    if raw.ndim != 3 or raw.shape[2] == 0 or len(weights) != len(raw):
        raise ValueError(f"raw must be [{len(weights)} layers, M, V], not {list(raw.shape)}")
    shares = np.asarray(weights, dtype=np.float64)
    peaks = raw.max(axis=(1, 2), initial=0).astype(np.float64)
    factors = np.divide(shares / shares.sum(), peaks, out=np.zeros(len(raw)), where=peaks > 0)
    # The factor of a layer of the smallest numbers would exceed float32.
    return np.asarray(np.minimum(factors, np.finfo(np.float32).max), dtype=np.float32)


def mix_layers(values: FloatArray, factors: FloatArray) -> FloatArray:
    """Sum the raw maps or the text relevance of all layers, after multiplying by `factors`.

    Args:
        values: float32 [L, M, ...], finite: raw maps [L, M, V] or text relevance [L, M, M].
        factors: float32 [L], from `layer_factors`.

    Returns:
        float32 [M, ...]; raw maps are in [0, 1], except for rounding.
    """
    mixed = np.zeros(values.shape[1:], dtype=np.float64)
    for layer, factor in zip(values, factors.astype(np.float64), strict=True):
        mixed += np.multiply(layer, factor, dtype=np.float64)
    return np.asarray(mixed, dtype=np.float32)
