"""Variants of the causal correction: factors of each slot, powers of the relevance, overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np

from tam_video.types import BoolArray, Float64Array, FloatArray

CausalScale: TypeAlias = Literal["clip", "slot", "mixture"]
_EPSILON = 1e-8


def slot_causal_inference(
    raw: FloatArray,
    relevance: FloatArray,
    *,
    context: BoolArray,
    slot_cells: Sequence[int],
    caps: Float64Array,
    scale: CausalScale = "clip",
    relevance_power: float = 1.0,
) -> FloatArray:
    """Subtract from each map the part that its context explains, with a factor for each slot.

    As in `causal_inference`, w_k = r^p / (sum r^p + 1e-8) over the context and E = sum_k w_k A_k;
    the result is max(0, A - s E). With a_t = <A_t, E_t> and e_t = <E_t, E_t> over the cells of slot
    t, the factor s is, before it is limited to the cap,
    - "clip": S = sum_t a_t / sum_t e_t in all slots, as published;
    - "slot": a_t / e_t;
    - "mixture": (a_t + n S) / (e_t + n) with n = mean_t e_t: the ridge estimate that draws each
      slot's factor to the clip's, the more, the less interference there is in the slot.

    Source: Li et al., ICCV 2025, arXiv:2506.23270, estimated causal inference. Differs: the scale
    over slots, the cap and p.

    Args:
        raw: float32 [M, V], raw maps, finite, >= 0.
        relevance: float32 [M, M], finite, >= 0, entry [m, k] the relevance of text token k to m.
        context: bool [M, M], entry [m, k] true where k is context of m.
        slot_cells: number of cells of each slot, in order.
        caps: float64 [M], upper bound of each token's factor, > 0.
        scale: "clip", "slot" or "mixture".
        relevance_power: p, >= 0; 1 as published, 0 weighs all context alike.

    Returns:
        float32 [M, V], >= 0, at most `raw`. A token without context keeps its raw map.
    """
    weights = np.where(context, np.power(relevance.astype(np.float64), relevance_power), 0.0)
    weights /= weights.sum(axis=1, keepdims=True) + _EPSILON
    slots = [slice(start, end) for start, end in pairwise(np.cumsum([0, *slot_cells]))]
    maps = raw.astype(np.float64)
    interference = weights @ maps
    overlap = np.stack([(maps * interference)[:, slot].sum(axis=1) for slot in slots], axis=1)
    energy = np.stack([np.square(interference[:, slot]).sum(axis=1) for slot in slots], axis=1)
    factors = np.minimum(_factors(overlap, energy, scale), caps[:, None])
    corrected = np.maximum(maps - np.repeat(factors, slot_cells, axis=1) * interference, 0)
    return np.minimum(corrected.astype(np.float32), raw)


def correlated_tokens(raw: FloatArray, *, threshold: float = 0.5) -> BoolArray:
    """Find the pairs of tokens whose maps correlate beyond the mean map of all tokens.

    Raw maps of all tokens often share one pattern, which is the interference that the correction
    removes: the mean of all maps, each first brought to maximum 1, is subtracted before they are
    compared.

    Args:
        raw: float32 [M, V], finite, >= 0.
        threshold: Pearson correlation above which two tokens count as the same object.

    Returns:
        bool [M, M], symmetric. A constant map correlates with none.
    """
    peak = raw.max(axis=1, keepdims=True)
    maps = np.divide(raw, peak, out=np.zeros(raw.shape, np.float32), where=peak > 0)
    maps = maps - maps.mean(axis=0) if len(maps) else maps
    # Exactly constant: rounding of the mean would leave a pattern of its own.
    varies = maps.min(axis=1) < maps.max(axis=1)
    centred = (maps - maps.mean(axis=1, keepdims=True, dtype=np.float64)) * varies[:, None]
    products = centred @ centred.T
    norms = np.sqrt(np.diagonal(products))
    return _ratio(products, norms[:, None] * norms) > threshold


def _factors(overlap: Float64Array, energy: Float64Array, scale: CausalScale) -> Float64Array:
    """float64 [M, t], 0 where there is no interference."""
    clip = _ratio(overlap.sum(axis=1, keepdims=True), energy.sum(axis=1, keepdims=True))
    if scale == "clip":
        return np.repeat(clip, overlap.shape[1], axis=1)
    prior = energy.mean(axis=1, keepdims=True) if scale == "mixture" else 0.0
    return _ratio(overlap + prior * clip, energy + prior)


def _ratio(above: Float64Array, below: Float64Array) -> Float64Array:
    return np.divide(above, below, out=np.zeros_like(below), where=below > 0)
