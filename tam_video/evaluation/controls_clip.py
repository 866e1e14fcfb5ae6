"""One clip, its caption passed through with other frames and other weights, and worn-down answers.

The true run is teacher-forced as well, so that every map of a clip is that of the same tokens.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import numpy as np

from tam_video.datasets.scene import SceneClip
from tam_video.datasets.shapes import Split
from tam_video.datasets.worlds import make_world
from tam_video.evaluation.clip import CAPTION_QUESTION, ClipJob, read_back
from tam_video.evaluation.controls_score import (
    mismatched_ground_truth,
    predicted_scores,
    smoothed,
    source_values,
)
from tam_video.evaluation.controls_settings import (
    CASCADE,
    NO_WEIGHTS,
    NUM_OTHER_CLIPS,
    TRUE,
    ControlSettings,
    chance_of,
    compared,
)
from tam_video.evaluation.flips import measure_flips
from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.score import AnswerTruth, ObjectWord
from tam_video.evaluation.truth import answer_truth, object_words, visible_slots
from tam_video.methods import Method, make_method
from tam_video.metrics import random_keep_masks
from tam_video.models import GenerationOptions
from tam_video.models.inference import TransformersModel
from tam_video.models.masking import blank_frames
from tam_video.models.probing import Probe
from tam_video.types import ByteArray, FloatArray, FrameBatch, Message, VisualLayout


@dataclass(frozen=True, slots=True, eq=False)
class _Caption:
    """What was said about a clip, to be passed through with other frames in the same places."""

    model: TransformersModel
    batch: FrameBatch
    answer: str
    options: GenerationOptions

    def shown(self, frames: ByteArray) -> Probe:
        """The answer about uint8 [T, H, W, 3], at the times of the clip's own frames."""
        batch = replace(self.batch, frames=frames)
        ask = [Message("user", CAPTION_QUESTION)]
        generation = self.model.generate(batch, ask, options=self.options, answer=self.answer)
        return Probe(self.model, batch, generation)


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """A clip under measurement: its caption, the true run, and each method's maps of that run."""

    settings: ControlSettings
    row: ClipRow
    caption: _Caption
    true: Probe
    truth: AnswerTruth
    chance: AnswerTruth
    methods: Mapping[str, Method]
    maps: Mapping[str, FloatArray]

    def score(self, name: str, maps: FloatArray, *, source: str) -> None:
        """Fill in the values of a method's maps from a source, and those of chance."""
        metrics = self.settings.metrics
        original = None if source == TRUE else self.maps[name]
        self.row.values[name] |= source_values(
            maps, self.truth, metrics, source=source, original=original
        )
        self.row.values[name] |= source_values(
            maps, self.chance, compared(metrics), source=chance_of(source)
        )


def measure_controls(model: TransformersModel, settings: ControlSettings, job: ClipJob) -> ClipRow:
    """Measure every asked part on one clip.

    Raises:
        TamVideoError: the clip can't be written or read, or the model or a method fails.
    """
    clip = make_world(job.world, job.seed, split=settings.split)
    batch = read_back(clip, model)
    options = settings.generation_options()
    ask = [Message("user", CAPTION_QUESTION)]
    answer = model.generate(batch, ask, options=options).answer
    methods = {name: make_method(name, seed=job.seed) for name in settings.explained}
    row = ClipRow(*job, answer, values={name: {} for name in methods}, costs={})
    if answer.strip() and set(settings.parts) != {"flips"}:
        caption = _Caption(model, batch, answer, options)
        true = caption.shown(batch.frames)
        truth = answer_truth(clip, batch, true.generation)
        chance = _chance(truth, true, row, split=settings.split)
        maps = {name: method.explain(true).maps[0] for name, method in methods.items()}
        case = _Case(settings, row, caption, true, truth, chance, methods, maps)
        if settings.sources:
            with _timed(row, "sources"):
                _score_sources(case)
        if "lds" in settings.parts:
            with _timed(row, "lds"):
                _score_masks(case)
    if "flips" in settings.parts:
        with _timed(row, "flips"):
            found = measure_flips(
                model,
                clip,
                batch,
                methods=methods,
                options=options,
                steps=settings.steps,
                seed=job.seed,
            )
            for name, group, area in found:
                row.values[name][f"{group}:area"] = round(area, 6)
    return row


