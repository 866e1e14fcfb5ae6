"""Obj-IoU, Func-IoU and F1-IoU of whole answers and data sets.

Owns: how the scores of sub-tokens, words, answers and data sets come together. The score of a
single word is in `plausibility`.

Source: Li et al., Token Activation Map, ICCV 2025, arXiv:2506.23270, and the public evaluation of
xmed-lab/TAM `eval.py`. Differs: first and mean sub-token beside the best one; a noun whose object
is not in the picture is never joined to its neighbour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

import numpy as np

from tam_video.metrics.grids import BoolArray, FrameSlots, checked_mask, volume_shape
from tam_video.metrics.plausibility import (
    WordScore,
    f1_iou,
    function_iou,
    object_iou,
    object_threshold,
)
from tam_video.types import FloatArray

Pick: TypeAlias = Literal["first", "mean", "best"]


@dataclass(frozen=True, slots=True, eq=False)
class Noun:
    """A noun of an answer with what it should point at.

    Attributes:
        maps: float32 [K, t, h, w], the maps of its K sub-tokens in order.
        mask: bool [t, h, w] or [T, H, W]. All False for a noun without an annotated object, or
            whose object is not there: it has no overlap, but its threshold counts.
        word_index: place of the word in the answer.
        object_id: which object or class it names; words that follow each other and name the same
            one ("traffic light") are one. None is never the same.
    """

    maps: FloatArray
    mask: BoolArray
    word_index: int = 0
    object_id: int | str | None = None


@dataclass(frozen=True, slots=True)
class AnswerIou:
    """Scores of one answer.

    Attributes:
        object_iou: one per noun (adjacent words of one object joined) whose object is there.
        function_iou: one per function word; empty for an answer without a noun, which has no
            threshold.
    """

    object_iou: tuple[WordScore, ...]
    function_iou: tuple[WordScore, ...]


@dataclass(frozen=True, slots=True)
class DatasetIou:
    """Means over all words of a data set, in [0, 1]; NaN where no word counts."""

    object_iou: float
    function_iou: float

    @property
    def f1_iou(self) -> float:
        """Their harmonic mean, F1-IoU."""
        return f1_iou(self.object_iou, self.function_iou)


def answer_iou(
    nouns: Sequence[Noun],
    function_words: Sequence[FloatArray],
    *,
    frame_slots: FrameSlots | None = None,
) -> AnswerIou:
    """Obj-IoU of every noun and Func-IoU of every function word of one answer.

    Each field of the scores stands for one way to join sub-tokens, thresholds included. `best` is
    the way of the public evaluation: best overlap and largest threshold per noun, and for a
    function word the MEAN over its sub-tokens. `first` takes the first sub-token, `mean` the mean,
    throughout.

    Args:
        nouns: all nouns of the answer in order, those without an object too.
        function_words: for each function word float32 [K, t, h, w].
        frame_slots: which frames each slot was fed by, for masks per frame.

    Raises:
        ValueError: a map and its mask do not fit, or a map is not finite.
    """
    thresholds = [
        object_threshold(noun.maps, volume_shape(checked_mask(noun.mask)), frame_slots=frame_slots)
        for noun in nouns
    ]
    return AnswerIou(
        object_iou=_join_adjacent(nouns, frame_slots),
        function_iou=tuple(_function_scores(function_words, thresholds)) if nouns else (),
    )


def dataset_iou(answers: Iterable[AnswerIou], *, pick: Pick = "mean") -> DatasetIou:
    """Obj-IoU, Func-IoU and F1-IoU of a data set: means over all words of all answers.

    Args:
        answers: what `answer_iou` gave for each clip.
        pick: how sub-tokens were joined; "best" for the published figures.

    Raises:
        ValueError: `pick` is unknown.
    """
    if pick not in ("first", "mean", "best"):
        raise ValueError(f"pick must be 'first', 'mean' or 'best', not {pick!r}")
    objects: list[float] = []
    functions: list[float] = []
    for answer in answers:
        objects += (getattr(score, pick) for score in answer.object_iou)
        functions += (getattr(score, pick) for score in answer.function_iou)
    return DatasetIou(_mean(objects), _mean(functions))


def _join_adjacent(nouns: Sequence[Noun], frame_slots: FrameSlots | None) -> tuple[WordScore, ...]:
    """One score per run of adjacent nouns of one object, the larger of each field."""
    scores: list[WordScore] = []
    before: Noun | None = None
    for noun in nouns:
        if not checked_mask(noun.mask).any():
            continue
        score = object_iou(noun.maps, noun.mask, frame_slots=frame_slots)
        if before is not None and _names_the_same(before, noun):
            score = _larger(scores.pop(), score)
        scores.append(score)
        before = noun
    return tuple(scores)


def _names_the_same(before: Noun, noun: Noun) -> bool:
    return (
        noun.object_id is not None
        and noun.object_id == before.object_id
        and noun.word_index == before.word_index + 1
    )


def _larger(first: WordScore, second: WordScore) -> WordScore:
    names = [item.name for item in fields(WordScore)]
    return WordScore(*(max(getattr(first, name), getattr(second, name)) for name in names))


def _function_scores(
    function_words: Sequence[FloatArray], thresholds: Sequence[WordScore]
) -> Iterator[WordScore]:
    first = float(np.mean([threshold.first for threshold in thresholds]))
    mean = float(np.mean([threshold.mean for threshold in thresholds]))
    largest = float(np.mean([threshold.best for threshold in thresholds]))
    for maps in function_words:
        yield WordScore(
            first=function_iou(maps, first).first,
            mean=function_iou(maps, mean).mean,
            best=function_iou(maps, largest).mean,
        )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
