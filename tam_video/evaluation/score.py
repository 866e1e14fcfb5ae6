"""Compute metric values from the maps and masks of one answer.

Owns: which words count for which metric, and how the values of words become that of a clip. What a
metric means is in `metrics`; where masks come from is in `truth`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from tam_video.metrics.answers import Noun, answer_iou
from tam_video.metrics.faithfulness import MaskMode, OrderKind
from tam_video.metrics.grids import resize_map
from tam_video.metrics.plausibility import (
    auc,
    energy_inside,
    otsu_threshold,
    pointing_hit,
    temporal_energy,
    volume_iou,
)
from tam_video.metrics.segmentation import j_and_f
from tam_video.metrics.spans import (
    intersection_over_prediction,
    otsu_span,
    slot_energy,
    temporal_auc,
    temporal_coherence,
    temporal_iou,
)
from tam_video.types import BoolArray, FloatArray

Better: TypeAlias = Literal["higher", "lower", "neither"]
WordValues: TypeAlias = dict[str, list[float]]
"""For each metric the values of the words that count for it."""


@dataclass(frozen=True, slots=True)
class Metric:
    """The title and range of a metric, and whether higher or lower values are better.

    Attributes:
        title: its name for people.
        better: which direction is good; "neither" for one that has no good direction by itself.
        is_rate: whether it is the share of hits, each 0 or 1.
        bounds: its lowest and highest value.
    """

    title: str
    better: Better = "higher"
    is_rate: bool = False
    bounds: tuple[float, float] = (0.0, 1.0)


METRICS: Mapping[str, Metric] = {
    "viou": Metric("vIoU"),
    "viou_moving": Metric("vIoU, moving"),
    "obj_iou": Metric("Obj-IoU"),
    "func_iou": Metric("Func-IoU"),
    "f1_iou": Metric("F1-IoU"),
    "pointing": Metric("Pointing game", is_rate=True),
    "energy": Metric("Energy inside"),
    "temporal_energy": Metric("Temporal energy"),
    "jf": Metric("J&F"),
    "tiou": Metric("tIoU"),
    "iop": Metric("IoP"),
    "coherence": Metric("Temporal coherence", "neither", bounds=(-1.0, 1.0)),
    "auc": Metric("AUC"),
    "temporal_auc": Metric("Temporal AUC"),
    "insertion": Metric("Insertion AUC"),
    "insertion_space": Metric("Insertion AUC, places"),
    "insertion_time": Metric("Insertion AUC, slots"),
    "deletion": Metric("Deletion AUC", "lower"),
    "deletion_space": Metric("Deletion AUC, places", "lower"),
    "deletion_time": Metric("Deletion AUC, slots", "lower"),
    "amcr": Metric("AMCR", "lower"),
    "csr": Metric("CSR@10", is_rate=True),
}
CURVES: Mapping[str, tuple[MaskMode, OrderKind]] = {
    "insertion": ("insertion", "joint"),
    "insertion_space": ("insertion", "spatial"),
    "insertion_time": ("insertion", "slot"),
    "deletion": ("deletion", "joint"),
    "deletion_space": ("deletion", "spatial"),
    "deletion_time": ("deletion", "slot"),
}
"""Mode of a curve, and which cells are shown or hidden together."""
TEMPORAL_METRICS = frozenset({"temporal_energy", "tiou", "iop"})
CURVE_METRICS = frozenset(CURVES)
FLIP_METRICS = frozenset({"amcr", "csr"})
"""How soon a wrong yes or no flips; means over wrong answers."""
ANSWER_METRICS: tuple[str, ...] = tuple(name for name in METRICS if name not in FLIP_METRICS)
DEFAULT_METRICS: tuple[str, ...] = tuple(n for n in ANSWER_METRICS if n not in CURVE_METRICS)


@dataclass(frozen=True, slots=True, eq=False)
class ObjectWord:
    """A word or phrase that names objects, with the cells and pixels of these objects.

    Attributes:
        token_indices: its tokens, counted along M.
        cells: bool [t, h, w], the cells of its objects; all False where it is true of none.
        pixels: bool [T, H, W], their pixels in the frames that fed a slot.
        visible: bool [t], the slots in which one of them is visible.
        words: of a phrase, the tokens of each content word.
    """

    token_indices: tuple[int, ...]
    cells: BoolArray
    pixels: BoolArray
    visible: BoolArray
    words: tuple[tuple[int, ...], ...] = ()

    @property
    def parts(self) -> tuple[tuple[int, ...], ...]:
        """Token indices: one tuple for each content word of a phrase, or one for a single word."""
        return self.words or (self.token_indices,)

    @property
    def moves(self) -> bool:
        """Whether the object's cells in the first and the last visible slot have an IoU <= 0.5."""
        slots = np.flatnonzero(self.cells.any(axis=(1, 2)))
        if len(slots) < 2:
            return False
        first, last = self.cells[slots[0]], self.cells[slots[-1]]
        return bool(2 * (first & last).sum() <= (first | last).sum())

    @property
    def is_there(self) -> bool:
        """Whether a named object is visible, even if it is too small to fill a cell."""
        return bool(self.cells.any() or self.pixels.any())