def other_frames(frames: ByteArray, swapped: ByteArray, *, seed: int) -> dict[str, ByteArray]:
    """What is shown instead of a clip's frames.

    Args:
        frames: uint8 [T, H, W, 3] of the clip.
        swapped: uint8 [T, H, W, 3] of another one.
        seed: of the order of the shuffled frames. Every order is as likely, the true one among
            them: a pair of slots is then turned round as often as not, and temporal AUC is 0.5.

    Returns:
        The frames of "swapped", "shuffled" and "blank".
    """
    order = np.random.default_rng(seed).permutation(len(frames))
    return {"swapped": swapped, "shuffled": frames[order], "blank": blank_frames(frames, "mean")}


def described(clip: SceneClip, batch: FrameBatch, layout: VisualLayout) -> tuple[ObjectWord, ...]:
    """What the colour and the shape word for each object of a clip would point at.

    Args:
        clip: the clip.
        batch: tells which of its frames are seen; their pixels are not looked at.
        layout: where the cells lie.
    """
    named = [
        ((), np.array([word in (item.color, item.shape) for item in clip.objects]))
        for each in clip.objects
        for word in (each.color, each.shape)
    ]
    visible = visible_slots(clip, layout.slot_indices(batch.indices))
    return object_words(clip, batch, layout, named=named, visible=visible)


def _chance(truth: AnswerTruth, true: Probe, row: ClipRow, *, split: Split) -> AnswerTruth:
    """The truth of chance: of clips that no control shows."""
    (batch,), (layout,) = true.batches, true.generation.layouts
    first = row.seed + 2
    others = [
        described(make_world(row.world, seed, split=split), batch, layout)
        for seed in range(first, first + NUM_OTHER_CLIPS)
    ]
    return mismatched_ground_truth(truth, others, seed=row.seed)


def _score_sources(case: _Case) -> None:
    """Fill in the values of every source; methods of chance have the true run alone."""
    for name, own in case.maps.items():
        case.score(name, own, source=TRUE)
        if name in case.settings.methods and "smoothed" in case.settings.sources:
            case.score(name, smoothed(own), source="smoothed")
    with closing(_controls(case)) as controls:
        for source, probe in controls:
            for name in case.settings.methods:
                case.score(name, case.methods[name].explain(probe).maps[0], source=source)


def _controls(case: _Case) -> Generator[tuple[str, Probe], None, None]:
    """Yield sources and probes; a probe is good until the next one is asked for."""
    row, caption, asked = case.row, case.caption, case.settings.sources
    if "swapped" in asked:
        other = make_world(row.world, row.seed + 1, split=case.settings.split)
        swapped = read_back(other, caption.model).frames
        shown = other_frames(caption.batch.frames, swapped, seed=row.seed)
        for source, frames in shown.items():
            yield source, caption.shown(frames)
    layers = caption.model.num_layers
    stages = {name: math.ceil(share * layers) for name, share in CASCADE.items()}
    for source, count in {**stages, NO_WEIGHTS: None}.items():
        if source in asked:
            with case.true.randomised(count, seed=row.seed, options=caption.options) as probe:
                yield source, probe


def _score_masks(case: _Case) -> None:
    """Fill in the linear datamodeling score of every method, all on the same masks."""
    generation, settings = case.true.generation, case.settings
    keep = random_keep_masks(
        settings.masks,
        generation.layouts[0].shape,
        keep_share=settings.keep_share,
        seed=case.row.seed,
    )
    measured = case.true.score_masked(keep)
    for name, maps in case.maps.items():
        case.row.values[name] |= predicted_scores(
            maps, case.truth, keep, measured, first_token=generation.num_prompt_tokens, source=TRUE
        )


@contextmanager
def _timed(row: ClipRow, part: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    row.costs[part] = {"seconds": round(time.perf_counter() - began, 4)}
