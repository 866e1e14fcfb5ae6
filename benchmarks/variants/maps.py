"""Maps of the variants that the package's options do not cover."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from benchmarks.variants.correction import (
    CausalScale,
    correlated_tokens,
    slot_causal_inference,
)
from benchmarks.variants.phrases import letter_weighted_maps, same_phrase
from benchmarks.variants.rank_volume import rank_volume_filter
from tam_video.tam.activation import activate, sequence_layout, split_inputs
from tam_video.tam.causal import context_mask
from tam_video.tam.logits import token_relevance
from tam_video.tam.motion import GridFlow, SlotMotion, grid_flow, scene_cuts
from tam_video.tam.normalise import joint_min_max, scale_mask
from tam_video.tam.options import DEFAULT, ActivationOptions
from tam_video.tam.rank_filter import rank_gaussian_filter
from tam_video.tam.temporal import temporal_gaussian
from tam_video.tam.words import content_tokens, join_words, word_maps
from tam_video.types import ByteArray, FloatArray, FrameBatch, Generation

QUARTERS = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The package's options, the layers that are mixed, and what only the ablation varies.

    Attributes:
        options: options of the package; the correction is "content" or "published" where one of the
            fields below is set.
        layers: indices into the generation's layer scores.
        rank_slots: length of the rank filter's window, in slots; 1 filters each slot alone.
        rank_size: side of its window, in cells.
        flow: optical flow along which slots are warped; None takes the same cell in every slot.
        tolerance_cells: see `aligned_neighbours`.
        breaks_at_cuts: whether filters end at scene cuts.
        excluded: tokens that do not correct one another: those of a "phrase", or of maps that
            "correlate"; None for what `options` exclude.
        causal_scale: see `slot_causal_inference`.
        relevance_power: see `slot_causal_inference`.
        unit: whether layers are normalised as a whole ("layer") or for each "token".
        subtokens: how a word's map is computed from those of its sub-tokens.
    """

    options: ActivationOptions = DEFAULT
    layers: tuple[int, ...] = QUARTERS
    rank_slots: int = 1
    rank_size: int = 3
    flow: Literal["dis", "farneback"] | None = "dis"
    tolerance_cells: float | None = 1.0
    breaks_at_cuts: bool = True
    excluded: Literal["phrase", "correlate"] | None = None
    causal_scale: CausalScale = "clip"
    relevance_power: float = 1.0
    unit: Literal["layer", "token"] = "layer"
    subtokens: Literal["mean", "first", "max", "letters"] = "mean"

    @property
    def is_of_package(self) -> bool:
        """Whether the package computes the token maps."""
        own = replace(self, subtokens="mean")
        return own == Variant(options=self.options, layers=self.layers)


def farneback_flow(first: ByteArray, second: ByteArray) -> FloatArray:
    """Compute dense optical flow by polynomial expansion. Source: Farneback, SCIA 2003.

    Returns:
        float32 [H, W, 2], (x, y) in pixels.
    """
    import cv2

    start = np.zeros((*first.shape, 2), np.float32)
    return cv2.calcOpticalFlowFarneback(first, second, start, 0.5, 5, 15, 3, 5, 1.2, 0)


def still_flow(shape: tuple[int, int, int]) -> GridFlow:
    """Return a flow of 0: every cell stays where it is."""
    zeros = np.zeros((shape[0] - 1, *shape[1:], 2), np.float32)
    return GridFlow(zeros, zeros, np.ones(shape[1:], np.bool_))


def variant_motion(batch: FrameBatch, generation: Generation, variant: Variant) -> SlotMotion:
    """Compute the motion of the only input as a variant takes it."""
    layout = generation.layouts[0]
    if variant.flow is None:
        flow = still_flow(layout.shape)
    elif variant.flow == "farneback":
        flow = grid_flow(batch.frames, layout, pixel_flow=farneback_flow)
    else:
        flow = grid_flow(batch.frames, layout)
    cuts = scene_cuts(batch.frames, layout)
    return SlotMotion(flow, cuts if variant.breaks_at_cuts else np.zeros_like(cuts))


def variant_maps(generation: Generation, variant: Variant, motion: SlotMotion) -> FloatArray:
    """Compute a variant's maps of the only input, float32 [M, t, h, w].

    The map of each sub-token of the answer is replaced by that of its word, which is scored.
    """
    scores = tuple(generation.layer_scores[layer] for layer in variant.layers)
    generation = replace(generation, scores=scores[-1], layer_scores=scores)
    if variant.is_of_package:
        maps = activate(generation, options=variant.options, motions=(motion,))[0].maps
    else:
        maps = _token_maps(generation, variant, motion)
    words = join_words(generation.tokens)
    if variant.subtokens == "letters":
        joined = letter_weighted_maps(maps, words, generation.tokens)
    else:
        joined = word_maps(maps, words)
    for word, heat in zip(words, joined, strict=True):
        indices = list(word.token_indices)
        if variant.subtokens == "first":
            heat = maps[indices[0]].copy()
        elif variant.subtokens == "max":
            heat = maps[indices].max(axis=0)
        maps[indices] = heat
    return maps


def _token_maps(generation: Generation, variant: Variant, motion: SlotMotion) -> FloatArray:
    layout, options = sequence_layout(generation), variant.options
    raw, relevance = _evidence(generation, variant)
    num_tokens, words = len(raw), join_words(generation.tokens)
    content = content_tokens(words, num_tokens=num_tokens)
    context = context_mask(layout.token_strings)
    if variant.excluded == "phrase":
        context &= ~same_phrase(words, num_tokens=num_tokens)
    elif variant.excluded == "correlate":
        context &= ~correlated_tokens(raw)
    elif options.correction == "content":
        context &= ~(content[:, None] & content)
    grid = generation.layouts[0]
    corrected = slot_causal_inference(
        raw,
        relevance,
        context=context,
        slot_cells=[grid.h * grid.w] * grid.t,
        caps=np.where(content, options.content_cap or np.inf, np.inf),
        scale=variant.causal_scale,
        relevance_power=variant.relevance_power,
    )
    mask = scale_mask(num_tokens, generation.num_prompt_tokens)
    scaled, _ = joint_min_max(corrected, relevance, mask=mask)
    maps = split_inputs(scaled, generation.layouts)[0]
    if variant.rank_slots > 1:
        maps = rank_volume_filter(
            maps,
            motion,
            slots=variant.rank_slots,
            size=variant.rank_size,
            tolerance_cells=variant.tolerance_cells,
        )
    elif options.rank_filter:
        maps = rank_gaussian_filter(maps, size=variant.rank_size)
    sigma, tolerance = options.gaussian_sigma_slots, variant.tolerance_cells
    maps = temporal_gaussian(maps, motion, sigma_slots=sigma, tolerance_cells=tolerance)
    return np.clip(maps, 0, 1)


def _evidence(generation: Generation, variant: Variant) -> tuple[FloatArray, FloatArray]:
    """Mean raw maps [M, V] and relevance [M, M] of the layers, each divided by its peak."""
    raw = np.stack(
        [token_relevance(each, generation.visual_positions) for each in generation.layer_scores]
    )
    relevance = np.stack(
        [token_relevance(each, generation.text_positions) for each in generation.layer_scores]
    )
    peaks = raw.max(axis=(1, 2) if variant.unit == "layer" else 2, keepdims=True)
    factors = np.divide(1 / len(raw), peaks, out=np.zeros(peaks.shape, np.float32), where=peaks > 0)
    return (raw * factors).sum(axis=0), (relevance * factors).sum(axis=0)
