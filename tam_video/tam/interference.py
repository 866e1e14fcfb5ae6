"""Variants of the causal correction: in time, bounded, and with a choice of context.

Owns: the factor's scale over slots, its bounds, and who is no interference. The published
correction, one factor for a clip and all earlier tokens, is in `causal`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tam_video.tam.causal import CELLS_PER_BLOCK
from tam_video.tam.motion import BoolArray
from tam_video.tam.temporal import CausalScale, OverlapMeasure, TemporalOptions
from tam_video.types import Float64Array, FloatArray, IntArray

_EPSILON = 1e-8


def corrected_maps(
    raw: FloatArray,
    relevance: FloatArray,
    options: TemporalOptions,
    *,
    context: BoolArray,
    slot_cells: Sequence[int],
    phrases: IntArray | None = None,
    content: BoolArray | None = None,
) -> FloatArray:
    """Choose the context and correct all maps as the options say.

    Args:
        raw: float32 [M, V], raw maps, finite, >= 0.
        relevance: float32 [M, M], finite, >= 0, entry [m, k] the relevance of text token k to m.
        options: the parts that are switched on; the defaults give `causal_inference`.
        context: bool [M, M], as of `context_mask`.
        slot_cells: how many of the V cells each slot has, in order; the slots of several inputs
            follow one another.
        phrases: int64 [M], the phrase of each token, negative for none; needed where
            `options.excludes_phrase`, else not used.
        content: bool [M], tokens of content words; needed where `options.needs_content`, else not
            used.

    Returns:
        float32 [M, V], >= 0, at most `raw`.

    Raises:
        ValueError: shapes don't fit, or phrases or content words are needed and not given.
    """
    _check_maps(raw, relevance, context, slot_cells)
    if options.excludes_phrase:
        if phrases is None:
            raise ValueError("leaving out the own phrase needs the phrase of each token")
        context = context & ~same_phrase(phrases, num_tokens=len(raw))
    is_content = _checked_content(content, len(raw), needed=options.needs_content)
    if options.excludes_content:
        context = context & ~(is_content[:, None] & is_content)
    if options.overlap_measure is not None:
        context = context & ~same_object(
            raw,
            measure=options.overlap_measure,
            threshold=options.overlap_threshold,
            top_share=options.overlap_top_share,
            beyond_common=options.overlap_beyond_common,
        )
    return slot_causal_inference(
        raw,
        relevance,
        context=context,
        slot_cells=slot_cells,
        scale=options.causal_scale,
        shrinkage=options.causal_shrinkage,
        cap=_caps(options, is_content),
        floor=options.causal_floor,
        relevance_power=options.relevance_power,
    )


def slot_causal_inference(
    raw: FloatArray,
    relevance: FloatArray,
    *,
    context: BoolArray,
    slot_cells: Sequence[int],
    scale: CausalScale = "clip",
    shrinkage: float = 1.0,
    cap: float | Float64Array | None = None,
    floor: float = 0.0,
    relevance_power: float = 1.0,
    cells_per_block: int = CELLS_PER_BLOCK,
) -> FloatArray:
    """Subtract from each map the part that its context explains, with a factor that may vary.

    As in `causal_inference`, w_k = r^p / (sum r^p + 1e-8) over the context and E = sum_k w_k A_k;
    the result is max(A - s E, floor * A). With a_t = <A_t, E_t> and e_t = <E_t, E_t> over the cells
    of slot t, the factor s is, before it is cut to `cap`,
    - "clip": S = sum_t a_t / sum_t e_t in all slots, as published;
    - "slot": a_t / e_t;
    - "mixture": (a_t + n S) / (e_t + n) with n = shrinkage * mean_t e_t: the ridge estimate that
      draws each slot's factor to the clip's, and takes its own the more, the more interference
      there is in the slot to tell it by (its weight is e_t / (e_t + n)).
    A slot's own factor can erase a slot wholly where map and interference agree in shape; the cap,
    the floor and the mixture bound that.

    Source: Li et al., ICCV 2025, arXiv:2506.23270, estimated causal inference. Differs: the scale
    over slots, `cap`, `floor` and p; the defaults are the published correction.

    Args:
        raw: float32 [M, V], raw maps, finite, >= 0.
        relevance: float32 [M, M], finite, >= 0, entry [m, k] the relevance of text token k to m.
        context: bool [M, M], entry [m, k] true where k is context of m.
        slot_cells: how many of the V cells each slot has, in order.
        scale: "clip", "slot" or "mixture".
        shrinkage: evidence of the clip's factor in "mixture", in slots of mean energy, >= 0.
        cap: upper bound of the factor, > 0, for all tokens or float64 [M]; None for none.
        floor: share of the raw map that is left in each cell, in [0, 1].
        relevance_power: p, >= 0; 1 as published, 0 weighs all context alike.
        cells_per_block: cells at a time, as in `causal_inference`.

    Returns:
        float32 [M, V], between floor * `raw` and `raw`. A token without context, or whose context
        explains nothing, keeps its raw map.

    Raises:
        ValueError: shapes don't fit, or an option is unknown or out of range.
    """
    _check_maps(raw, relevance, context, slot_cells)
    if scale not in ("clip", "slot", "mixture"):
        raise ValueError(f"scale must be 'clip', 'slot' or 'mixture', not {scale!r}")
    caps = np.broadcast_to(math.inf if cap is None else cap, len(raw))
    if not (0 <= floor <= 1 and (caps > 0).all()):
        raise ValueError(f"cap must be above 0 and floor in [0, 1], not {cap} and {floor}")
    if not (0 <= shrinkage < math.inf and 0 <= relevance_power < math.inf):
        raise ValueError(
            "shrinkage and relevance_power must be at least 0 and finite, not "
            f"{shrinkage} and {relevance_power}"
        )
    weights = _weights(relevance, context, relevance_power)
    blocks = _blocks(slot_cells, cells_per_block)
    overlap, energy = _products(raw, weights, blocks, num_slots=len(slot_cells))
    factor = _factors(overlap, energy, scale=scale, shrinkage=shrinkage)
    factor = np.minimum(factor, caps[:, None])
    corrected = np.empty(raw.shape, dtype=np.float32)
    for slot, cells in blocks:
        block = raw[:, cells].astype(np.float64)
        left = block - factor[:, slot, None] * (weights @ block)
        corrected[:, cells] = np.maximum(left, floor * block)
    return np.minimum(corrected, raw)


def same_object(
    raw: FloatArray,
    *,
    measure: OverlapMeasure = "correlation",
    threshold: float = 0.5,
    top_share: float = 0.1,
    beyond_common: bool = False,
) -> BoolArray:
    """Which tokens' raw maps lie on the same cells, so that neither is the other's interference.

    Raw maps of all tokens often share one pattern, which is the very interference that the
    correction removes: `beyond_common` takes the mean map of all tokens, each first brought to
    maximum 1, away before the maps are compared.

    Args:
        raw: float32 [M, V], finite, >= 0.
        measure: "correlation" is Pearson's over all cells, 0 where a map is constant; "iou" is that
            of the sets of top cells, which are no less than the n-th greatest value of the map and
            above its least, n = ceil(top_share * V).
        threshold: an overlap above it is the same object, in [0, 1].
        top_share: in (0, 1], for "iou".
        beyond_common: whether to compare what is beyond the mean map.

    Returns:
        bool [M, M], symmetric; a token's overlap with itself is left to the context.

    Raises:
        ValueError: `raw` is not [M, V], or an option is unknown or out of range.
    """
    if raw.ndim != 2 or raw.shape[1] == 0:
        raise ValueError(f"raw must be [M, V], not {list(raw.shape)}")
    if measure not in ("correlation", "iou"):
        raise ValueError(f"measure must be 'correlation' or 'iou', not {measure!r}")
    if not (0 <= threshold <= 1 and 0 < top_share <= 1):
        raise ValueError(
            f"threshold must be in [0, 1] and top_share in (0, 1], not {threshold} and {top_share}"
        )
    # Neither measure sees a map's scale; maximum 1 keeps squares within float32.
    peak = raw.max(axis=1, keepdims=True)
    maps = np.divide(raw, peak, out=np.zeros(raw.shape, np.float32), where=peak > 0)
    if beyond_common and len(maps):
        maps = maps - maps.mean(axis=0)
    overlap = _correlation(maps) if measure == "correlation" else _top_iou(maps, top_share)
    return np.asarray(overlap > threshold, dtype=np.bool_)


def same_phrase(phrases: IntArray, *, num_tokens: int) -> BoolArray:
    """Which tokens belong to the same phrase.

    Args:
        phrases: int64 [M], the phrase of each token, negative for none (see `token_phrases`).
        num_tokens: M.

    Returns:
        bool [M, M], symmetric; tokens without a phrase share none.

    Raises:
        ValueError: `phrases` is not int64 [M].
    """
    if phrases.shape != (num_tokens,) or not np.issubdtype(phrases.dtype, np.integer):
        raise ValueError(f"phrases must be int64 [{num_tokens}], not {list(phrases.shape)}")
    same = (phrases[:, None] == phrases) & (phrases >= 0)
    return np.asarray(same, dtype=np.bool_)


def _checked_content(content: BoolArray | None, num_tokens: int, *, needed: bool) -> BoolArray:
    if not needed:
        return np.zeros(num_tokens, dtype=np.bool_)
    if content is None or content.shape != (num_tokens,) or content.dtype != np.bool_:
        raise ValueError(f"content must be bool [{num_tokens}]: the content words are needed")
    return content


def _caps(options: TemporalOptions, content: BoolArray) -> Float64Array | float | None:
    """The bound of each token's factor: that of all, and the lower one of content words."""
    if options.content_cap is None:
        return options.causal_cap
    cap = math.inf if options.causal_cap is None else options.causal_cap
    return np.where(content, min(cap, options.content_cap), cap)


