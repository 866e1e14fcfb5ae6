"""What counts as right on a public set: named objects, a referred object, spans, words alone.

Owns: which words of an answer are scored, and against what. A phrase is scored as one map: the mean
over its content words, each the mean over its sub-tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from tam_video.datasets.cells import MaskedClip
from tam_video.evaluation.clip import Score
from tam_video.evaluation.score import (
    AnswerTruth,
    WordValues,
    explained_map,
    score_answer,
)
from tam_video.evaluation.sets.nouns import names_category
from tam_video.evaluation.truth import (
    NamedObjects,
    fed_places,
    function_words,
    object_words,
    seen_slots,
)
from tam_video.metrics import (
    intersection_over_prediction,
    otsu_span,
    slot_energy,
    temporal_energy,
    temporal_iou,
)
from tam_video.metrics.grids import BoolArray
from tam_video.metrics.spans import TimeSpan
from tam_video.tam import join_words
from tam_video.types import (
    Float64Array,
    FloatArray,
    FrameBatch,
    Generation,
    VisualLayout,
    Word,
)


@dataclass(frozen=True, slots=True)
class NamedTruth:
    """Words of an answer that name the category of an object; each points at all of that category.

    Attributes:
        masks: of the objects.
        categories: what each of them is, in words.
    """

    masks: MaskedClip
    categories: tuple[str, ...]

    def of(self, batch: FrameBatch, generation: Generation, /) -> tuple[AnswerTruth, Score]:
        """Masks for the nouns of the answer."""
        words = join_words(generation.tokens)
        found = [(word, self._named_by(word)) for word in words]
        named = [((word.token_indices,), names) for word, names in found if names.any()]
        return _masked_truth(self.masks, batch, generation, named, words), score_answer

    def _named_by(self, word: Word) -> BoolArray:
        return np.array([names_category(word.text, name) for name in self.categories], np.bool_)


@dataclass(frozen=True, slots=True)
class ReferredTruth:
    """An answer that is an expression, all of which points at one object.

    Attributes:
        masks: of the object; of several ones their union counts.
    """

    masks: MaskedClip

    def of(self, batch: FrameBatch, generation: Generation, /) -> tuple[AnswerTruth, Score]:
        """The mask for the phrase."""
        words = join_words(generation.tokens)
        phrase = content_tokens(words)
        objects = np.ones(len(self.masks.masks(int(batch.indices[0]))), np.bool_)
        named = [(phrase, objects)] if phrase else []
        return _masked_truth(self.masks, batch, generation, named, words), score_answer


@dataclass(frozen=True, slots=True)
class SpanTruth:
    """An answer whose evidence is shown in some spans of the video.

    Attributes:
        spans: (start, end) in seconds from the first frame, one or several.
    """

    spans: tuple[TimeSpan, ...]

    def of(self, batch: FrameBatch, generation: Generation, /) -> tuple[AnswerTruth, Score]:
        """The answer's content words against the spans."""
        layout = generation.layouts[0]
        seconds = batch.pts_seconds - batch.info.start_seconds
        edges = slot_edges(layout, seconds, end_seconds=batch.info.duration_seconds)
        slots = span_slots(layout, seconds, self.spans)
        score = partial(_score_spans, spans=self.spans, edges=edges, slots=slots)
        return _word_truth(generation, content_tokens(join_words(generation.tokens))), score


@dataclass(frozen=True, slots=True)
class WordsTruth:
    """An answer of which only insertion and deletion are measured, over its content words."""

    def of(self, _batch: FrameBatch, generation: Generation, /) -> tuple[AnswerTruth, Score]:
        """The words, which point at nothing known."""
        words = content_tokens(join_words(generation.tokens))
        return _word_truth(generation, words), score_answer


@dataclass(frozen=True, slots=True)
class YesNoTruth:
    """The answer to whether something is there.

    Attributes:
        is_there: whether it is.
    """

    is_there: bool

    def of(self, _batch: FrameBatch, generation: Generation, /) -> tuple[AnswerTruth, Score]:
        """The first "yes" or "no", which points at nothing known."""
        words = join_words(generation.tokens)
        told = [word.token_indices for word in words if word.text.casefold() in ("yes", "no")]
        return _word_truth(generation, tuple(told[:1])), score_answer


def content_tokens(words: Sequence[Word]) -> tuple[tuple[int, ...], ...]:
    """The tokens of each content word; of every word where none carries content."""
    content = tuple(word.token_indices for word in words if word.is_content)
    return content or tuple(word.token_indices for word in words)


def slot_edges(layout: VisualLayout, seconds: Float64Array, *, end_seconds: float) -> Float64Array:
    """When each slot begins and ends: half way between the times of neighbouring slots.

    Args:
        layout: the slots, in order of time.
        seconds: float64 [T], times of the frames, from the video's first frame.
        end_seconds: end of the video.

    Returns:
        float64 [t + 1], from 0 to the end of the video, never falling.
    """
    times = layout.slot_seconds(seconds)
    inner = [(before + after) / 2 for before, after in pairwise(times.tolist())]
    return np.maximum.accumulate(np.array([0.0, *inner, max(end_seconds, float(times[-1]))]))


def span_slots(layout: VisualLayout, seconds: Float64Array, spans: Iterable[TimeSpan]) -> BoolArray:
    """The slots fed by a frame within a span; where there is none, those nearest to a span.

    Args:
        layout: the slots.
        seconds: float64 [T], times of the frames.
        spans: (start, end) in seconds, both included.

    Returns:
        bool [t], one True at least.
    """
    away = np.min(
        [np.maximum(0.0, np.maximum(start - seconds, seconds - end)) for start, end in spans],
        axis=0,
    )
    nearest = np.array([away[list(frames)].min() for frames in layout.frame_slots])
    return np.asarray(nearest <= nearest.min())


def _score_spans(
    maps: FloatArray,
    truth: AnswerTruth,
    metrics: Iterable[str],
    /,
    *,
    spans: tuple[TimeSpan, ...],
    edges: Float64Array,
    slots: BoolArray,
) -> WordValues:
    """The answer's map against spans in seconds; of several spans the best, as NExT-GQA counts."""
    heat = explained_map(maps, truth)
    if heat is None:
        return {}
    start, end = otsu_span(slot_energy(heat))
    predicted = (float(edges[start]), float(edges[end]))
    found = {
        "temporal_energy": temporal_energy(heat, slots),
        "tiou": max(temporal_iou(predicted, span) for span in spans),
        "iop": max(intersection_over_prediction(predicted, span) for span in spans),
    }
    return {name: [found[name]] for name in metrics if name in found}


def _masked_truth(
    masks: MaskedClip,
    batch: FrameBatch,
    generation: Generation,
    named: Sequence[NamedObjects],
    words: Sequence[Word],
) -> AnswerTruth:
    layout = generation.layouts[0]
    visible = seen_slots(masks, layout.slot_indices(batch.indices))
    return AnswerTruth(
        objects=object_words(masks, batch, layout, named=named, visible=visible),
        function_words=function_words(words),
        frame_slots=fed_places(layout),
    )


def _word_truth(generation: Generation, explained: tuple[tuple[int, ...], ...]) -> AnswerTruth:
    return AnswerTruth((), (), fed_places(generation.layouts[0]), explained=explained)
