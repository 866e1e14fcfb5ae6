"""Candidate profiles, and their maps on a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, TypeAlias, get_args

from tam_video.calibration.evidence import ClipEvidence
from tam_video.models.base import DEPTH_QUARTERS
from tam_video.models.capture import resolve_layer
from tam_video.tam.activation import input_activation_maps
from tam_video.tam.options import DEFAULT, ActivationOptions, Correction
from tam_video.types import FloatArray

METRICS = ("viou", "pointing", "energy", "temporal_auc")
CURVE_METRICS = ("auc", "pointing", "temporal_auc")
_CORRECTIONS: tuple[Correction, ...] = get_args(Correction)
_CONTENT_CAP = 1.5
_CAPPED: tuple[Correction, ...] = ("content", "agreement", "overlap")
Step: TypeAlias = Literal["rank filter", "smoothing", "sinks"]
STEPS: tuple[Step, ...] = get_args(Step)
_ALTERNATIVES: dict[Step, tuple[dict[str, Any], ...]] = {
    "rank filter": (
        {"rank_filter": False, "rank_filter_min_cells": 0},
        *({"rank_filter": True, "rank_filter_min_cells": cells} for cells in (0, 8, 16, 32)),
    ),
    "smoothing": tuple({"gaussian_sigma_slots": sigma} for sigma in (0.0, 0.5, 1.0)),
    "sinks": ({"mask_sinks": False}, {"mask_sinks": True}),
}
RAW = ActivationOptions(correction="none", rank_filter=False)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate profile: the layers and steps from which maps are computed.

    Attributes:
        layers: decoder layers, 0 the first, whose maps are averaged; sorted.
        options: the steps after the layers.
    """

    layers: tuple[int, ...]
    options: ActivationOptions

    @property
    def complexity(self) -> tuple[int, int]:
        """Return a sort key: fewer layers first, then fewer steps."""
        steps = (
            int(self.options.mask_sinks)
            + int(self.options.correction != "none")
            + int(self.options.rank_filter)
            + int(self.options.rank_filter and self.options.rank_filter_min_cells > 0)
            + int(self.options.gaussian_sigma_slots > 0)
        )
        return len(self.layers), steps


def built_in(num_layers: int) -> Candidate:
    """Return the built-in default profile for a model with `num_layers` layers."""
    layers = (
        resolve_layer(layer, num_layers=num_layers) for layer in DEPTH_QUARTERS if layer != "input"
    )
    return Candidate(tuple(sorted(set(layers))), DEFAULT)


def layer_candidates(
    layers: Sequence[tuple[int, ...]], *, mask_sinks: bool
) -> tuple[Candidate, ...]:
    """Return every combination of layer sets and correction, with the other steps of `DEFAULT`."""
    return tuple(
        Candidate(
            chosen,
            replace(
                DEFAULT,
                correction=correction,
                content_cap=_CONTENT_CAP if correction in _CAPPED else None,
                mask_sinks=mask_sinks,
            ),
        )
        for chosen, correction in product(layers, _CORRECTIONS)
    )


def step_candidates(step: Step, base: Candidate) -> tuple[Candidate, ...]:
    """Return `base` with every alternative of one step."""
    return tuple(
        Candidate(base.layers, replace(base.options, **changes)) for changes in _ALTERNATIVES[step]
    )


def candidate_maps(evidence: ClipEvidence, candidate: Candidate) -> FloatArray:
    """Compute the maps of all tokens of a clip: float32 [M, t, h, w]."""
    [maps] = input_activation_maps(
        [evidence.scores[layer] for layer in candidate.layers],
        evidence.layout,
        candidate.options,
        motions=(evidence.motion,),
        content=evidence.content,
        sinks=evidence.sinks,
    )
    return maps.maps
