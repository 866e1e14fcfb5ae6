"""One clip, from what is said about it to the values of every method.

Owns: the clip of a world (make -> MP4 -> read back -> caption; no file is left), and for any clip
the way from a probe of each answer to values, costs and curves.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from tam_video.datasets.scene import SceneClip, SceneObject
from tam_video.datasets.worlds import make_world, write_scene
from tam_video.evaluation.ledger import ClipRow, Curves
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
from tam_video.methods import MethodMaps, make_method
from tam_video.metrics import cell_order, curve_auc, masked_steps, measure
from tam_video.metrics.faithfulness import MaskMode
from tam_video.metrics.grids import BoolArray
from tam_video.models import GenerationOptions
from tam_video.models.inference import TransformersModel
from tam_video.models.masking import Blank
from tam_video.models.probing import Probe
from tam_video.types import Float64Array, FloatArray, FrameBatch, Generation, Message
from tam_video.video.reader import open_video

CAPTION_QUESTION = "Describe the video."


class ClipJob(NamedTuple):
    """A clip to be measured: its world, its number in it, and its seed."""

    world: str
    number: int
    seed: int


class Score(Protocol):
    """Scores the maps of one answer."""

    def __call__(
        self, maps: FloatArray, truth: AnswerTruth, metrics: Iterable[str], /
    ) -> WordValues:
        """Values of every word that counts, for the asked metrics that are no curves."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """An answer that can be explained, and what its words should point at.

    Attributes:
        probe: the answer.
        truth: what its words should point at.
        score: what maps of it are worth.
        has_curves: whether insertion and deletion are measured with it.
    """

    probe: Probe
    truth: AnswerTruth
    score: Score = score_answer
    has_curves: bool = True


@dataclass(slots=True, eq=False)
class MaskedScorer:
    """Mean probability of some answer tokens on masked videos; asks no mask twice.

    Attributes:
        probe: whose answer it is.
        blank: what hidden cells show.
        answer_tokens: which tokens, counted along the answer.
        known: the scores so far by mask.
    """

    probe: Probe
    blank: Blank
    answer_tokens: Sequence[int]
    known: dict[bytes, float] = field(default_factory=dict)

    def __call__(self, keep: BoolArray, /) -> Float64Array:
        """float64 [B] of bool [B, t, h, w]."""
        names = [mask.tobytes() for mask in keep]
        new = {name: mask for name, mask in zip(names, keep, strict=True) if name not in self.known}
        if new:
            found = self.probe.score_masked(np.stack(list(new.values())), blank=self.blank)
            means = np.exp(found[:, list(self.answer_tokens)]).mean(axis=1)
            self.known.update(zip(new, means.tolist(), strict=True))
        return np.array([self.known[name] for name in names], np.float64)


def measure_clip(model: TransformersModel, settings: ShapesSettings, job: ClipJob) -> ClipRow:
    """Measure every method on one clip.

    Temporal metrics are also read from the answer about when an object is seen, where the clip has
    an object that comes or goes.

    Raises:
        TamVideoError: the clip can't be written or read, or the model or a method fails.
    """
    clip = make_world(job.world, job.seed, split=settings.split)
    batch = read_back(clip, model)
    options = settings.generation_options()
    ask = [Message("user", CAPTION_QUESTION)]
    generation = model.generate(batch, ask, options=options)
    said = _said(model, clip, batch, generation)
    if TEMPORAL_METRICS.intersection(settings.metrics):
        said += _when_answer(model, clip, batch, generation, options)
    row = ClipRow(*job, generation.answer, values={}, costs={})
    return measure_answers(said, settings, row)


def measure_answers(
    said: Sequence[Said],
    settings: MethodSettings,
    row: ClipRow,
    *,
    counts_words: bool = False,
) -> ClipRow:
    """Fill a clip's row with what the maps of every method are worth.

    Args:
        said: what was said about the clip, all of which counts; costs are those of the first.
        settings: methods, metrics and the steps of a curve.
        row: the clip's row without values.
        counts_words: note how many words each value is the mean of.

    Raises:
        TamVideoError: the model or a method fails.
    """
    curves = [name for name in CURVES if name in settings.metrics]
    scorers = [_scorers(each) if curves and each.has_curves else {} for each in said]
    names = measured_names(settings.metrics)
    for name in settings.methods:
        parts: list[WordValues] = []
        method = make_method(name, seed=row.seed)
        for answer, scorer in zip(said, scorers, strict=True):
            began = time.perf_counter()
            found = method.explain(answer.probe)
            row.costs.setdefault(name, _cost(found, time.perf_counter() - began))
            parts.append(answer.score(found.maps[0], answer.truth, names))
            heat = explained_map(found.maps[0], answer.truth) if scorer else None
            if heat is not None:
                row.curves[name] = {
                    curve: _curve(heat, curve, scorer, settings.steps) for curve in curves
                }
                parts.append(_areas(row.curves[name]))
        row.values[name] = clip_values(parts, names)
        if counts_words:
            row.counts[name] = word_counts(parts, names)
    return row


def read_back(clip: SceneClip, model: TransformersModel) -> FrameBatch:
    """The frames that the model samples by its own rule, from the clip written as an MP4.

    Raises:
        EncodeError: it can't be written.
        InputError: it can't be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = write_scene(clip, Path(folder) / "clip.mp4")
        with open_video(path) as reader:
            return reader.read(model.sample_native(reader.info, reader.timeline.pts_seconds))


