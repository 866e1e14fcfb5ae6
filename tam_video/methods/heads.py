"""Attention of a few heads: where the answer's tokens look, and when the question's tokens look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from tam_video.errors import ConfigError
from tam_video.methods.base import Cost, ProbeMethod
from tam_video.models.head_rows import Head
from tam_video.models.probing import Probe, RowsOf
from tam_video.tam.activation import split_inputs
from tam_video.types import Float64Array, FloatArray, VisualLayout


@dataclass(frozen=True, slots=True)
class Heads(ProbeMethod):
    """Mean attention of chosen heads to each cell, from the position that predicts a token.

    With `times="question"` a cell's attention is multiplied by the share of its slot in the
    attention of the question's tokens, relative to the strongest slot.

    Source: for time, "MLLMs Know When Before Speaking", arXiv:2605.21954: during prefill a few
    heads attend to the interval that the question asks for. Differs: the heads of the paper are
    found with the true intervals of a data set; the default here knows no truth and is
    uncalibrated: all heads of the middle third of the layers. The bias of the slots is not removed.

    On 20 dev clips of the embedded model (4 layers, `python -m benchmarks.head_choice`) the default
    has vIoU .643 and AUC .940; all heads of all layers .650 and .956; the 8, 4 and 1 heads with the
    most weight on the cells .637, .583 and .336 in vIoU. The question's tokens raise the temporal
    energy from .712 to .806 and lower vIoU to .609, since a caption names objects that the question
    does not ask for; so they are not used by default.

    Attributes:
        heads: pairs of a layer, maybe from the end, and a head; empty for the default.
        times: whose attention decides on time: "answer" is that of each token alone.
        time_heads: heads for the question's tokens; empty for the default.
    """

    heads: tuple[Head, ...] = ()
    times: Literal["answer", "question"] = "answer"
    time_heads: tuple[Head, ...] = ()
    name: ClassVar[str] = "heads"
    cost: ClassVar[Cost] = "attention"

    def __post_init__(self) -> None:
        if self.times not in ("answer", "question"):
            raise ConfigError(f"times must be answer or question, not {self.times}")
        if self.time_heads and self.times == "answer":
            raise ConfigError('time_heads needs times="question"', hint='set times="question" too')

    def cell_scores(self, probe: Probe) -> Float64Array:
        """Compute the scores: float64 [J, V]. `times="question"` takes two forward passes."""
        rows = _mean_rows(probe, self.heads, of="answer").astype(np.float64)
        if self.times == "answer":
            return rows
        question = _mean_rows(probe, self.time_heads, of="question").mean(axis=0)
        return rows * slot_weights(question, probe.generation.layouts)


def _mean_rows(probe: Probe, heads: tuple[Head, ...], *, of: RowsOf) -> FloatArray:
    """Compute the heads' mean attention from each answer or question token to each cell."""
    if not heads:
        return probe.middle_attention(of=of)
    mean: FloatArray = probe.head_rows(heads, of=of).mean(axis=0)
    return mean


def slot_weights(attention: FloatArray, layouts: tuple[VisualLayout, ...]) -> Float64Array:
    """Compute a weight per cell: the mean attention to its slot, divided by the largest such mean.

    Args:
        attention: float32 [V], 0 or above.
        layouts: those of the inputs; a slot of another grid counts by its mean cell.

    Returns:
        float64 [V] in [0, 1]; 1 everywhere if there is no attention.
    """
    parts = split_inputs(attention[None], layouts)
    means = [part[0].mean(axis=(1, 2), dtype=np.float64) for part in parts]
    strongest = max(float(mean.max()) for mean in means)
    if strongest <= 0:
        return np.ones(len(attention))
    spread = [
        np.repeat(mean, layout.h * layout.w) for mean, layout in zip(means, layouts, strict=True)
    ]
    weights: Float64Array = np.concatenate(spread) / strongest
    return weights
