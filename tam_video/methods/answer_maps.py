"""The maps of one answer by any method, as an explanation has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tam_video.errors import ConfigError
from tam_video.methods import Method, make_method
from tam_video.methods.base import Evidence
from tam_video.models.base import VideoModel
from tam_video.models.inference import TransformersModel
from tam_video.models.probing import Probe
from tam_video.tam.activation import activate
from tam_video.tam.motion import input_motions
from tam_video.tam.options import profile_options
from tam_video.types import FloatArray, FrameBatch, Generation, Profile

TAM = "tam"


@dataclass(frozen=True, slots=True, eq=False)
class AnswerMaps:
    """What a method tells of an answer.

    Attributes:
        maps: for each vision input float32 [M, t, h, w] in [0, 1].
        text_scores: float32 [M, M], as in `Explanation`; 0 for a method other than "tam", whose
            scale text has no part in.
    """

    maps: tuple[FloatArray, ...]
    text_scores: FloatArray


def answer_maps(
    model: VideoModel,
    batches: Sequence[FrameBatch],
    generation: Generation,
    *,
    method: str = TAM,
    profile: Profile = "default",
    seed: int = 0,
) -> AnswerMaps:
    """Map an answer onto the cells.

    Args:
        model: the model that gave it; asked again by methods that need more than one pass.
        batches: the frames that it was asked about.
        generation: what it said.
        method: name of the method.
        profile: of the method "tam".
        seed: of a method that draws at random.

    Raises:
        UnknownNameError: there is no such method.
        ConfigError: the method needs what the model can't give.
        ModelError: the model fails, or lacks what the method reads.
    """
    if method == TAM:
        needed = profile_options(profile).needs_motion
        motions = input_motions(batches, generation) if needed else ()
        found = activate(generation, profile=profile, motions=motions)
        return AnswerMaps(tuple(each.maps for each in found), found[0].text_scores)
    made = make_method(method, seed=seed)
    num_tokens = len(generation.tokens)
    no_text = np.zeros((num_tokens, num_tokens), np.float32)
    if num_tokens == generation.num_prompt_tokens:
        shapes = [layout.shape for layout in generation.layouts]
        return AnswerMaps(
            tuple(np.zeros((num_tokens, *shape), np.float32) for shape in shapes), no_text
        )
    return AnswerMaps(made.explain(_evidence(model, batches, generation, made)).maps, no_text)


def _evidence(
    model: VideoModel, batches: Sequence[FrameBatch], generation: Generation, method: Method
) -> Evidence:
    """A probe where the method takes further passes."""
    if method.cost == "one pass":
        return generation
    if not isinstance(model, TransformersModel):
        raise ConfigError(
            f"{method.name} asks for more than {model.name} gives", hint="use --method tam"
        )
    return Probe(model, batches, generation)
