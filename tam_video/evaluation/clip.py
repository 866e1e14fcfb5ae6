"""One clip of a world, from its seed to the values of every method.

make -> MP4 -> read back -> caption -> one probe -> every method -> scores. No file is left.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tam_video.datasets.scene import SceneClip, SceneObject
from tam_video.datasets.worlds import make_world, write_scene
from tam_video.evaluation.ledger import ClipRow, Curves
from tam_video.evaluation.score import (
    CURVE_METRICS,
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
)
from tam_video.evaluation.settings import EvaluationSettings
from tam_video.evaluation.truth import answer_truth, visible_slots
from tam_video.methods import METHODS, Method, MethodMaps
from tam_video.metrics import curve_auc, insertion_deletion
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


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    """An answer that can be explained, and what its words should point at."""

    probe: Probe
    truth: AnswerTruth


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


def measure_clip(model: TransformersModel, settings: EvaluationSettings, job: ClipJob) -> ClipRow:
    """Measure every method on one clip.

    Temporal metrics are also read from the answer about when an object is seen, where the clip has
    an object that comes or goes.

    Raises:
        TamVideoError: the clip can't be written or read, or the model or a method fails.
    """
    clip = make_world(job.world, job.seed, split=settings.split)
    batch = read_back(clip, model)
    options = GenerationOptions(max_new_tokens=settings.max_new_tokens, layer=settings.layer)
    ask = [Message("user", CAPTION_QUESTION)]
    generation = model.generate(batch, ask, options=options)
    said = _said(model, clip, batch, generation)
    timed = None
    if TEMPORAL_METRICS.intersection(settings.metrics):
        timed = _when_answer(model, clip, batch, generation, options)
    row = ClipRow(*job, generation.answer, values={}, costs={})
    scorers = _scorers(said) if said and CURVE_METRICS.intersection(settings.metrics) else None
    names = measured_names(settings.metrics)
    for name in settings.methods:
        parts: list[WordValues] = []
        method = make_method(name, seed=job.seed)
        if said is not None:
            began = time.perf_counter()
            found = method.explain(said.probe)
            row.costs[name] = _cost(found, time.perf_counter() - began)
            parts.append(score_answer(found.maps[0], said.truth, names))
            if scorers is not None:
                row.curves[name] = _curves(found.maps[0], said.truth, scorers, settings.steps)
                parts.append(_areas(row.curves[name]))
        if timed is not None:
            maps = method.explain(timed.probe).maps[0]
            parts.append(score_times(maps, timed.truth, names))
        row.values[name] = clip_values(parts, names)
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


def make_method(name: str, *, seed: int) -> Method:
    """A method by name; one that draws at random gets the clip's seed."""
    kind = METHODS.load(name)
    takes_seed = is_dataclass(kind) and any(item.name == "seed" for item in fields(kind))
    made: Method = kind(seed=seed) if takes_seed else kind()
    return made


def timed_object(clip: SceneClip, slots: tuple[tuple[int, ...], ...]) -> SceneObject | None:
    """The first object that is seen during one part of the sampled frames only."""
    visible = visible_slots(clip, slots)
    for item, seen in zip(clip.objects, visible, strict=True):
        if visible_span(seen) is not None:
            return item
    return None


def _said(
    model: TransformersModel, clip: SceneClip, batch: FrameBatch, generation: Generation
) -> _Said | None:
    """None for an empty answer, which has nothing to explain."""
    if len(generation.tokens) == generation.num_prompt_tokens:
        return None
    return _Said(Probe(model, batch, generation), answer_truth(clip, batch, generation))


def _when_answer(
    model: TransformersModel,
    clip: SceneClip,
    batch: FrameBatch,
    caption: Generation,
    options: GenerationOptions,
) -> _Said | None:
    """What the model says about when an object is seen; None without such an object."""
    item = timed_object(clip, caption.layouts[0].slot_indices(batch.indices))
    if item is None:
        return None
    ask = [Message("user", f"When is the {item.name} visible?")]
    return _said(model, clip, batch, model.generate(batch, ask, options=options))


def _scorers(said: _Said) -> tuple[MaskedScorer, MaskedScorer] | None:
    """Towards blank and from blurred; None where no word is true of an object."""
    first = said.probe.generation.num_prompt_tokens
    tokens = [index - first for index in explained_tokens(said.truth)]
    if not tokens:
        return None
    return MaskedScorer(said.probe, "mean", tokens), MaskedScorer(said.probe, "blur", tokens)


def _curves(
    maps: FloatArray,
    truth: AnswerTruth,
    scorers: tuple[MaskedScorer, MaskedScorer],
    steps: int,
) -> Curves:
    """Both curves of the mean map of the words, over the tokens of the words."""
    heat = explained_map(maps, truth)
    if heat is None:
        return {}
    found = insertion_deletion(heat, scorers[0], blurred_scorer=scorers[1], steps=steps)
    return {
        "insertion": np.round(found.insertion, 6).tolist(),
        "deletion": np.round(found.deletion, 6).tolist(),
    }


def _areas(curves: Curves) -> WordValues:
    return {name: [curve_auc(np.array(curve))] for name, curve in curves.items()}


def _cost(found: MethodMaps, seconds: float) -> dict[str, float]:
    passes = found.cost.forward + found.cost.backward
    return {"passes": passes, "seconds": round(seconds, 4)}