@dataclass(frozen=True, slots=True, eq=False)
class AnswerTruth:
    """Ground truth of the words of one answer.

    Attributes:
        objects: its object words in order, including those that are true of no object.
        function_words: the tokens of each function word, counted along M.
        frame_slots: for each slot, which of the T frames of `pixels` fed it.
        explained: the tokens of each word whose probability insertion and deletion measure; None
            for the words that are true of an object.
    """

    objects: tuple[ObjectWord, ...]
    function_words: tuple[tuple[int, ...], ...]
    frame_slots: tuple[tuple[int, ...], ...]
    explained: tuple[tuple[int, ...], ...] | None = None

    @property
    def explained_words(self) -> tuple[tuple[int, ...], ...]:
        """Token indices of every word that insertion and deletion measure, one tuple per word."""
        if self.explained is not None:
            return self.explained
        return tuple(part for word in self.objects if word.is_there for part in word.parts)


def measured_names(metrics: Iterable[str]) -> tuple[str, ...]:
    """Return the metrics that are measured on a clip, in the order of `METRICS`.

    F1-IoU is a figure of all clips: a clip gives its two parts.
    """
    names = set(metrics)
    if "f1_iou" in names:
        names = names - {"f1_iou"} | {"obj_iou", "func_iou"}
    return tuple(name for name in METRICS if name in names)


def word_map(maps: FloatArray, word: ObjectWord) -> FloatArray:
    """Return the mean map of a word's sub-tokens, float32 [t, h, w], from maps [M, t, h, w].

    The map of a phrase is the mean over its words.
    """
    return mean_map(maps, word.parts)


def mean_map(maps: FloatArray, words: Sequence[tuple[int, ...]]) -> FloatArray:
    """Average the maps of each word's tokens, then average over words: float32 [t, h, w]."""
    heats = [maps[list(tokens)].mean(axis=0) for tokens in words]
    return np.asarray(np.mean(heats, axis=0), np.float32)


def score_answer(maps: FloatArray, truth: AnswerTruth, metrics: Iterable[str]) -> WordValues:
    """Score every word of an answer by every metric that is not a curve.

    Args:
        maps: float32 [M, t, h, w], one map per token.
        truth: ground truth of the words.
        metrics: names of `METRICS`; curves and F1-IoU are ignored.

    Returns:
        For each metric one value per word that counts: words that are true of an object; for
        temporal metrics those whose objects are visible in one part of the clip; for Func-IoU the
        function words. Values may be NaN.
    """
    names = set(measured_names(metrics))
    values: WordValues = {}
    if names & {"obj_iou", "func_iou"}:
        values |= _answer_values(maps, truth)
    for word in truth.objects:
        heat = word_map(maps, word)
        for name in names & set(_PLACE_SCORES) if word.cells.any() else ():
            values.setdefault(name, []).append(_PLACE_SCORES[name](heat, word))
        if "viou_moving" in names and word.moves:
            values.setdefault("viou_moving", []).append(volume_iou(heat, word.cells))
        if "jf" in names and word.is_there:
            values.setdefault("jf", []).append(_segmentation(heat, word, truth))
    values |= score_times(maps, truth, names)
    return {name: values[name] for name in values if name in names}


