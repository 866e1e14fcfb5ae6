"""Normalise a token's map and text relevance by a common minimum and maximum."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from tam_video.types import BoolArray, Float64Array, FloatArray

Scores = TypeVar("Scores", FloatArray, Float64Array)


def scale_mask(num_tokens: int, num_prompt_tokens: int) -> BoolArray:
    """Return bool [maps, text tokens]: whether a map is normalised together with a text token.

    A generated token shares it with all text before it; a prompt token with the whole prompt,
    itself and later tokens included. Source: the public code, xmed-lab/TAM.
    """
    mask = np.tri(num_tokens, k=-1, dtype=np.bool_)
    mask[:num_prompt_tokens, :num_prompt_tokens] = True
    return mask


def upper_half(maps: FloatArray | Float64Array) -> BoolArray:
    """Return the cells of each map at least halfway between its minimum and maximum.

    Args:
        maps: float [M, ...], finite, >= 0.

    Returns:
        bool of the same shape; a constant map has no such cells.
    """
    if not maps.size:
        return np.zeros(maps.shape, np.bool_)
    axes = tuple(range(1, maps.ndim))
    low, high = maps.min(axis=axes, keepdims=True), maps.max(axis=axes, keepdims=True)
    return np.asarray((maps - low >= (high - low) / 2) & (high > low), np.bool_)


def joint_min_max(maps: Scores, relevance: FloatArray, *, mask: BoolArray) -> tuple[Scores, Scores]:
    """Normalise each token's map and text relevance to [0, 1] by a common min and max.

    Source: Li et al., ICCV 2025, arXiv:2506.23270; over all slots of a video at once. Differs:
    where all values are equal the result is 0, not 0/0.

    Args:
        maps: float32 or float64 [M, V], >= 0.
        relevance: float32 [M, M], >= 0.
        mask: bool [M, M], from `scale_mask`.

    Returns:
        [M, V] and [M, M] in the precision of `maps`; text outside the mask is 0.
    """
    texts: Scores = relevance.astype(maps.dtype)
    text_low = np.where(mask, texts, np.inf).min(axis=1, initial=np.inf, keepdims=True)
    text_high = np.where(mask, texts, -np.inf).max(axis=1, initial=-np.inf, keepdims=True)
    low: Scores = np.minimum(maps.min(axis=1, keepdims=True), text_low)
    span: Scores = np.maximum(maps.max(axis=1, keepdims=True), text_high) - low
    return _rescale(maps, low, span), _rescale(texts, low, span) * mask


def _rescale(values: Scores, low: Scores, span: Scores) -> Scores:
    """Compute (values - low) / span, clipped to [0, 1]; the result is 0 where the span is 0."""
    shifted: Scores = np.clip(values - low, 0, span)
    np.divide(shifted, span, out=shifted, where=span > 0)
    return shifted
