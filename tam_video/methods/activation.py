"""The token activation map, and variants without some of its steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tam_video.methods.base import Cost, Evidence, MethodMaps, generation_of, probe_of
from tam_video.tam.activation import activate, input_activation_maps, sequence_layout
from tam_video.tam.motion import SlotMotion, input_motions
from tam_video.tam.options import DEFAULT, ActivationOptions, profile_options


@dataclass(frozen=True, slots=True)
class Tam:
    """The token activation map, by default with the options of the default profile.

    Source: Li et al., ICCV 2025, arXiv:2506.23270; see `tam.activation.activate`.

    Attributes:
        options: steps beyond the published ones. Smoothing along the flow reads the frames and
            needs a probe.
    """

    name: ClassVar[str] = "tam"
    cost: ClassVar[Cost] = "one pass"
    options: ActivationOptions = DEFAULT

    def explain(self, evidence: Evidence) -> MethodMaps:
        """Compute the maps of all text tokens, in the prompt and in the answer."""
        generation, options = generation_of(evidence), self.options
        motions: tuple[SlotMotion, ...] = ()
        if options.needs_motion:
            motions = input_motions(probe_of(evidence, self.name).batches, generation)
        maps = activate(generation, options=options, motions=motions)
        return MethodMaps(self.name, tuple(each.maps for each in maps))


@dataclass(frozen=True)
class LastLayer:
    """Base class for token activation maps with fixed options, made from `Generation.scores`."""

    name: ClassVar[str]
    cost: ClassVar[Cost] = "one pass"
    options: ClassVar[ActivationOptions]

    def explain(self, evidence: Evidence) -> MethodMaps:
        """Compute the maps of all text tokens, in the prompt and in the answer."""
        generation = generation_of(evidence)
        layout = sequence_layout(generation)
        maps = input_activation_maps((generation.scores,), layout, self.options)
        return MethodMaps(self.name, tuple(each.maps for each in maps))


class TamReference(LastLayer):
    """The token activation map, computed as in the public code, xmed-lab/TAM.

    The public code's class ids of round 0 are read from the generation's scores: generate with
    `GenerationOptions(class_ids="reference")` to use them, too.
    """

    name = "tam-reference"
    options = profile_options("reference")


class Logit(LastLayer):
    """Normalised positive logits of each token at the cells, neither corrected nor filtered."""

    name = "logit"
    options = ActivationOptions(correction="none", rank_filter=False)


class LogitFiltered(LastLayer):
    """`Logit` with the rank Gaussian filter."""

    name = "logit+rgf"
    options = ActivationOptions(correction="none")


class Eci(LastLayer):
    """`Logit` with estimated causal inference before normalisation. There is no filter."""

    name = "eci"
    options = ActivationOptions(rank_filter=False)
