"""Compute the scores of one calibration clip at every layer, and its ground truth."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tam_video.calibration.worlds import CheckQuestion, check_questions, find_world
from tam_video.datasets.questions import caption
from tam_video.datasets.scene import SceneClip
from tam_video.evaluation.clip import CAPTION_QUESTION, read_back
from tam_video.evaluation.score import AnswerTruth
from tam_video.evaluation.truth import answer_truth
from tam_video.models.base import GenerationOptions
from tam_video.models.inference import TransformersModel
from tam_video.tam import join_words
from tam_video.tam.activation import SequenceLayout, sequence_layout
from tam_video.tam.motion import SlotMotion, input_motions
from tam_video.tam.words import content_tokens
from tam_video.types import BoolArray, FloatArray, FrameBatch, IntArray, Message

_ANSWER_OPTIONS = GenerationOptions(max_new_tokens=24, num_candidates=0)


@dataclass(frozen=True, slots=True, eq=False)
class ClipEvidence:
    """The scores of a model on one calibration clip, and the ground truth of the clip.

    Attributes:
        world: name of its calibration world.
        number: its number in that world.
        scores: float32 [V + M, M] of each layer, from `TransformersModel.score_layers`; in a file
            or in memory.
        layout: positions of cells and tokens in `scores`.
        content: bool [M], tokens of content words.
        motion: motion between the slots.
        truth: object words with their masks on the cells, and function words; no pixels.
        answers: whether each question about the clip was answered correctly.
        frame_indices: int64 [T], numbers of the sampled frames.
        sinks: bool [V], cells of sinks (`models.sinks`).
    """

    world: str
    number: int
    scores: Sequence[FloatArray]
    layout: SequenceLayout
    content: BoolArray
    motion: SlotMotion
    truth: AnswerTruth
    answers: tuple[bool, ...]
    frame_indices: IntArray
    sinks: BoolArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AskedClip:
    """What a model answered to the questions about one calibration clip.

    Attributes:
        number: number of the clip in its world.
        answers: whether each question was answered correctly.
        evidence: scores and ground truth; None if the clip is not measured, because it was not
            understood.
    """

    number: int
    answers: tuple[bool, ...]
    evidence: ClipEvidence | None = None

    @property
    def is_understood(self) -> bool:
        """Whether every question about the clip was answered correctly."""
        return all(self.answers)


def ask_clip(
    model: TransformersModel,
    world_name: str,
    *,
    seed: int,
    number: int,
    only_understood: bool = False,
) -> AskedClip:
    """Ask the model about a clip, and score every layer for the true caption.

    Args:
        model: the model.
        world_name: world of the clip.
        seed: seed of the clips.
        number: number of the clip in its world.
        only_understood: score the layers only if every answer is correct.
    """
    world = find_world(world_name)
    clip = world.make(seed, number)
    batch = read_back(clip, model)
    rng = np.random.default_rng([seed, world.stream, number])
    questions = check_questions(clip, rng, world=world)
    with model.shared_vision():
        answers = tuple(
            is_right(
                question,
                model.generate(
                    batch, [Message("user", question.text)], options=_ANSWER_OPTIONS
                ).answer,
            )
            for question in questions
        )
        if only_understood and not all(answers):
            return AskedClip(number, answers)
        evidence = score_clip(model, clip, batch, world=world_name, number=number)
    return AskedClip(number, answers, replace(evidence, answers=answers))


def score_clip(
    model: TransformersModel, clip: SceneClip, batch: FrameBatch, *, world: str, number: int
) -> ClipEvidence:
    """Score every layer for the true caption of a clip whose frames are read."""
    generation = model.score_layers(batch, [Message("user", CAPTION_QUESTION)], caption(clip))
    return ClipEvidence(
        world=world,
        number=number,
        scores=generation.layer_scores,
        layout=sequence_layout(generation),
        content=content_tokens(join_words(generation.tokens), num_tokens=len(generation.tokens)),
        motion=input_motions((batch,), generation)[0],
        truth=_without_pixels(answer_truth(clip, batch, generation)),
        answers=(),
        frame_indices=batch.indices,
        sinks=generation.sinks,
    )


def _without_pixels(truth: AnswerTruth) -> AnswerTruth:
    """Remove the masks of pixels, which are large and which no metric of calibration reads."""
    none = np.zeros((0, 0, 0), np.bool_)
    return replace(truth, objects=tuple(replace(word, pixels=none) for word in truth.objects))


def is_right(question: CheckQuestion, answer: str) -> bool:
    """Return whether an answer is right.

    A yes/no answer has to begin with the right word; another has to contain it and no wrong word.
    """
    right, *wrong = question.right
    words = set(re.findall(r"[a-z]+", answer.casefold()))
    if question.kind == "yes_no":
        first = re.match(r"\W*([a-z]+)", answer.casefold())
        return first is not None and first.group(1) == right
    return right in words and not words.intersection(wrong)
