"""Maps filtered over time as well as space, and the one set of switches for all of it.

Owns: `TemporalOptions`, the order of the filters, and the Gaussian over slots. The rank filter over
slots is in `rank_volume`, where things go from slot to slot is told by `motion`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from tam_video.tam.alignment import aligned_neighbours
from tam_video.tam.motion import (
    BoolArray,
    CutMeasure,
    FlowMethod,
    GridFlow,
    SlotPicture,
    grid_flow,
    scene_cuts,
)
from tam_video.tam.rank_volume import rank_volume_filter, separable_rank_filter, token_blocks
from tam_video.types import (
    ByteArray,
    Float64Array,
    FloatArray,
    FrameBatch,
    Generation,
    VisualLayout,
)

RankForm: TypeAlias = Literal["joint", "separable"]
TimeUnit: TypeAlias = Literal["slots", "seconds"]
CausalScale: TypeAlias = Literal["clip", "slot", "mixture"]
OverlapMeasure: TypeAlias = Literal["correlation", "iou"]
SubtokenAggregate: TypeAlias = Literal["first", "mean", "max", "length"]
LayerUnit: TypeAlias = Literal["layer", "token"]

_REACH_SIGMAS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalOptions:
    """What the method does beyond the published steps; the defaults do nothing.

    Attributes:
        rank_slots: length of the rank filter's window, in slots; odd, 1 filters each slot alone.
        rank_size: side of its window, in cells; odd.
        rank_form: "joint" sorts one window over space and time, "separable" filters each slot first
            and then each cell over time.
        rank_slot_weight: what a value counts for every slot that it is away, in (0, 1]; 1 counts
            all slots alike.
        is_aligned: whether neighbouring slots are warped along the motion before they are filtered.
        flow_method: "dis" or "farneback".
        slot_picture: what is followed where a slot has several frames: its "middle" or their
            "mean".
        flow_long_side_px: longer side of the pictures in which motion is looked for, in pixels.
        flow_tolerance_cells: error of the flow there and back above which a cell has no neighbour,
            in cells; None trusts every flow.
        breaks_at_cuts: whether windows end at scene cuts.
        cut_measure: "histogram" or "difference".
        cut_deviations: robust standard deviations above the clip's median that make a cut.
        gaussian_sigma: width of the temporal Gaussian, in `gaussian_unit`; 0 leaves it out.
        gaussian_unit: "slots" or "seconds".
        causal_scale: one factor of the causal correction for the "clip", one for each "slot", or
            their "mixture".
        causal_shrinkage: evidence of the clip's factor in the mixture, in slots of mean
            interference energy, >= 0; 0 is "slot", without bound "clip".
        causal_cap: the factor's upper bound, > 0; None for none.
        causal_floor: share of the raw map that the correction leaves in each cell, in [0, 1].
        relevance_power: exponent of the relevance that weighs the context, >= 0; 0 weighs all
            alike.
        overlap_measure: how to tell context on the same object, which is then left out:
            "correlation" of raw maps or "iou" of their top cells; None keeps all context.
        overlap_threshold: overlap above which a context token is left out, in [0, 1].
        overlap_top_share: share of the cells that are top cells, in (0, 1].
        overlap_beyond_common: whether to compare maps by what they have beyond the mean of all
            tokens' maps.
        excludes_phrase: whether tokens of the same phrase are left out of the context.
        excludes_content: whether the content words of the answer are left out of one another's
            context; what they share with function words and the prompt is still taken away.
        content_cap: the factor's upper bound for tokens of content words, > 0; None for none.
        subtoken_aggregate: a word's map out of its tokens': "first", "mean", "max" or by "length".
        layer_weights: weights of the layers that are mixed, each >= 0; empty for equal ones. What
            is mixed is told by the scores that are given: one layer's are taken as they are.
        layer_unit: whether layers are normalised as a whole ("layer") or for each "token".

    Raises:
        ValueError: a value is unknown or out of its range.
    """

    rank_slots: int = 1
    rank_size: int = 3
    rank_form: RankForm = "joint"
    rank_slot_weight: float = 1.0
    is_aligned: bool = False
    flow_method: FlowMethod = "dis"
    slot_picture: SlotPicture = "middle"
    flow_long_side_px: int = 256
    flow_tolerance_cells: float | None = 1.0
    breaks_at_cuts: bool = True
    cut_measure: CutMeasure = "histogram"
    cut_deviations: float = 6.0
    gaussian_sigma: float = 0.0
    gaussian_unit: TimeUnit = "slots"
    causal_scale: CausalScale = "clip"
    causal_shrinkage: float = 1.0
    causal_cap: float | None = None
    causal_floor: float = 0.0
    relevance_power: float = 1.0
    overlap_measure: OverlapMeasure | None = None
    overlap_threshold: float = 0.5
    overlap_top_share: float = 0.1
    overlap_beyond_common: bool = False
    excludes_phrase: bool = False
    excludes_content: bool = False
    content_cap: float | None = None
    subtoken_aggregate: SubtokenAggregate = "mean"
    layer_weights: tuple[float, ...] = ()
    layer_unit: LayerUnit = "layer"

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                shown = ", ".join(map(repr, choices))
                raise ValueError(f"{name} must be one of {shown}, not {getattr(self, name)!r}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name} must be in [{low:g}, {high:g}], not {value}")
        for name in ("rank_slots", "rank_size"):
            if getattr(self, name) % 2 == 0:
                raise ValueError(f"{name} must be odd, not {getattr(self, name)}")
        weights = self.layer_weights
        if weights and not (all(0 <= w < math.inf for w in weights) and sum(weights) > 0):
            raise ValueError(f"layer_weights must be >= 0 and not all 0, not {weights}")

    @property
    def looks_at_neighbours(self) -> bool:
        """Whether a slot's maps depend on other slots' maps after the causal correction."""
        return self.rank_slots > 1 or self.gaussian_sigma > 0

    @property
    def needs_content(self) -> bool:
        """Whether the causal correction can't run without knowing the content words."""
        return self.excludes_content or self.content_cap is not None

    @property
    def needs_flow(self) -> bool:
        """Whether the filters can't run without the motion between slots."""
        return self.is_aligned and self.looks_at_neighbours

    @property
    def needs_cuts(self) -> bool:
        """Whether the filters can't run without the cuts between slots."""
        return self.breaks_at_cuts and self.looks_at_neighbours


