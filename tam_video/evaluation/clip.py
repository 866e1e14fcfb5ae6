"""Generate the answers about one clip, and score the maps of every method.

Owns: the clip of a world (make -> MP4 -> read back -> caption; no file is left), and for any clip
the values, costs and curves of the answers about it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from tam_video.datasets.scene import SceneClip, SceneObject
from tam_video.datasets.worlds import make_world, write_scene
from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.score import (
    CURVES,
    TEMPORAL_METRICS,
    AnswerTruth,
    WordValues,
    clip_values,
    explained_map,
    explained_tokens,
    measured_names,
    score_answer,
    score_times,
    visible_span,
    word_counts,
)
from tam_video.evaluation.settings import MethodSettings, ShapesSettings
from tam_video.evaluation.truth import answer_truth, visible_slots
from tam_video.methods import make_method
from tam_video.metrics.faithfulness import MaskMode, cell_order, curve_auc, masked_steps, measure
from tam_video.models.inference import TransformersModel
from tam_video.models.masking import Blank
from tam_video.models.probing import Probe
from tam_video.types import BoolArray, Float64Array, FloatArray, FrameBatch, Generation, Message
from tam_video.video.reader import open_video

CAPTION_QUESTION = "Describe the video."


class ClipJob(NamedTuple):
    """A clip to measure: its shape world, its number in that world, and its seed."""

    world: str
    number: int
    seed: int


class Score(Protocol):
    """A function that scores the maps of one answer."""

    def __call__(
        self, maps: FloatArray, truth: AnswerTruth, metrics: Iterable[str], /
    ) -> WordValues:
        """For every metric that is not a curve, return one value per scored word."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """An answer to explain, and its ground truth.

    Attributes:
        probe: the answer.
        truth: ground truth of its words.
        score: scores maps of it.
        has_curves: whether insertion and deletion are measured with it.
    """

    probe: Probe
    truth: AnswerTruth
    score: Score = score_answer
    has_curves: bool = True


@dataclass(slots=True, eq=False)
class MaskedScorer:
    """Computes the mean probability of some answer tokens on masked videos, and caches it per mask.

    Attributes:
        probe: the answer.
        blank: what hidden cells show.
        answer_tokens: indices of the tokens along the answer.
        known: the scores so far by mask.
    """

    probe: Probe
    blank: Blank
    answer_tokens: Sequence[int]
    known: dict[bytes, float] = field(default_factory=dict)

    def __call__(self, keep: BoolArray, /) -> Float64Array:
        """Compute the mean probability for each of B masks of visible cells: float64 [B]."""
        names = [mask.tobytes() for mask in keep]
        new = {name: mask for name, mask in zip(names, keep, strict=True) if name not in self.known}
        if new:
            scores = self.probe.score_masked(np.stack(list(new.values())), blank=self.blank)
            means = np.exp(scores[:, list(self.answer_tokens)]).mean(axis=1)
            self.known.update(zip(new, means.tolist(), strict=True))
        return np.array([self.known[name] for name in names], np.float64)


def measure_clip(model: TransformersModel, settings: ShapesSettings, job: ClipJob) -> ClipRow:
    """Measure every method on one clip.

    Temporal metrics are also computed for the answer about when an object is visible, where the
    clip has an object that appears or disappears.
    """
    clip = make_world(job.world, job.seed, split=settings.split)
    batch = read_back(clip, model)
    options = settings.generation_options()

    def generate(question: str) -> Generation:
        return model.generate(batch, [Message("user", question)], options=options)

    caption = generate(CAPTION_QUESTION)
    generations = {CAPTION_QUESTION: caption}
    item = timed_object(clip, caption.layouts[0].slot_indices(batch.indices))
    if TEMPORAL_METRICS.intersection(settings.metrics) and item is not None:
        question = f"When is the {item.name} visible?"
        generations[question] = generate(question)
    answers = [
        Answer(
            Probe(model, batch, generation),
            answer_truth(clip, batch, generation),
            score=score_answer if generation is caption else score_times,
            has_curves=generation is caption,
        )
        for generation in generations.values()
        if not is_empty(generation)
    ]
    return measure_answers(answers, settings, ClipRow(*job, caption.answer, values={}, costs={}))


def measure_answers(
    answers: Sequence[Answer],
    settings: MethodSettings,
    row: ClipRow,
    *,
    counts_words: bool = False,
) -> ClipRow:
    """Score the maps of every method, and store the values in a clip's row.

    Args:
        answers: all answers about the clip, which count together; costs are those of the first.
        settings: methods, metrics and the steps of a curve.
        row: the clip's row without values.
        counts_words: store how many words each value is the mean of.
    """
    curves = [name for name in CURVES if name in settings.metrics]
    scorers = [_scorers(each) if curves and each.has_curves else {} for each in answers]
    names = measured_names(settings.metrics)
    for name in settings.methods:
        parts: list[WordValues] = []
        method = make_method(name, seed=row.seed)
        for answer, scorer in zip(answers, scorers, strict=True):
            start = time.perf_counter()
            result = method.explain(answer.probe)
            seconds = round(time.perf_counter() - start, 4)
            passes = result.cost.forward + result.cost.backward
            row.costs.setdefault(name, {"passes": passes, "seconds": seconds})
            parts.append(answer.score(result.maps[0], answer.truth, names))
            heat = explained_map(result.maps[0], answer.truth) if scorer else None
            if heat is not None:
                row.curves[name] = {
                    curve: _curve(heat, curve, scorer, settings.steps) for curve in curves
                }
                areas = {key: [curve_auc(np.array(c))] for key, c in row.curves[name].items()}
                parts.append(areas)
        row.values[name] = clip_values(parts, names)
        if counts_words:
            row.counts[name] = word_counts(parts, names)
    return row


def read_back(clip: SceneClip, model: TransformersModel) -> FrameBatch:
    """Write the clip as an MP4, and read the frames that the model samples from it."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_scene(clip, Path(folder) / "clip.mp4")
        with open_video(path) as reader:
            return reader.read(model.sample_native(reader.info, reader.timeline.pts_seconds))


def timed_object(clip: SceneClip, slots: tuple[tuple[int, ...], ...]) -> SceneObject | None:
    """Return the first object visible in only one part of the clip, or None if there is none."""
    visible = visible_slots(clip, slots)
    for item, is_visible in zip(clip.objects, visible, strict=True):
        if visible_span(is_visible) is not None:
            return item
    return None


def is_empty(generation: Generation) -> bool:
    """Return whether an answer has no tokens to explain."""
    return len(generation.tokens) == generation.num_prompt_tokens


def _scorers(answer: Answer) -> dict[MaskMode, MaskedScorer]:
    """Return a scorer for deletion and one for insertion, or no scorers if no word is explained."""
    first = answer.probe.generation.num_prompt_tokens
    tokens = [index - first for index in explained_tokens(answer.truth)]
    if not tokens:
        return {}
    return {
        "deletion": MaskedScorer(answer.probe, "mean", tokens),
        "insertion": MaskedScorer(answer.probe, "blur", tokens),
    }


def _curve(
    heat: FloatArray, name: str, scorers: Mapping[MaskMode, MaskedScorer], steps: int
) -> list[float]:
    """Compute a deletion or insertion curve for the mean map of the explained words."""
    mode, kind = CURVES[name]
    slots, rows, columns = heat.shape
    order = cell_order(heat, kind=kind)
    keep = masked_steps(order, (slots, rows, columns), steps=steps, mode=mode)
    curve: list[float] = np.round(measure(scorers[mode], keep), 6).tolist()
    return curve
