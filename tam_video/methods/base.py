"""The interface of explanation methods and the common scale of their maps.

Negative scores become 0 where the source of the method says so. Then a token's cells are normalised
to [0, 1] by one minimum and one maximum over all slots of all inputs together, and over the text
where the method scores text as well (tam, logit, eci). A token whose values are all equal has a map
of 0. Nothing is clipped at percentiles or rescaled per frame, so maps of a token compare over time
and between inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tam_video.errors import ConfigError
from tam_video.models.forcing import ProbeCost
from tam_video.models.probing import Probe
from tam_video.tam.activation import split_inputs
from tam_video.tam.normalise import joint_min_max
from tam_video.types import FloatArray, Generation, Token

Cost: TypeAlias = Literal["one pass", "states", "attention", "backward", "N passes"]
Evidence: TypeAlias = Probe | Generation
"""A probe, or a generation alone where no further pass is needed."""

NO_COST = ProbeCost()


@dataclass(frozen=True, slots=True, eq=False)
class MethodMaps:
    """The maps of one method for one generation.

    Attributes:
        method: name of the method.
        maps: for each vision input float32 [M, t, h, w] in [0, 1]; the maps of prompt tokens are 0
            where the method does not explain them.
        cost: passes beyond that of the generation.
    """

    method: str
    maps: tuple[FloatArray, ...]
    cost: ProbeCost = NO_COST

    def __post_init__(self) -> None:
        if not self.maps or any(part.ndim != 4 for part in self.maps):
            raise ValueError("maps must be [M, t, h, w] for each input")
        if len({len(part) for part in self.maps}) != 1:
            raise ValueError("each input must have the same number of maps, one per token")


class Method(Protocol):
    """An explanation method: an immutable object whose fields are its options."""

    @property
    def name(self) -> str:
        """Name of the method in the registry."""
        ...

    @property
    def cost(self) -> Cost:
        """What the method needs besides the generation, such as states, attention or gradients."""
        ...

    def explain(self, evidence: Evidence) -> MethodMaps:
        """Compute the map of every answer token over the visual cells.

        Raises:
            ConfigError: it needs a probe, not a generation alone; or an option is not valid.
            ModelError: the model fails, or does not return what the method reads.
        """
        ...


class ProbeMethod:
    """A method that runs the model again to score the cells for each answer token."""

    __slots__ = ()
    name: ClassVar[str]
    cost: ClassVar[Cost]

    def cell_scores(self, probe: Probe) -> NDArray[np.floating]:
        """Compute the score of each cell for each answer token: float [J, V]."""
        raise NotImplementedError

    def explain(self, evidence: Evidence) -> MethodMaps:
        """Compute the maps of the answer tokens."""
        probe = probe_of(evidence, self.name)
        before = probe.cost
        maps = scaled_maps(self.cell_scores(probe), probe.generation)
        return MethodMaps(self.name, maps, probe.cost - before)


def generation_of(evidence: Evidence) -> Generation:
    """Return the generation of a probe, or the argument itself if it is a generation."""
    return evidence if isinstance(evidence, Generation) else evidence.generation


def probe_of(evidence: Evidence, method: str) -> Probe:
    """Return the probe, or raise `ConfigError` if there is only a `Generation` without a probe."""
    if isinstance(evidence, Generation):
        raise ConfigError(
            f"the method {method} needs a probe, not only the answer's scores",
            hint="pass a Probe with the model, the frames and the answer",
        )
    return evidence


def answer_of(generation: Generation) -> tuple[Token, ...]:
    """Return the answer tokens."""
    return generation.tokens[generation.num_prompt_tokens :]


def scaled_maps(scores: NDArray[np.floating], generation: Generation) -> tuple[FloatArray, ...]:
    """Normalise finite cell scores, float [J, V], to maps with values in [0, 1].

    Returns:
        For each input float32 [M, t, h, w] in [0, 1], 0 for the prompt tokens.
    """
    num_answer = len(answer_of(generation))
    if scores.shape != (num_answer, len(generation.visual_positions)):
        raise ValueError(f"scores must be [answer tokens, cells], not {list(scores.shape)}")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    no_text = np.empty((num_answer, 0), dtype=np.float32)
    cells, _ = joint_min_max(
        scores.astype(np.float64), no_text, mask=np.empty((num_answer, 0), dtype=np.bool_)
    )
    values = np.zeros((len(generation.tokens), cells.shape[1]), dtype=np.float32)
    values[generation.num_prompt_tokens :] = cells
    return split_inputs(values, generation.layouts)
