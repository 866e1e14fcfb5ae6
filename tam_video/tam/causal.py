"""Estimated causal inference: subtract from a map what earlier tokens explain of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tam_video.types import Float64Array, FloatArray

_EPSILON = 1e-8
CELLS_PER_BLOCK = 4096


def context_mask(token_strings: Sequence[str]) -> NDArray[np.bool_]:
    """Compute which text tokens are context of which: the earlier ones with another string.

    Source: Li et al., ICCV 2025, arXiv:2506.23270, estimated causal inference.

    Args:
        token_strings: M token strings, prompt text first.

    Returns:
        bool [M, M], entry [m, k] true where k is context of m.
    """
    ids: dict[str, int] = {}
    strings = np.array([ids.setdefault(each, len(ids)) for each in token_strings])
    differs: NDArray[np.bool_] = strings[:, None] != strings[None, :]
    return differs & np.tri(len(strings), k=-1, dtype=np.bool_)


def causal_inference(
    raw: FloatArray,
    relevance: FloatArray,
    *,
    context: NDArray[np.bool_],
    cells_per_block: int = CELLS_PER_BLOCK,
) -> Float64Array:
    """Subtract from each map the part that its context explains, for all tokens at once.

    Source: Li et al., ICCV 2025, arXiv:2506.23270. With w_k = r_m[k] / (sum_k r_m[k] + 1e-8) over
    the context, E_m = sum_k w_k A_k and s_m = <A_m, E_m> / <E_m, E_m>, the result is
    max(0, A_m - s_m E_m). Differs: s_m in closed form, not by Brent's search; both inner products
    come from the Gram matrix of the raw maps, so that the interference is never stored.

    Args:
        raw: float32 [M, V], raw maps, >= 0.
        relevance: float32 [M, M], >= 0, entry [m, k] the relevance of text token k to m.
        context: bool [M, M], entry [m, k] true where k is context of m.
        cells_per_block: cells at a time. Beside the maps and [M, M] matrices, memory is bounded by
            3 * M * `cells_per_block` float64.

    Returns:
        float64 [M, V], >= 0. A token without context, or whose context explains nothing, keeps its
        raw map.
    """
    kept = np.where(context, relevance, 0).astype(np.float64)
    weights = _scaled_weights(kept, _gram(raw, cells_per_block))
    corrected = np.empty(raw.shape)
    for start in range(0, raw.shape[1], cells_per_block):
        cells = slice(start, start + cells_per_block)
        block = raw[:, cells].astype(np.float64)
        corrected[:, cells] = np.maximum(block - weights @ block, 0)
    return corrected


def _scaled_weights(relevance: Float64Array, gram: Float64Array) -> Float64Array:
    """float64 [M, M]: s_m w_k, 0 outside the context, from inner products of the raw maps."""
    weights = relevance / (relevance.sum(axis=1, keepdims=True) + _EPSILON)
    overlap = (weights * gram).sum(axis=1)
    energy = ((weights @ gram) * weights).sum(axis=1)
    scale = np.divide(overlap, energy, out=np.zeros_like(energy), where=energy > 0)
    scaled: Float64Array = scale[:, None] * weights
    return scaled


def _gram(raw: FloatArray, cells_per_block: int) -> Float64Array:
    """float64 [M, M]: inner products of the raw maps."""
    gram = np.zeros((len(raw), len(raw)))
    for start in range(0, raw.shape[1], cells_per_block):
        block = raw[:, start : start + cells_per_block].astype(np.float64)
        gram += block @ block.T
    return gram
