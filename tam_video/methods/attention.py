"""Where the answer's positions look: raw attention, rollout, and rollout against the background."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tam_video.errors import ConfigError
from tam_video.methods.base import Cost, Evidence, MethodMaps, probe_of, scaled_maps
from tam_video.types import Float64Array, FloatArray, Message


@dataclass(frozen=True, slots=True)
class Attention:
    """Attention from the position that predicted a token to the cells, heads and layers averaged.

    Attributes:
        num_layers: how many of the last layers with softmax attention, 1 or more; all where there
            are fewer.
    """

    num_layers: int = 4
    name: ClassVar[str] = "attention"
    cost: ClassVar[Cost] = "attention"

    def __post_init__(self) -> None:
        if self.num_layers < 1:
            raise ConfigError(f"num_layers must be 1 or more, not {self.num_layers}")

    def explain(self, evidence: Evidence) -> MethodMaps:
        """Maps of the answer tokens."""
        probe = probe_of(evidence, self.name)
        before = probe.cost
        found = probe.attentions(average_heads=True)
        rows = np.mean([layer[0] for layer in found.rows[-self.num_layers :]], axis=0)
        scores = rows[:, found.visual_positions]
        return MethodMaps(self.name, scaled_maps(scores, probe.generation), probe.cost - before)


@dataclass(frozen=True, slots=True)
class AttentionRollout:
    """Attention followed through all layers.

    Source: Abnar & Zuidema, ACL 2020, arXiv:2005.00928: heads averaged, half of the residual, rows
    normalised, product over the layers, visual and text positions alike.
    """

    name: ClassVar[str] = "attention-rollout"
    cost: ClassVar[Cost] = "attention"

    def explain(self, evidence: Evidence) -> MethodMaps:
        """Maps of the answer tokens."""
        probe = probe_of(evidence, self.name)
        before = probe.cost
        maps = scaled_maps(probe.attention_rollout(), probe.generation)
        return MethodMaps(self.name, maps, probe.cost - before)


@dataclass(frozen=True, slots=True)
class Contrast:
    """Rollout under the question minus rollout under a question about the background.

    Source: the contrastive step of DecAF, arXiv:2510.19592. Differs: the same answer is passed
    through under both questions, each rollout is divided by its sum over the cells so that they
    compare, and there is no fusion of a video pass with passes of single frames, no head selection
    and no segmentation prompt.

    Attributes:
        background: what the last user turn is replaced by.
    """

    background: str = "Describe the background of the scene."
    name: ClassVar[str] = "contrast"
    cost: ClassVar[Cost] = "attention"

    def explain(self, evidence: Evidence) -> MethodMaps:
        """Maps of the answer tokens."""
        probe = probe_of(evidence, self.name)
        before = probe.cost
        turns = self.background_turns(probe.generation.conversation)
        asked = _shares(probe.attention_rollout())
        behind = _shares(probe.attention_rollout(conversation=turns))
        maps = scaled_maps(np.maximum(asked - behind, 0), probe.generation)
        return MethodMaps(self.name, maps, probe.cost - before)

    def background_turns(self, conversation: tuple[Message, ...]) -> tuple[Message, ...]:
        """The conversation with another last question; its inputs stay where they are."""
        return (*conversation[:-1], replace(conversation[-1], text=self.background))


def _shares(rollout: FloatArray) -> Float64Array:
    """float64 [J, V], each row divided by its sum; 0 where that is 0."""
    values = rollout.astype(np.float64)
    total = values.sum(axis=1, keepdims=True)
    shares: Float64Array = np.divide(values, total, out=np.zeros_like(values), where=total > 0)
    return shares
