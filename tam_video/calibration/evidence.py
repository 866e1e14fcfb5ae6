"""Compute the scores of one calibration clip at every layer, and its ground truth."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from tam_video.calibration.worlds import CheckQuestion, check_questions, find_world
from tam_video.datasets.questions import caption
from tam_video.evaluation.clip import CAPTION_QUESTION, read_back
from tam_video.evaluation.score import AnswerTruth
from tam_video.evaluation.truth import answer_truth
from tam_video.models.base import GenerationOptions
from tam_video.models.inference import TransformersModel
from tam_video.tam import join_words
from tam_video.tam.activation import SequenceLayout, sequence_layout
from tam_video.tam.motion import SlotMotion, input_motions
from tam_video.tam.words import content_tokens
from tam_video.types import BoolArray, FloatArray, IntArray, Message

_ANSWER_OPTIONS = GenerationOptions(max_new_tokens=24, num_candidates=0)


@dataclass(frozen=True, slots=True, eq=False)
class ClipEvidence:
    """The scores of a model on one calibration clip, and the ground truth of the clip.

    Attributes:
        world: name of its calibration world.
        number: its number in that world.
        scores: float32 [V + M, M] of each layer, from `TransformersModel.score_layers`.
        layout: positions of cells and tokens in `scores`.
        content: bool [M], tokens of content words.
        motion: motion between the slots.
        truth: object words with their masks, and function words.
        answers: whether each question about the clip was answered correctly.
        frame_indices: int64 [T], numbers of the sampled frames.
        sinks: bool [V], cells of sinks (`models.sinks`).
    """

    world: str
    number: int
    scores: tuple[FloatArray, ...]
    layout: SequenceLayout
    content: BoolArray
    motion: SlotMotion
    truth: AnswerTruth
    answers: tuple[bool, ...]
    frame_indices: IntArray
    sinks: BoolArray | None = None

    @property
    def is_understood(self) -> bool:
        """Whether every question about the clip was answered correctly."""
        return all(self.answers)


def clip_evidence(
    model: TransformersModel, world_name: str, *, seed: int, number: int
) -> ClipEvidence:
    """Ask the model about a clip, and score every layer for the true caption."""
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
        generation = model.score_layers(batch, [Message("user", CAPTION_QUESTION)], caption(clip))
    return ClipEvidence(
        world=world_name,
        number=number,
        scores=generation.layer_scores,
        layout=sequence_layout(generation),
        content=content_tokens(join_words(generation.tokens), num_tokens=len(generation.tokens)),
        motion=input_motions((batch,), generation)[0],
        truth=answer_truth(clip, batch, generation),
        answers=answers,
        frame_indices=batch.indices,
        sinks=generation.sinks,
    )


def is_right(question: CheckQuestion, answer: str) -> bool:
    """Return whether an answer contains the right word and no wrong word."""
    right, *wrong = question.right
    words = set(re.findall(r"[a-z]+", answer.casefold()))
    if question.kind == "yes_no":
        first = re.match(r"\W*([a-z]+)", answer.casefold())
        return first is not None and first.group(1) == right
    return right in words and not words.intersection(wrong)
