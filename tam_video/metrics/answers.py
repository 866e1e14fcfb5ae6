"""Compute Obj-IoU and Func-IoU of whole answers from the word scores in `plausibility`.

Source: Li et al., Token Activation Map, ICCV 2025, arXiv:2506.23270, and the public evaluation of
xmed-lab/TAM `eval.py`. Differs: first and mean sub-token beside the best one; a noun whose object
is not visible is never joined to its neighbour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from tam_video.metrics.grids import checked_mask, volume_shape
from tam_video.metrics.plausibility import (
    WordScore,
    function_iou,
    object_iou,
    object_threshold,
)
from tam_video.types import BoolArray, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Noun:
    """A noun in an answer, with its maps and the mask of its object.

    Attributes:
        maps: float32 [K, t, h, w], the maps of its K sub-tokens in order.
        mask: bool [t, h, w] or finer. All False for a noun without an annotated object, or whose
            object is not there: it has no overlap, but its threshold counts.
        word_index: index of the word in the answer.
        object_id: the object or class it names; adjacent words of the same one ("traffic light")
            are joined. None is never joined.
    """

    maps: FloatArray
    mask: BoolArray
    word_index: int = 0
    object_id: int | str | None = None


@dataclass(frozen=True, slots=True)
class AnswerIou:
    """The Obj-IoU and Func-IoU scores of one answer.

    Attributes:
        object_iou: one per noun (adjacent words of one object joined) whose object is visible.
        function_iou: one per function word; empty for an answer without a noun, which has no
            threshold.
    """

    object_iou: tuple[WordScore, ...]
    function_iou: tuple[WordScore, ...]


def answer_iou(nouns: Sequence[Noun], function_words: Sequence[FloatArray]) -> AnswerIou:
    """Compute the Obj-IoU of every noun and the Func-IoU of every function word of one answer.

    Each field of the scores is one way to summarise sub-tokens, thresholds included. `best` is that
    of the public evaluation: best overlap and largest threshold per noun, and for a function word
    the MEAN over its sub-tokens. `first` takes the first sub-token, `mean` the mean, throughout.

    Args:
        nouns: all nouns of the answer in order, including those without an object.
        function_words: for each function word float32 [K, t, h, w].
    """
    thresholds = [
        object_threshold(noun.maps, volume_shape(checked_mask(noun.mask))) for noun in nouns
    ]
    return AnswerIou(
        object_iou=_join_adjacent(nouns),
        function_iou=tuple(_function_scores(function_words, thresholds)) if nouns else (),
    )


def _join_adjacent(nouns: Sequence[Noun]) -> tuple[WordScore, ...]:
    """Score nouns. Adjacent nouns for the same object share a score: the maximum in each field."""
    scores: list[WordScore] = []
    before: Noun | None = None
    for noun in nouns:
        if not checked_mask(noun.mask).any():
            continue
        score = object_iou(noun.maps, noun.mask)
        if before is not None and _is_same_object(before, noun):
            score = _larger(scores.pop(), score)
        scores.append(score)
        before = noun
    return tuple(scores)


def _is_same_object(before: Noun, noun: Noun) -> bool:
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
