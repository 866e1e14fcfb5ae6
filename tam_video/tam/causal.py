"""Estimated causal inference: subtract from each map the part that earlier tokens explain."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tam_video.tam.normalise import upper_half
from tam_video.tam.options import ActivationOptions
from tam_video.types import BoolArray, Float64Array, FloatArray

_EPSILON = 1e-8
CELLS_PER_BLOCK = 4096


def context_mask(token_strings: Sequence[str]) -> BoolArray:
    """Compute the context of each text token: all earlier tokens with a different string.

    Source: Li et al., ICCV 2025, arXiv:2506.23270, estimated causal inference.

    Returns:
        bool [M, M] of M token strings, entry [m, k] true where k is context of m.
    """
    ids: dict[str, int] = {}
    strings = np.array([ids.setdefault(each, len(ids)) for each in token_strings])
    differs: BoolArray = strings[:, None] != strings[None, :]
    return differs & np.tri(len(strings), k=-1, dtype=np.bool_)


def corrected_maps(
    raw: FloatArray,
    relevance: FloatArray,
    options: ActivationOptions,
    *,
    context: BoolArray,
    content: BoolArray | None = None,
) -> FloatArray | Float64Array:
    """Correct all raw maps by the causal correction that `options` select.

    Args:
        raw: see `causal_inference`.
        relevance: see `causal_inference`.
        options: options of the method.
        context: bool [M, M], from `context_mask`.
        content: bool [M], tokens of content words; required where `options.needs_content`.

    Returns:
        float [M, V], >= 0, at most `raw`.
    """
    if options.correction == "none":
        return raw
    is_content = _checked_content(content, len(raw), needed=options.needs_content)
    if options.correction == "content":
        context = context & ~(is_content[:, None] & is_content)
    elif options.correction == "agreement":
        context = context & ~agreeing_tokens(raw)
    elif options.correction == "overlap":
        context = context & ~overlapping_tokens(raw)
    caps = np.full(len(raw), math.inf)
    if options.content_cap is not None:
        caps[is_content] = options.content_cap
    return causal_inference(raw, relevance, context=context, caps=caps)


def causal_inference(
    raw: FloatArray,
    relevance: FloatArray,
    *,
    context: BoolArray,
    caps: Float64Array | float = math.inf,
    cells_per_block: int = CELLS_PER_BLOCK,
) -> Float64Array:
    """Subtract from each token's map the part that the token's context explains.

    Source: Li et al., ICCV 2025, arXiv:2506.23270. With w_k = r_m[k] / (sum_k r_m[k] + 1e-8) over
    the context, E_m = sum_k w_k A_k and s_m = <A_m, E_m> / <E_m, E_m>, the result is
    max(0, A_m - min(s_m, cap_m) E_m). Differs: the cap, and s_m in closed form, not by Brent's
    search; both inner products come from the Gram matrix of the raw maps, so that the interference
    is never stored.

    Args:
        raw: float32 [M, V], raw maps, finite, >= 0.
        relevance: float32 [M, M], finite, >= 0, entry [m, k] the relevance of text token k to m.
        context: bool [M, M], entry [m, k] true where k is context of m.
        caps: float64 [M] or one number, upper bound of each token's factor s_m, > 0.
        cells_per_block: cells at a time. Beside the maps and [M, M] matrices, memory is bounded by
            3 * M * `cells_per_block` float64.

    Returns:
        float64 [M, V], >= 0, at most `raw`. A token without context, or whose context explains
        nothing, keeps its raw map.
    """
    weights = np.where(context, relevance, 0).astype(np.float64)
    weights /= weights.sum(axis=1, keepdims=True) + _EPSILON
    gram = _gram(raw, cells_per_block)
    energy = ((weights @ gram) * weights).sum(axis=1)
    factors = np.minimum(_ratio((weights * gram).sum(axis=1), energy), caps)
    weights *= factors[:, None]
    corrected = np.empty(raw.shape)
    for start in range(0, raw.shape[1], cells_per_block):
        cells = slice(start, start + cells_per_block)
        block = raw[:, cells].astype(np.float64)
        corrected[:, cells] = np.maximum(block - weights @ block, 0)
    return corrected


def agreeing_tokens(
    raw: FloatArray, *, top_share: float = 0.1, threshold: float = 0.5
) -> BoolArray:
    """Find pairs of tokens whose raw maps share most of their top cells.

    The top cells of a map are those at least as high as its n-th greatest value and above its
    minimum, with n = ceil(top_share * V). Two tokens agree where the intersection over union of
    their top cells is above `threshold`.

    Args:
        raw: float32 [M, V], finite, >= 0.
        top_share: in (0, 1].
        threshold: in [0, 1].

    Returns:
        bool [M, M], symmetric. A constant map agrees with none.
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


def overlapping_tokens(raw: FloatArray, *, threshold: float = 0.5) -> BoolArray:
    """Find pairs of tokens whose objects overlap.

    The object of a token is the upper half of its raw map. Two objects overlap where the cells that
    they share are more than `threshold` of the smaller object (overlap coefficient). Differs from
    `agreeing_tokens`, which finds few pairs on an object that is smaller than the top cells.

    Args:
        raw: float32 [M, V], finite, >= 0.
        threshold: in [0, 1].

    Returns:
        bool [M, M], symmetric. A constant map overlaps with none.
    """
    if raw.ndim != 2:
        raise ValueError(f"raw must be [M, V], not {list(raw.shape)}")
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be in [0, 1], not {threshold}")
    cells = upper_half(raw).astype(np.float32)
    sizes = cells.sum(axis=1, dtype=np.float64)
    share = _ratio((cells @ cells.T).astype(np.float64), np.minimum(sizes[:, None], sizes))
    return np.asarray(share > threshold, dtype=np.bool_)


def _checked_content(content: BoolArray | None, num_tokens: int, *, needed: bool) -> BoolArray:
    if not needed:
        return np.zeros(num_tokens, dtype=np.bool_)
    if content is None or content.shape != (num_tokens,) or content.dtype != np.bool_:
        raise ValueError(
            f"content must be bool [{num_tokens}], because the correction needs the content words"
        )
    return content


def _ratio(above: Float64Array, below: Float64Array) -> Float64Array:
    """Divide two arrays. Return 0 where `below` is 0, and the largest float64 on overflow."""
    with np.errstate(over="ignore"):
        quotient = np.divide(above, below, out=np.zeros_like(below), where=below > 0)
    return np.minimum(quotient, np.finfo(np.float64).max)


def _gram(raw: FloatArray, cells_per_block: int) -> Float64Array:
    """Compute the inner products of all pairs of raw maps: float64 [M, M]."""
    gram = np.zeros((len(raw), len(raw)))
    for start in range(0, raw.shape[1], cells_per_block):
        block = raw[:, start : start + cells_per_block].astype(np.float64)
        gram += block @ block.T
    return gram
