"""Attention maps: raw attention, rollout, and rollout contrasted with a background question."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tam_video.errors import ConfigError
from tam_video.methods.base import Cost, ProbeMethod
from tam_video.models.probing import Probe
from tam_video.types import Float64Array, FloatArray, Message


@dataclass(frozen=True, slots=True)
class Attention(ProbeMethod):
    """Mean attention, over heads and layers, to each cell from the position that predicts a token.

    Attributes:
        num_layers: number of the last layers with softmax attention, 1 or more; all where there
            are fewer.
    """

    num_layers: int = 4
    name: ClassVar[str] = "attention"
    cost: ClassVar[Cost] = "attention"

    def __post_init__(self) -> None:
        if self.num_layers < 1:
            raise ConfigError(f"num_layers must be 1 or more, not {self.num_layers}")

    def cell_scores(self, probe: Probe) -> FloatArray:
        """Compute the mean attention from each answer token to each cell: float32 [J, V]."""
        attentions = probe.attentions(average_heads=True)
        rows = np.mean([layer[0] for layer in attentions.rows[-self.num_layers :]], axis=0)
        return np.asarray(rows[:, attentions.visual_positions])


@dataclass(frozen=True, slots=True)
class AttentionRollout(ProbeMethod):
    """Attention rollout through all layers.

    Source: Abnar & Zuidema, ACL 2020, arXiv:2005.00928: heads averaged, half of the residual, rows
    normalised, product over the layers, visual and text positions alike.
    """

    name: ClassVar[str] = "attention-rollout"
    cost: ClassVar[Cost] = "attention"

    def cell_scores(self, probe: Probe) -> FloatArray:
        """Compute the rollout from each answer token to each cell: float32 [J, V]."""
        return probe.attention_rollout()


@dataclass(frozen=True, slots=True)
class Contrast(ProbeMethod):
    """Attention rollout for the question minus rollout for a question about the background.

    Source: the contrastive step of DecAF, arXiv:2510.19592. Differs: the same answer is
    teacher-forced under both questions, each rollout is divided by its sum over the cells so that
    they compare, and there is no fusion of a video pass with passes of single frames, no head
    selection and no segmentation prompt.

    Attributes:
        background: text that replaces the last user turn.
    """

    background: str = "Describe the background of the scene."
    name: ClassVar[str] = "contrast"
    cost: ClassVar[Cost] = "attention"

    def cell_scores(self, probe: Probe) -> Float64Array:
        """Compute the positive part of the difference between the two rollouts: float64 [J, V]."""
        turns = self.background_turns(probe.generation.conversation)
        question = _shares(probe.attention_rollout())
        background = _shares(probe.attention_rollout(conversation=turns))
        return np.maximum(question - background, 0)

    def background_turns(self, conversation: tuple[Message, ...]) -> tuple[Message, ...]:
        """Return the conversation, with `background` as the text of its last message."""
        return (*conversation[:-1], replace(conversation[-1], text=self.background))


def _shares(rollout: FloatArray) -> Float64Array:
    """Divide each row by its sum: float64 [J, V]. Rows that sum to 0 stay 0."""
    values = rollout.astype(np.float64)
    total = values.sum(axis=1, keepdims=True)
    shares: Float64Array = np.divide(values, total, out=np.zeros_like(values), where=total > 0)
    return shares