def _weights(relevance: FloatArray, context: BoolArray, power: float) -> Float64Array:
    """float64 [M, M]: w_k, 0 outside the context."""
    with np.errstate(under="ignore", over="ignore"):
        weights = np.where(context, np.power(relevance.astype(np.float64), power), 0.0)
    if not np.isfinite(weights).all():
        raise ValueError(f"relevance is too great for relevance_power {power}")
    found: Float64Array = weights / (weights.sum(axis=1, keepdims=True) + _EPSILON)
    return found


def _products(
    raw: FloatArray, weights: Float64Array, blocks: Sequence[tuple[int, slice]], *, num_slots: int
) -> tuple[Float64Array, Float64Array]:
    """float64 [M, t] each: <A, E> and <E, E> over each slot; E itself is never stored."""
    overlap = np.zeros((len(raw), num_slots))
    energy = np.zeros_like(overlap)
    for slot, cells in blocks:
        block = raw[:, cells].astype(np.float64)
        interference = weights @ block
        overlap[:, slot] += (block * interference).sum(axis=1)
        energy[:, slot] += np.square(interference).sum(axis=1)
    return overlap, energy


def _factors(
    overlap: Float64Array, energy: Float64Array, *, scale: CausalScale, shrinkage: float
) -> Float64Array:
    """float64 [M, t], 0 where there is no interference."""
    clip = _ratio(overlap.sum(axis=1, keepdims=True), energy.sum(axis=1, keepdims=True))
    if scale == "clip":
        return np.repeat(clip, overlap.shape[1], axis=1)
    prior = shrinkage * energy.mean(axis=1, keepdims=True) if scale == "mixture" else 0.0
    return _ratio(overlap + prior * clip, energy + prior)


