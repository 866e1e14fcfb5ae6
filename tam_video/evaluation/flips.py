"""Progressive deletion until a yes or a no flips: the smallest deleted part that flips it.

Asked is whether an object is there that is, and one that is not. Cells are deleted in the order of
a method's map of the words that name the object in the answer. A "no" that is right is left out:
nothing is there whose deletion could turn it.

Source: Chen et al., EAGLE, arXiv:2509.22496 (minimal correction of hallucinated answers). Differs:
a right "yes" is progressively deleted as well, for a good model gives few wrong answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tam_video.datasets.questions import ShapeQuestion
from tam_video.datasets.scene import SceneClip
from tam_video.datasets.world_questions import make_scene_questions
from tam_video.evaluation.clip import MaskedScorer
from tam_video.evaluation.score import mean_map
from tam_video.evaluation.truth import names_object
from tam_video.methods import Method
from tam_video.metrics import cell_order, flip_area, masked_steps
from tam_video.metrics.grids import BoolArray
from tam_video.models import GenerationOptions
from tam_video.models.inference import TransformersModel
from tam_video.models.probing import Probe
from tam_video.tam import join_words
from tam_video.types import Float64Array, FloatArray, FrameBatch, Generation, Message

GROUPS: Mapping[str, str] = {
    "hallucinated": "wrong yes",
    "missed": "wrong no",
    "seen": "right yes",
}
STEPS_PER_CALL = 4
_YES_OR_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


class Turns(Protocol):
    """Tells on which masked videos the model says the opposite."""

    def __call__(self, keep: BoolArray, /) -> BoolArray:
        """Bool [B] of bool [B, t, h, w]."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Opposite:
    """The first token of the answer against that of its opposite, on masked videos.

    Attributes:
        said: probability of the answer's first token.
        opposite: probability of the opposite's.
    """

    said: MaskedScorer
    opposite: MaskedScorer

    def __call__(self, keep: BoolArray, /) -> BoolArray:
        """Bool [B] of bool [B, t, h, w]: whether the opposite is the more probable."""
        own = self.said(keep)
        turned = np.zeros(len(keep), np.bool_)
        # What has more than half is the more probable one without a look at the other.
        in_doubt = own <= 0.5
        if in_doubt.any():
            turned[in_doubt] = self.opposite(keep[in_doubt]) > own[in_doubt]
        return turned


def measure_flips(
    model: TransformersModel,
    clip: SceneClip,
    batch: FrameBatch,
    *,
    methods: Mapping[str, Method],
    options: GenerationOptions,
    steps: int,
    seed: int,
) -> Iterator[tuple[str, str, float]]:
    """Progressively delete the video under each answer about a clip.

    Args:
        model: who answers.
        clip: what is there.
        batch: the frames of it that the model sees.
        methods: whose maps say what is deleted first, by name.
        options: how it answers.
        steps: number of equal parts that are deleted one after the other.
        seed: of the choice of questions.

    Yields:
        Name of a method, one of `GROUPS`, and flip area in [0, 1]; at most one for each.

    Raises:
        ModelError: the model fails.
    """
    rng = np.random.default_rng(seed)
    for question in make_scene_questions(clip, rng):
        if question.kind != "presence":
            continue
        ask = [Message("user", question.text)]
        generation = model.generate(batch, ask, options=options)
        group, opposite = group_of(question, generation.answer), opposite_of(generation.answer)
        if group is None or opposite is None:
            continue
        probe = Probe(model, batch, generation)
        other = Probe(model, batch, model.generate(batch, ask, options=options, answer=opposite))
        turns = Opposite(MaskedScorer(probe, "mean", [0]), MaskedScorer(other, "mean", [0]))
        for name, method in methods.items():
            heat = named_map(method.explain(probe).maps[0], generation)
            yield name, group, first_flip(heat, turns, steps=steps)


def group_of(question: ShapeQuestion, answer: str) -> str | None:
    """Which of `GROUPS` an answer to a presence question belongs to.

    Args:
        question: whether something is there; negative where it is not.
        answer: what the model said.

    Returns:
        None for a right "no", and for an answer that is neither yes nor no.
    """
    is_yes = says_yes(answer)
    if is_yes is None:
        return None
    if question.is_negative:
        return "hallucinated" if is_yes else None
    return "seen" if is_yes else "missed"


def says_yes(answer: str) -> bool | None:
    """Whether an answer begins with yes; None where it begins with neither yes nor no."""
    said = _YES_OR_NO.match(answer)
    return None if said is None else said[1].casefold() == "yes"


def opposite_of(answer: str) -> str | None:
    """The first word turned, what stands before it and its case kept; None without yes or no."""
    said = _YES_OR_NO.match(answer)
    if said is None:
        return None
    word = "No" if says_yes(answer) else "Yes"
    return answer[: said.start(1)] + (word.lower() if said[1].islower() else word)


def named_map(maps: FloatArray, generation: Generation) -> FloatArray:
    """The map that says what is deleted first.

    Args:
        maps: float32 [M, t, h, w].
        generation: whose answer it is.

    Returns:
        float32 [t, h, w]: mean over the words that name a colour or a shape, or the answer's first
        token where it names none.
    """
    named = [word.token_indices for word in join_words(generation.tokens) if names_object(word)]
    words = named or [(generation.num_prompt_tokens,)]
    return mean_map(maps, words)


def first_flip(heat: FloatArray, turns: Turns, *, steps: int) -> float:
    """Smallest deleted area that turns the answer; later steps are not looked at.

    Args:
        heat: float32 [t, h, w], the hottest cells are deleted first.
        turns: asks the model.
        steps: n >= 1; step k deletes k / n of the cells.

    Returns:
        In [0, 1]; 1 where it never turns.
    """
    slots, rows, columns = heat.shape
    masks = masked_steps(cell_order(heat), (slots, rows, columns), steps=steps, mode="deletion")
    areas: Float64Array = 1 - masks.mean(axis=(1, 2, 3))
    turned = np.zeros(len(masks), np.bool_)
    for start in range(1, len(masks), STEPS_PER_CALL):
        part = slice(start, start + STEPS_PER_CALL)
        turned[part] = turns(masks[part])
        if turned.any():
            break
    return flip_area(turned, areas)
