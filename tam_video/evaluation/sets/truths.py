"""Ground truth of public data sets: named objects, a referred object, time spans, or words.

Owns: which words of an answer are scored, and against what. A phrase is scored as one map: the mean
over its content words, each the mean over its sub-tokens.
"""

from __future__ import annotations

import re
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
from tam_video.evaluation.truth import frame_positions, masked_truth
from tam_video.metrics.plausibility import temporal_energy
from tam_video.metrics.spans import (
    TimeSpan,
    intersection_over_prediction,
    otsu_span,
    slot_energy,
    temporal_iou,
)
from tam_video.tam import join_words
from tam_video.types import (
    BoolArray,
    Float64Array,
    FloatArray,
    FrameBatch,
    Generation,
    VisualLayout,
    Word,
)

# Plural endings and their singular: WordNet's rules of detachment.
_ENDINGS = (
    ("s", ""),
    ("ses", "s"),
    ("ves", "f"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
)
_IRREGULAR = {
    "people": "person",
    "children": "child",
    "feet": "foot",
    "geese": "goose",
    "mice": "mouse",
    "teeth": "tooth",
    "wolves": "wolf",
    "knives": "knife",
}
_BETWEEN = re.compile(r"[\s_/-]+")


@dataclass(frozen=True, slots=True)
class NamedTruth:
    """Ground truth for category names. Each word is scored against all objects of its category.

    Attributes:
        masks: of the objects.
        categories: the category of each of them.
    """

    masks: MaskedClip
    categories: tuple[str, ...]

    def of(self, batch: FrameBatch, generation: Generation, /) -> tuple[AnswerTruth, Score]:
        """Return masks of the objects that the answer names, and a function that scores maps."""
        words = join_words(generation.tokens)
        pairs = [(word, self._named_by(word)) for word in words]
        named = [((word.token_indices,), names) for word, names in pairs if names.any()]
        truth = masked_truth(self.masks, batch, generation.layouts[0], words=words, named=named)
        return truth, score_answer

    def _named_by(self, word: Word) -> BoolArray:
        return np.array([names_category(word.text, name) for name in self.categories], np.bool_)


@dataclass(frozen=True, slots=True)
class ReferredTruth:
    """Ground truth for an answer that is a referring expression for one object.

    Attributes:
        masks: of the object; of several their union counts.
    """

    masks: MaskedClip

    def of(self, batch: FrameBatch, generation: Generation, /) -> tuple[AnswerTruth, Score]:
        """Return the object's mask for the whole phrase, and a function that scores maps."""
        words = join_words(generation.tokens)
        phrase = content_tokens(words)
        objects = np.ones(len(self.masks.masks(int(batch.indices[0]))), np.bool_)
        named = [(phrase, objects)] if phrase else []
        truth = masked_truth(self.masks, batch, generation.layouts[0], words=words, named=named)
        return truth, score_answer


@dataclass(frozen=True, slots=True)
class SpanTruth:
    """Ground truth for an answer whose evidence is visible in some time spans of the video.

    Attributes:
        spans: (start, end) in seconds from the first frame, one or several.
    """

    spans: tuple[TimeSpan, ...]

    def of(self, batch: FrameBatch, generation: Generation, /) -> tuple[AnswerTruth, Score]:
        """Return the answer's content words, and a function that scores maps against the spans."""
        layout = generation.layouts[0]
        seconds = batch.pts_seconds - batch.info.start_seconds
        edges = slot_edges(layout, seconds, end_seconds=batch.info.duration_seconds)
        slots = span_slots(layout, seconds, self.spans)
        score = partial(_score_spans, spans=self.spans, edges=edges, slots=slots)
        return _word_truth(generation, content_tokens(join_words(generation.tokens))), score


@dataclass(frozen=True, slots=True)
class WordsTruth:
    """Ground truth for an answer that is measured by insertion and deletion only."""

    def of(self, _batch: FrameBatch, generation: Generation, /) -> tuple[AnswerTruth, Score]:
        """Return the content words, which have no masks, and a function that scores maps."""
        words = content_tokens(join_words(generation.tokens))
        return _word_truth(generation, words), score_answer


@dataclass(frozen=True, slots=True)
class YesNoTruth:
    """Ground truth for a yes-or-no answer to the question whether an object is visible.

    Attributes:
        is_there: whether it is.
    """

    is_there: bool

    def of(self, _batch: FrameBatch, generation: Generation, /) -> tuple[AnswerTruth, Score]:
        """Return the first "yes" or "no", which has no mask, and a function that scores maps."""
        words = join_words(generation.tokens)
        tokens = [word.token_indices for word in words if word.text.casefold() in ("yes", "no")]
        return _word_truth(generation, tuple(tokens[:1])), score_answer


def names_category(word: str, category: str) -> bool:
    """Return whether a word occurs in a category name, in the singular or the plural.

    The words of a category name are separated by spaces, hyphens or underscores ("paraglide-kite").
    """
    forms = noun_forms(word)
    return any(forms & noun_forms(part) for part in _BETWEEN.split(category) if part)


def noun_forms(word: str) -> frozenset[str]:
    """Return the word and its possible singular forms."""
    own = word.casefold().replace("-", "")
    if own in _IRREGULAR:
        return frozenset({own, _IRREGULAR[own]})
    if own.endswith("ss"):
        return frozenset({own})
    singular = (
        own.removesuffix(ending) + stands for ending, stands in _ENDINGS if own.endswith(ending)
    )
    return frozenset({own, *(form for form in singular if len(form) > 1)})


def content_tokens(words: Sequence[Word]) -> tuple[tuple[int, ...], ...]:
    """Return the tokens of each content word, or of every word if there are no content words."""
    content = tuple(word.token_indices for word in words if word.is_content)
    return content or tuple(word.token_indices for word in words)


def slot_edges(layout: VisualLayout, seconds: Float64Array, *, end_seconds: float) -> Float64Array:
    """Return the times at which slots begin and end, half way between neighbouring slots.

    Args:
        layout: the slots, in order of time.
        seconds: float64 [T], times of the frames, from the video's first frame.
        end_seconds: end of the video.

    Returns:
        float64 [t + 1], from 0 to the end of the video, not decreasing.
    """
    times = layout.slot_seconds(seconds)
    inner = [(before + after) / 2 for before, after in pairwise(times.tolist())]
    return np.maximum.accumulate(np.array([0.0, *inner, max(end_seconds, float(times[-1]))]))


def span_slots(layout: VisualLayout, seconds: Float64Array, spans: Iterable[TimeSpan]) -> BoolArray:
    """Return which slots have a frame in a span: bool [t]. If none has, mark the nearest slots.

    Args:
        layout: the slots.
        seconds: float64 [T], times of the frames.
        spans: (start, end) in seconds, both included.
    """
    distance = np.min(
        [np.maximum(0.0, np.maximum(start - seconds, seconds - end)) for start, end in spans],
        axis=0,
    )
    nearest = np.array([distance[list(frames)].min() for frames in layout.frame_slots])
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
    """Score the answer's map against every time span, and keep the best score, as in NExT-GQA."""
    heat = explained_map(maps, truth)
    if heat is None:
        return {}
    start, end = otsu_span(slot_energy(heat))
    predicted = (float(edges[start]), float(edges[end]))
    values = {
        "temporal_energy": temporal_energy(heat, slots),
        "tiou": max(temporal_iou(predicted, span) for span in spans),
        "iop": max(intersection_over_prediction(predicted, span) for span in spans),
    }
    return {name: [values[name]] for name in metrics if name in values}


def _word_truth(generation: Generation, explained: tuple[tuple[int, ...], ...]) -> AnswerTruth:
    return AnswerTruth((), (), frame_positions(generation.layouts[0]), explained=explained)