def _ratio(above: Float64Array, below: Float64Array) -> Float64Array:
    with np.errstate(over="ignore"):
        found = np.divide(above, below, out=np.zeros_like(below), where=below > 0)
    return np.minimum(found, np.finfo(np.float64).max)


def _correlation(maps: FloatArray) -> Float64Array:
    """float64 [M, M]: Pearson correlation, 0 for constant maps."""
    # Exactly constant: rounding of the mean would leave a pattern of its own.
    varies = maps.min(axis=1) < maps.max(axis=1)
    centred = (maps - maps.mean(axis=1, keepdims=True, dtype=np.float64)) * varies[:, None]
    products = centred @ centred.T
    norms = np.sqrt(np.diagonal(products))
    return _ratio(products, norms[:, None] * norms)


def _top_iou(maps: FloatArray, share: float) -> Float64Array:
    """float64 [M, M]: IoU of the maps' top cells, 0 where there are none."""
    place = maps.shape[1] - math.ceil(share * maps.shape[1])
    least = np.partition(maps, place, axis=1)[:, place, None]
    top = ((maps >= least) & (maps > maps.min(axis=1, keepdims=True))).astype(np.float32)
    shared = (top @ top.T).astype(np.float64)
    sizes = top.sum(axis=1, dtype=np.float64)
    return _ratio(shared, sizes[:, None] + sizes - shared)


def _blocks(slot_cells: Sequence[int], cells_per_block: int) -> list[tuple[int, slice]]:
    """Each slot's cells, cut into blocks of bounded size."""
    found, first = [], 0
    for slot, count in enumerate(slot_cells):
        for start in range(0, count, cells_per_block):
            end = min(start + cells_per_block, count)
            found.append((slot, slice(first + start, first + end)))
        first += count
    return found


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
