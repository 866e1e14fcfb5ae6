"""Compute the maps of one answer by any method."""

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
from tam_video.tam.options import ActivationOptions, profile_options
from tam_video.types import FloatArray, FrameBatch, Generation, Profile

TAM = "tam"


@dataclass(frozen=True, slots=True, eq=False)
class AnswerMaps:
    """The maps of an answer.

    Attributes:
        maps: for each vision input float32 [M, t, h, w] in [0, 1].
        text_scores: float32 [M, M], as in `Explanation`; 0 for a method other than "tam", which
            does not score text.
        num_masked: for each vision input, how many cells were left out as sinks.
    """

    maps: tuple[FloatArray, ...]
    text_scores: FloatArray
    num_masked: tuple[int, ...] = ()


def answer_maps(
    model: VideoModel,
    batches: Sequence[FrameBatch],
    generation: Generation,
    *,
    method: str = TAM,
    profile: Profile = "default",
    options: ActivationOptions | None = None,
    seed: int = 0,
) -> AnswerMaps:
    """Compute the maps of an answer.

    Args:
        model: the model that generated it; methods with further passes run it again.
        batches: the frames of each input.
        generation: the answer with its scores.
        method: name of the method.
        profile: options of the method "tam".
        options: used instead of the profile's options.
        seed: seed of a random method.

    Raises:
        UnknownNameError: the method is unknown.
        ConfigError: the model does not support the method.
    """
    if method == TAM:
        used = profile_options(profile) if options is None else options
        motions = input_motions(batches, generation) if used.needs_motion else ()
        inputs = activate(generation, profile=profile, options=options, motions=motions)
        return AnswerMaps(
            tuple(each.maps for each in inputs),
            inputs[0].text_scores,
            tuple(each.num_masked for each in inputs),
        )
    chosen = make_method(method, seed=seed)
    num_tokens = len(generation.tokens)
    no_text = np.zeros((num_tokens, num_tokens), np.float32)
    if num_tokens == generation.num_prompt_tokens:
        shapes = [layout.shape for layout in generation.layouts]
        return AnswerMaps(
            tuple(np.zeros((num_tokens, *shape), np.float32) for shape in shapes), no_text
        )
    return AnswerMaps(chosen.explain(_evidence(model, batches, generation, chosen)).maps, no_text)


def _evidence(
    model: VideoModel, batches: Sequence[FrameBatch], generation: Generation, method: Method
) -> Evidence:
    """Return a probe if the method runs the model again, else the generation."""
    if method.cost == "one pass":
        return generation
    if not isinstance(model, TransformersModel):
        raise ConfigError(f"{model.name} does not support {method.name}", hint="use --method tam")
    return Probe(model, batches, generation)
