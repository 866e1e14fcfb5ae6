"""Delete the video step by step until a yes-or-no answer flips, and measure the deleted part.

The questions are whether an object is there that is, and one that is not. Cells are deleted in the
order of a method's map of the words that name the object in the answer. A correct "no" is left out:
there is nothing in the video whose deletion could flip it.

Source: Chen et al., EAGLE, arXiv:2509.22496 (minimal correction of hallucinated answers). Differs:
a correct "yes" is measured as well, because a good model gives few wrong answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tam_video.datasets.questions import make_scene_questions
from tam_video.datasets.scene import SceneClip
from tam_video.evaluation.clip import ClipJob, MaskedScorer
from tam_video.evaluation.score import mean_map
from tam_video.evaluation.settings import MethodSettings
from tam_video.evaluation.truth import names_object
from tam_video.methods import Method
from tam_video.metrics.faithfulness import cell_order, flip_area, masked_steps
from tam_video.models.inference import TransformersModel
from tam_video.models.probing import Probe
from tam_video.tam import join_words
from tam_video.types import BoolArray, Float64Array, FloatArray, FrameBatch, Generation, Message

GROUPS: Mapping[str, str] = {
    "hallucinated": "wrong yes",
    "missed": "wrong no",
    "seen": "right yes",
}
STEPS_PER_CALL = 4
_YES_OR_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)

Flipped: TypeAlias = Callable[[BoolArray], BoolArray]
"""Maps masks, bool [B, t, h, w], to whether the model gives the opposite answer, bool [B]."""


@dataclass(frozen=True, slots=True, eq=False)
class Opposite:
    """Tests by the first token whether the opposite of a yes-or-no answer is more probable."""

    answer: MaskedScorer
    opposite: MaskedScorer

    def __call__(self, keep: BoolArray, /) -> BoolArray:
        """Return for each mask, bool [B, t, h, w], whether the opposite is likelier: bool [B]."""
        own = self.answer(keep)
        flipped = np.zeros(len(keep), np.bool_)
        # A probability above one half is the larger one, whatever the other.
        unsure = own <= 0.5
        if unsure.any():
            flipped[unsure] = self.opposite(keep[unsure]) > own[unsure]
        return flipped


def measure_flips(
    model: TransformersModel,
    clip: SceneClip,
    batch: FrameBatch,
    *,
    methods: Mapping[str, Method],
    settings: MethodSettings,
    job: ClipJob,
) -> Iterator[tuple[str, str, float]]:
    """Measure how much of the video must be deleted to flip the answer to each presence question.

    Args:
        model: the model.
        clip: the clip.
        batch: its frames that the model sees.
        methods: methods by name, whose maps give the order of deletion.
        settings: number of steps, and how answers are generated.
        job: gives the seed of the choice of questions.

    Yields:
        Name of a method, one of `GROUPS`, and flip area in [0, 1]; at most one for each.
    """
    options = settings.generation_options()
    for question in make_scene_questions(clip, np.random.default_rng(job.seed)):
        if question.kind != "presence":
            continue
        generation = model.generate(batch, [Message("user", question.text)], options=options)
        group = group_of(generation.answer, is_there=not question.is_negative)
        if group is None:
            continue
        probe = Probe(model, batch, generation)
        flipped = opposite_scorer(probe, question.text, settings)
        for name, method in methods.items():
            heat = named_map(method.explain(probe).maps[0], generation)
            yield name, group, first_flip(heat, flipped, steps=settings.steps)


def opposite_scorer(probe: Probe, question: str, settings: MethodSettings) -> Opposite:
    """Make an `Opposite` that compares an answer with its opposite on masked videos."""
    answer = opposite_of(probe.generation.answer)
    turns, options = [Message("user", question)], settings.generation_options()
    other = probe.model.generate(probe.batches, turns, options=options, answer=answer)
    return Opposite(
        MaskedScorer(probe, "mean", [0]),
        MaskedScorer(Probe(probe.model, probe.batches, other), "mean", [0]),
    )


def group_of(answer: str, *, is_there: bool) -> str | None:
    """Return the key in `GROUPS` for an answer to a presence question, or None if no key fits.

    None for a correct "no", and for an answer that is neither yes nor no.
    """
    is_yes = says_yes(answer)
    if is_yes is None:
        return None
    if not is_there:
        return "hallucinated" if is_yes else None
    return "seen" if is_yes else "missed"


def says_yes(answer: str) -> bool | None:
    """Return whether an answer begins with yes, or None if it begins with neither yes nor no."""
    match = _YES_OR_NO.match(answer)
    return None if match is None else match[1].casefold() == "yes"


def opposite_of(answer: str) -> str | None:
    """Return "No" for an answer that begins with yes, "Yes" for no, and None for any other."""
    match = _YES_OR_NO.match(answer)
    if match is None:
        return None
    word = "No" if says_yes(answer) else "Yes"
    return answer[: match.start(1)] + (word.lower() if match[1].islower() else word)


def named_map(maps: FloatArray, generation: Generation) -> FloatArray:
    """Return the map by which cells are ordered for deletion: float32 [t, h, w].

    It is the mean over the words that name a colour or a shape, or the map of the answer's first
    token where there are none.
    """
    named = [word.token_indices for word in join_words(generation.tokens) if names_object(word)]
    return mean_map(maps, named or [(generation.num_prompt_tokens,)])


def first_flip(heat: FloatArray, flipped: Flipped, *, steps: int) -> float:
    """Delete cells until the answer flips, and return the deleted share, or 1 if it never flips.

    Args:
        heat: float32 [t, h, w], the largest values are deleted first.
        flipped: runs the model.
        steps: n >= 1; step k deletes k / n of the cells.

    Returns:
        In [0, 1]; 1 where it never flips.
    """
    slots, rows, columns = heat.shape
    masks = masked_steps(cell_order(heat), (slots, rows, columns), steps=steps, mode="deletion")
    areas: Float64Array = 1 - masks.mean(axis=(1, 2, 3))
    flips = np.zeros(len(masks), np.bool_)
    for start in range(1, len(masks), STEPS_PER_CALL):
        part = slice(start, start + STEPS_PER_CALL)
        flips[part] = flipped(masks[part])
        if flips.any():
            break
    return flip_area(flips, areas)