def score_times(maps: FloatArray, truth: AnswerTruth, metrics: Iterable[str]) -> WordValues:
    """Compute the `TEMPORAL_METRICS` for the words whose objects appear or disappear."""
    names = set(metrics) & TEMPORAL_METRICS
    values: WordValues = {}
    for word in truth.objects if names else ():
        span = visible_span(word.visible)
        if span is None:
            continue
        heat = word_map(maps, word)
        predicted = otsu_span(slot_energy(heat))
        scores = {
            "temporal_energy": temporal_energy(heat, word.visible),
            "tiou": temporal_iou(predicted, span),
            "iop": intersection_over_prediction(predicted, span),
        }
        for name in names:
            values.setdefault(name, []).append(scores[name])
    return values


def clip_values(parts: Sequence[WordValues], metrics: Iterable[str]) -> dict[str, float | None]:
    """Return the value of each metric for a clip: the mean over the words of all its answers.

    Words whose value is NaN are left out. A metric is None if no word has a value.
    """
    known = {name: _known_values(parts, name) for name in metrics}
    return {
        name: round(float(np.mean(values)), 6) if values else None for name, values in known.items()
    }


def word_counts(parts: Sequence[WordValues], metrics: Iterable[str]) -> dict[str, int]:
    """Return the number of words that `clip_values` averages for each metric."""
    return {name: len(_known_values(parts, name)) for name in metrics}


def visible_span(visible: BoolArray) -> tuple[int, int] | None:
    """Return (start, end) if an object is visible in one part of the clip only, otherwise None.

    None for bool [t] that is never or always True, or True in several parts.
    """
    slots = np.flatnonzero(visible)
    if not len(slots) or len(slots) == len(visible):
        return None
    start, end = int(slots[0]), int(slots[-1]) + 1
    return (start, end) if end - start == len(slots) else None


def explained_map(maps: FloatArray, truth: AnswerTruth) -> FloatArray | None:
    """Return the mean map of the explained words, float32 [t, h, w], or None if there are none."""
    words = truth.explained_words
    return mean_map(maps, words) if words else None


def explained_tokens(truth: AnswerTruth) -> list[int]:
    """Return the indices of the explained words' tokens along the first axis of the maps."""
    return [index for tokens in truth.explained_words for index in tokens]


_PLACE_SCORES: Mapping[str, Callable[[FloatArray, ObjectWord], float]] = {
    "viou": lambda heat, word: volume_iou(heat, word.cells),
    "pointing": lambda heat, word: pointing_hit(heat, word.cells),
    "energy": lambda heat, word: energy_inside(heat, word.cells),
    "auc": lambda heat, word: auc(heat, word.cells),
    "temporal_auc": lambda heat, word: temporal_auc(heat, word.cells),
    "coherence": lambda heat, _word: temporal_coherence(heat),
}


def _answer_values(maps: FloatArray, truth: AnswerTruth) -> WordValues:
    """Compute the Obj-IoU or Func-IoU of each word, as the mean over its sub-tokens."""
    nouns = [Noun(maps[list(word.token_indices)], word.cells) for word in truth.objects]
    scores = answer_iou(nouns, [maps[list(indices)] for indices in truth.function_words])
    return {
        "obj_iou": [score.mean for score in scores.object_iou],
        "func_iou": [score.mean for score in scores.function_iou],
    }


def _segmentation(heat: FloatArray, word: ObjectWord, truth: AnswerTruth) -> float:
    """Resize a map to pixels, cut it at one Otsu threshold for all frames, and compute its J&F."""
    num_frames, height, width = word.pixels.shape
    shown = resize_map(heat, (num_frames, height, width), frame_slots=truth.frame_slots)
    return j_and_f(np.asarray(shown > otsu_threshold(shown)), word.pixels)


def _known_values(parts: Sequence[WordValues], metric: str) -> list[float]:
    values = (value for part in parts for value in part.get(metric, ()))
    return [value for value in values if not np.isnan(value)]
