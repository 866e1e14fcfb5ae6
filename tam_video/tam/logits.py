"""Relevance of sequence positions to text tokens: the positive part of their logits."""

from __future__ import annotations

import numpy as np

from tam_video.types import FloatArray, IntArray


def raw_maps(scores: FloatArray, visual_positions: IntArray) -> FloatArray:
    """Compute the relevance of every visual cell to every text token, before any correction.

    Source: Li et al., ICCV 2025, arXiv:2506.23270, A_m[v] = max(0, <x_v, W[c(m)]>).

    Args:
        scores: float32 [S, M], logit at position s of text token m's class id.
        visual_positions: int64 [V], row-major over (slot, row, column).

    Returns:
        float32 [M, V], >= 0.
    """
    return _relevance(scores, visual_positions)


def text_relevance(scores: FloatArray, text_positions: IntArray) -> FloatArray:
    """Compute the relevance of every text position to every text token.

    Source: see `raw_maps`, r_m[k] = max(0, <x_k, W[c(m)]>).

    Args:
        scores: float32 [S, M], logit at position s of text token m's class id.
        text_positions: int64 [M], the position that stands for each text token.

    Returns:
        float32 [M, M], >= 0; row m is the explained token, column k the other text token.
    """
    return _relevance(scores, text_positions)


def _relevance(scores: FloatArray, positions: IntArray) -> FloatArray:
    return np.ascontiguousarray(np.maximum(scores[positions].T, np.float32(0)))
