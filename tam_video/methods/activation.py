"""The token activation map, and what is left of it without its steps: no further pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tam_video.methods.base import (
    Cost,
    Evidence,
    MethodMaps,
    generation_of,
    probe_of,
    split_inputs,
)
from tam_video.tam.activation import DEFAULT, activate
from tam_video.tam.causal import causal_inference, context_mask
from tam_video.tam.logits import raw_maps, text_relevance
from tam_video.tam.normalise import joint_min_max, scale_mask
from tam_video.tam.rank_filter import rank_gaussian_filter
from tam_video.tam.temporal import SlotMotion, TemporalOptions, input_motions
from tam_video.types import Generation


@dataclass(frozen=True, slots=True)
class Tam:
    """The token activation map as this package makes it.

    Source: Li et al., ICCV 2025, arXiv:2506.23270; see `tam.activate`.

    Attributes:
        temporal: what is done beyond the published steps. Some of it looks at the frames, for which
            a probe has to be given.
    """

    name: ClassVar[str] = "tam"
    cost: ClassVar[Cost] = "one pass"
    temporal: TemporalOptions = DEFAULT

    def explain(self, evidence: Evidence) -> MethodMaps:
        """Maps of all tokens, prompt included."""
        generation, options = generation_of(evidence), self.temporal
        motions: tuple[SlotMotion, ...] = ()
        if options.looks_at_neighbours:
            batches = probe_of(evidence, self.name).batches
            motions = input_motions(batches, generation, options)
        found = activate(generation, temporal=options, motions=motions)
        return MethodMaps(self.name, tuple(each.maps for each in found))


@dataclass(frozen=True, slots=True)
class TamReference:
    """The token activation map in the order and precision of the public code, xmed-lab/TAM.

    The public code's class ids of round 0 lie in the generation's scores: ask the model with
    `GenerationOptions(class_ids="reference")` to have them, too.
    """

    name: ClassVar[str] = "tam-reference"
    cost: ClassVar[Cost] = "one pass"

    def explain(self, evidence: Evidence) -> MethodMaps:
        """Maps of all tokens, prompt included."""
        found = activate(generation_of(evidence), profile="reference")
        return MethodMaps(self.name, tuple(each.maps for each in found))


@dataclass(frozen=True, slots=True)
class Logit:
    """Positive logits of the token at the cells, on the joint scale: no correction, no filter."""

    name: ClassVar[str] = "logit"
    cost: ClassVar[Cost] = "one pass"

    def explain(self, evidence: Evidence) -> MethodMaps:
        """Maps of all tokens, prompt included."""
        return _partly(self.name, generation_of(evidence), corrects=False, filters=False)


@dataclass(frozen=True, slots=True)
class LogitFiltered:
    """`Logit` with the rank Gaussian filter."""

    name: ClassVar[str] = "logit+rgf"
    cost: ClassVar[Cost] = "one pass"

    def explain(self, evidence: Evidence) -> MethodMaps:
        """Maps of all tokens, prompt included."""
        return _partly(self.name, generation_of(evidence), corrects=False, filters=True)


@dataclass(frozen=True, slots=True)
class Eci:
    """`Logit` with estimated causal inference before the scale, no filter."""

    name: ClassVar[str] = "eci"
    cost: ClassVar[Cost] = "one pass"

    def explain(self, evidence: Evidence) -> MethodMaps:
        """Maps of all tokens, prompt included."""
        return _partly(self.name, generation_of(evidence), corrects=True, filters=False)


def _partly(name: str, generation: Generation, *, corrects: bool, filters: bool) -> MethodMaps:
    """The method's steps in its order, some of them left out."""
    raw = raw_maps(generation.scores, generation.visual_positions)
    relevance = text_relevance(generation.scores, generation.text_positions)
    maps = raw
    if corrects:
        context = context_mask([token.text for token in generation.tokens])
        maps = causal_inference(raw, relevance, context=context).astype(np.float32)
    mask = scale_mask(len(generation.tokens), generation.num_prompt_tokens)
    scaled, _ = joint_min_max(maps, relevance, mask=mask)
    parts = split_inputs(scaled, generation)
    if filters:
        parts = tuple(np.clip(rank_gaussian_filter(part), 0, 1) for part in parts)
    return MethodMaps(name, parts)