def timed_object(clip: SceneClip, slots: tuple[tuple[int, ...], ...]) -> SceneObject | None:
    """The first object that is seen during one part of the sampled frames only."""
    visible = visible_slots(clip, slots)
    for item, seen in zip(clip.objects, visible, strict=True):
        if visible_span(seen) is not None:
            return item
    return None


def is_empty(generation: Generation) -> bool:
    """Whether an answer has no token, so that there is nothing to explain."""
    return len(generation.tokens) == generation.num_prompt_tokens


def _said(
    model: TransformersModel, clip: SceneClip, batch: FrameBatch, generation: Generation
) -> list[Said]:
    """No element for an empty answer."""
    if is_empty(generation):
        return []
    return [Said(Probe(model, batch, generation), answer_truth(clip, batch, generation))]


def _when_answer(
    model: TransformersModel,
    clip: SceneClip,
    batch: FrameBatch,
    caption: Generation,
    options: GenerationOptions,
) -> list[Said]:
    """What the model says about when an object is seen; none without such an object."""
    item = timed_object(clip, caption.layouts[0].slot_indices(batch.indices))
    if item is None:
        return []
    ask = [Message("user", f"When is the {item.name} visible?")]
    said = _said(model, clip, batch, model.generate(batch, ask, options=options))
    return [replace(each, score=score_times, has_curves=False) for each in said]


def _scorers(said: Said) -> dict[MaskMode, MaskedScorer]:
    """Deletion towards blank, insertion from blurred; none where no word is explained."""
    first = said.probe.generation.num_prompt_tokens
    tokens = [index - first for index in explained_tokens(said.truth)]
    if not tokens:
        return {}
    return {
        "deletion": MaskedScorer(said.probe, "mean", tokens),
        "insertion": MaskedScorer(said.probe, "blur", tokens),
    }


def _curve(
    heat: FloatArray, name: str, scorers: Mapping[MaskMode, MaskedScorer], steps: int
) -> list[float]:
    """One curve of the mean map of the explained words, over the tokens of these words."""
    mode, kind = CURVES[name]
    slots, rows, columns = heat.shape
    order = cell_order(heat, kind=kind)
    keep = masked_steps(order, (slots, rows, columns), steps=steps, mode=mode)
    told: list[float] = np.round(measure(scorers[mode], keep), 6).tolist()
    return told


def _areas(curves: Curves) -> WordValues:
    return {name: [curve_auc(np.array(curve))] for name, curve in curves.items()}


def _cost(found: MethodMaps, seconds: float) -> dict[str, float]:
    passes = found.cost.forward + found.cost.backward
    return {"passes": passes, "seconds": round(seconds, 4)}