@dataclass(frozen=True, slots=True, eq=False)
class SlotMotion:
    """What a clip's pictures tell about its slots, as far as the options ask for it.

    Attributes:
        flow: motion between neighbouring slots; None where it is not needed.
        cuts: bool [t-1], cuts between neighbouring slots; None where they are not needed.
        slot_seconds: float64 [t], each slot's time; None where it is not known.
    """

    flow: GridFlow | None = None
    cuts: BoolArray | None = None
    slot_seconds: Float64Array | None = None


def slot_motion(
    frames: ByteArray,
    layout: VisualLayout,
    options: TemporalOptions,
    *,
    pts_seconds: Float64Array | None = None,
) -> SlotMotion:
    """Look at a clip for what the options need.

    Args:
        frames: uint8 [T, H, W, 3], RGB, the sampled frames.
        layout: which frames fed which slot, and the part of the picture under the grid.
        options: the parts that are switched on.
        pts_seconds: float64 [T], the frames' times.
    """
    flow = cuts = None
    if options.needs_flow:
        flow = grid_flow(
            frames,
            layout,
            method=options.flow_method,
            picture=options.slot_picture,
            long_side_px=options.flow_long_side_px,
        )
    if options.needs_cuts:
        cuts = scene_cuts(
            frames, layout, measure=options.cut_measure, deviations=options.cut_deviations
        )
    seconds = None if pts_seconds is None else layout.slot_seconds(pts_seconds)
    return SlotMotion(flow, cuts, seconds)


