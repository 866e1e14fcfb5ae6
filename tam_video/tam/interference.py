"""Causal correction with a choice of context and a bound on its factor.

The published correction, with all earlier tokens as context, is in `causal`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tam_video.tam.causal import CELLS_PER_BLOCK, causal_inference
from tam_video.tam.motion import BoolArray
from tam_video.tam.options import ActivationOptions
from tam_video.types import Float64Array, FloatArray

_EPSILON = 1e-8


def corrected_maps(
    raw: FloatArray,
    relevance: FloatArray,
    options: ActivationOptions,
    *,
    context: BoolArray,
    slot_cells: Sequence[int],
    content: BoolArray | None = None,
) -> FloatArray | Float64Array:
    """Correct all maps with the context that the options select.

    Args:
        raw: float32 [M, V], raw maps, finite, >= 0.
        relevance: float32 [M, M], finite, >= 0, entry [m, k] the relevance of text token k to m.
        options: `correction` and `content_cap` are used.
        context: bool [M, M], from `context_mask`.
        slot_cells: number of cells of each slot, in order; the slots of several inputs follow one
            another.
        content: bool [M], tokens of content words; required where `options.needs_content`.

    Returns:
        float [M, V], >= 0, at most `raw`; float64 for the published correction.

    Raises:
        ValueError: the content words are needed and not given, or the shapes do not fit.
    """
    if options.correction == "none":
        return raw
    is_content = _checked_content(content, len(raw), needed=options.needs_content)
    if options.correction == "content":
        context = context & ~(is_content[:, None] & is_content)
    elif options.correction == "agreement":
        context = context & ~agreeing_tokens(raw)
    elif options.content_cap is None:
        return causal_inference(raw, relevance, context=context)
    cap = math.inf if options.content_cap is None else options.content_cap
    return capped_causal_inference(
        raw,
        relevance,
        context=context,
        slot_cells=slot_cells,
        caps=np.where(is_content, cap, math.inf),
    )


def capped_causal_inference(
    raw: FloatArray,
    relevance: FloatArray,
    *,
    context: BoolArray,
    slot_cells: Sequence[int],
    caps: Float64Array,
    cells_per_block: int = CELLS_PER_BLOCK,
) -> FloatArray:
    """Subtract from each map the part that its context explains, by a factor of at most `caps`.

    As in `causal_inference`, w_k = r_k / (sum_k r_k + 1e-8) over the context, E = sum_k w_k A_k and
    s = <A, E> / <E, E>; the result is max(0, A - min(s, cap) E).

    Source: Li et al., ICCV 2025, arXiv:2506.23270, estimated causal inference. Differs: the cap,
    and s in closed form from sums over each slot.

    Args:
        raw: float32 [M, V], raw maps, finite, >= 0.
        relevance: float32 [M, M], finite, >= 0, entry [m, k] the relevance of text token k to m.
        context: bool [M, M], entry [m, k] true where k is context of m.
        slot_cells: number of cells of each slot, in order.
        caps: float64 [M], upper bound of each token's factor, > 0.
        cells_per_block: cells at a time, as in `causal_inference`.

    Returns:
        float32 [M, V], >= 0, at most `raw`. A token without context, or whose context explains
        nothing, keeps its raw map.

    Raises:
        ValueError: the shapes do not fit.
    """
    _check_maps(raw, relevance, context, slot_cells)
    weights = np.where(context, relevance.astype(np.float64), 0.0)
    weights /= weights.sum(axis=1, keepdims=True) + _EPSILON
    blocks = _blocks(slot_cells, cells_per_block)
    overlap, energy = np.zeros((2, len(raw), len(slot_cells)))
    for slot, cells in blocks:
        block = raw[:, cells].astype(np.float64)
        interference = weights @ block
        overlap[:, slot] += (block * interference).sum(axis=1)
        energy[:, slot] += np.square(interference).sum(axis=1)
    factors = np.minimum(_ratio(overlap.sum(axis=1), energy.sum(axis=1)), caps)
    corrected = np.empty(raw.shape, dtype=np.float32)
    for _, cells in blocks:
        block = raw[:, cells].astype(np.float64)
        corrected[:, cells] = np.maximum(block - factors[:, None] * (weights @ block), 0)
    return np.minimum(corrected, raw)


def agreeing_tokens(
    raw: FloatArray, *, top_share: float = 0.1, threshold: float = 0.5
) -> BoolArray:
    """Find the pairs of tokens whose raw maps have the same top cells.

    The top cells of a map are those at least as high as its n-th greatest value and above its
    minimum, with n = ceil(top_share * V). Two tokens agree where the intersection over union of
    their top cells is above `threshold`.

    Args:
        raw: float32 [M, V], finite, >= 0.
        top_share: in (0, 1].
        threshold: in [0, 1].

    Returns:
        bool [M, M], symmetric. A constant map agrees with none.

    Raises:
        ValueError: `raw` is not [M, V], or an option is out of range.
    """
    if raw.ndim != 2 or raw.shape[1] == 0:
        raise ValueError(f"raw must be [M, V], not {list(raw.shape)}")
    if not (0 <= threshold <= 1 and 0 < top_share <= 1):
        raise ValueError(
            f"threshold must be in [0, 1] and top_share in (0, 1], not {threshold} and {top_share}"
        )
    index = raw.shape[1] - math.ceil(top_share * raw.shape[1])
    least = np.partition(raw, index, axis=1)[:, index, None]
    top = ((raw >= least) & (raw > raw.min(axis=1, keepdims=True))).astype(np.float32)
    shared = (top @ top.T).astype(np.float64)
    sizes = top.sum(axis=1, dtype=np.float64)
    overlap = _ratio(shared, sizes[:, None] + sizes - shared)
    return np.asarray(overlap > threshold, dtype=np.bool_)


def _checked_content(content: BoolArray | None, num_tokens: int, *, needed: bool) -> BoolArray:
    if not needed:
        return np.zeros(num_tokens, dtype=np.bool_)
    if content is None or content.shape != (num_tokens,) or content.dtype != np.bool_:
        raise ValueError(f"content must be bool [{num_tokens}]: the content words are needed")
    return content


def _ratio(above: Float64Array, below: Float64Array) -> Float64Array:
    """Divide, with 0 where `below` is 0 and the largest float64 instead of an overflow."""
    with np.errstate(over="ignore"):
        quotient = np.divide(above, below, out=np.zeros_like(below), where=below > 0)
    return np.minimum(quotient, np.finfo(np.float64).max)


def _blocks(slot_cells: Sequence[int], cells_per_block: int) -> list[tuple[int, slice]]:
    """Cut each slot's cells into blocks of bounded size, as (slot, cells)."""
    blocks, first = [], 0
    for slot, count in enumerate(slot_cells):
        for start in range(0, count, cells_per_block):
            end = min(start + cells_per_block, count)
            blocks.append((slot, slice(first + start, first + end)))
        first += count
    return blocks


def _check_maps(
    raw: FloatArray, relevance: FloatArray, context: BoolArray, slot_cells: Sequence[int]
) -> None:
    if raw.ndim != 2 or relevance.shape != (len(raw), len(raw)):
        raise ValueError(
            f"raw must be [M, V] and relevance [M, M], not {list(raw.shape)} and "
            f"{list(relevance.shape)}"
        )
    if context.shape != relevance.shape or context.dtype != np.bool_:
        raise ValueError(f"context must be bool [M, M], not {context.dtype}{list(context.shape)}")
    if not slot_cells or min(slot_cells) < 1 or sum(slot_cells) != raw.shape[1]:
        raise ValueError(f"slot_cells must be at least 1 each and sum to {raw.shape[1]}")