def input_motions(
    batches: Sequence[FrameBatch], generation: Generation, options: TemporalOptions
) -> tuple[SlotMotion, ...]:
    """`slot_motion` for every vision input of a generation.

    Args:
        batches: the frames of each input.
        generation: tells how they are laid out.
        options: the parts that are switched on.
    """
    return tuple(
        slot_motion(batch.frames, layout, options, pts_seconds=batch.pts_seconds)
        for batch, layout in zip(batches, generation.layouts, strict=True)
    )


_TINY = float(np.finfo(np.float64).tiny)
_CHOICES: dict[str, tuple[str | None, ...]] = {
    "rank_form": ("joint", "separable"),
    "flow_method": ("dis", "farneback"),
    "slot_picture": ("middle", "mean"),
    "cut_measure": ("histogram", "difference"),
    "gaussian_unit": ("slots", "seconds"),
    "causal_scale": ("clip", "slot", "mixture"),
    "overlap_measure": ("correlation", "iou", None),
    "subtoken_aggregate": ("first", "mean", "max", "length"),
    "layer_unit": ("layer", "token"),
}
_RANGES = {
    "rank_slots": (1, math.inf),
    "rank_size": (1, math.inf),
    "rank_slot_weight": (_TINY, 1),
    "flow_long_side_px": (32, math.inf),
    "flow_tolerance_cells": (_TINY, math.inf),
    "cut_deviations": (0, math.inf),
    "gaussian_sigma": (0, float(np.finfo(np.float64).max)),
    "causal_shrinkage": (0, float(np.finfo(np.float64).max)),
    "causal_cap": (_TINY, math.inf),
    "causal_floor": (0, 1),
    "content_cap": (_TINY, math.inf),
    "relevance_power": (0, float(np.finfo(np.float64).max)),
    "overlap_threshold": (0, 1),
    "overlap_top_share": (_TINY, 1),
}


def temporal_filter(
    maps: FloatArray,
    options: TemporalOptions,
    *,
    flow: GridFlow | None = None,
    cuts: BoolArray | None = None,
    slot_seconds: Float64Array | None = None,
) -> FloatArray:
    """Denoise maps over space and time as the options say: rank filter, then temporal Gaussian.

    Args:
        maps: float32 [M, t, h, w], finite, >= 0.
        options: the parts that are switched on; the defaults give `rank_gaussian_filter`.
        flow: as of `grid_flow`; needed where `options.needs_flow`, else not used.
        cuts: bool [t-1], as of `scene_cuts`; needed where `options.needs_cuts`, else not used.
        slot_seconds: float64 [t], each slot's time; needed for a Gaussian in seconds.

    Returns:
        float32 [M, t, h, w], in the range of `maps`, never NaN.

    Raises:
        ValueError: shapes don't fit, or what the options need is not given.
    """
    if maps.ndim != 4 or 0 in maps.shape[1:]:
        raise ValueError(f"maps must be [M, t, h, w], not {list(maps.shape)}")
    if options.needs_flow and flow is None:
        raise ValueError("aligned filters need the flow between slots")
    if options.needs_cuts and cuts is None:
        raise ValueError("filters that break at cuts need the cuts between slots")
    in_seconds = options.gaussian_unit == "seconds" and options.gaussian_sigma > 0
    if in_seconds and slot_seconds is None:
        raise ValueError("a Gaussian in seconds needs each slot's time")
    flow = flow if options.needs_flow else None
    cuts = cuts if options.needs_cuts else None
    rank = rank_volume_filter if options.rank_form == "joint" else separable_rank_filter
    filtered = rank(
        maps,
        slots=options.rank_slots,
        size=options.rank_size,
        slot_weight=options.rank_slot_weight,
        flow=flow,
        cuts=cuts,
        tolerance_cells=options.flow_tolerance_cells,
    )
    return temporal_gaussian(
        filtered,
        sigma=options.gaussian_sigma,
        slot_seconds=slot_seconds if in_seconds else None,
        flow=flow,
        cuts=cuts,
        tolerance_cells=options.flow_tolerance_cells,
    )


def temporal_gaussian(
    maps: FloatArray,
    *,
    sigma: float,
    slot_seconds: Float64Array | None = None,
    flow: GridFlow | None = None,
    cuts: BoolArray | None = None,
    tolerance_cells: float | None = None,
) -> FloatArray:
    """Smooth maps over time by a Gaussian, each cell alone or along the motion.

    Weights are exp(-(time difference)^2 / (2 sigma^2)) up to 3 sigma, normalised over the slots
    that are there: what is missing at the ends, beyond a cut, or outside of the picture is left
    out, not taken as 0.

    Args:
        maps: float32 [M, t, h, w], finite.
        sigma: width, in slots, or in seconds where `slot_seconds` is given; 0 changes nothing.
        slot_seconds: float64 [t], each slot's time, not falling; None counts slots.
        flow: motion along which neighbouring slots are warped first; None takes the same cells.
        cuts: bool [t-1], nothing crosses one; None for no cuts.
        tolerance_cells: see `aligned_neighbours`.

    Returns:
        float32 [M, t, h, w], in the range of `maps`.

    Raises:
        ValueError: shapes don't fit, `sigma` is negative or not finite, or time runs backwards.
    """
    if maps.ndim != 4 or 0 in maps.shape[1:]:
        raise ValueError(f"maps must be [M, t, h, w], not {list(maps.shape)}")
    if not 0 <= sigma < math.inf:
        raise ValueError(f"sigma must be at least 0 and finite, not {sigma}")
    kernel = _time_kernel(maps.shape[1], sigma=sigma, slot_seconds=slot_seconds)
    places = np.arange(maps.shape[1])
    reach = np.abs(places[:, None] - places)[kernel > 0]
    radius = int(reach.max(initial=0))
    if radius == 0:
        return maps.astype(np.float32)
    smooth = np.empty(maps.shape, dtype=np.float32)
    for tokens in token_blocks(maps.shape, 2 * radius + 1):
        block = maps[tokens].astype(np.float32, copy=False)
        values, present = aligned_neighbours(
            block, flow, cuts, radius, tolerance_cells=tolerance_cells
        )
        total = np.zeros(present.shape[1:], dtype=np.float32)
        found = np.zeros(block.shape, dtype=np.float32)
        for offset in range(-radius, radius + 1):
            others = np.clip(places + offset, 0, len(places) - 1)
            weights = (
                kernel[places, others, None, None].astype(np.float32) * present[radius + offset]
            )
            found += values[radius + offset] * weights
            total += weights
        smooth[tokens] = _within(found / total, maps[tokens])
    return smooth


def _within(values: FloatArray, source: FloatArray) -> FloatArray:
    """Rounding may not carry a map out of the range of what it was made of."""
    axes = (1, 2, 3)
    low, high = source.min(axis=axes, keepdims=True), source.max(axis=axes, keepdims=True)
    return np.asarray(np.clip(values, low, high), dtype=np.float32)


def _time_kernel(
    num_slots: int, *, sigma: float, slot_seconds: Float64Array | None
) -> Float64Array:
    """float64 [t, t]: the Gaussian of the time between slots, 0 beyond its reach, 1 at itself."""
    times = np.arange(num_slots, dtype=np.float64) if slot_seconds is None else slot_seconds
    if times.shape != (num_slots,) or not np.isfinite(times).all() or (np.diff(times) < 0).any():
        raise ValueError(f"slot_seconds must be [{num_slots}], finite and not falling")
    if sigma == 0:
        return np.eye(num_slots)
    with np.errstate(over="ignore", under="ignore"):
        distances = np.abs(times[:, None] - times) / sigma
        kernel = np.exp(-np.square(distances) / 2)
    return np.where(distances <= _REACH_SIGMAS, kernel, 0.0)
