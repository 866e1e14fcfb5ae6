"""Measure the controls on one clip: other frames, randomised weights and masked cells.

The true run is teacher-forced as well, so that all maps of a clip are of the same tokens. Only
words that are true of an object count, each by the mean map of its sub-tokens.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import numpy as np

from tam_video.datasets.scene import SceneClip
from tam_video.datasets.worlds import make_world
from tam_video.evaluation.clip import CAPTION_QUESTION, ClipJob, read_back
from tam_video.evaluation.controls_settings import (
    CASCADE,
    NO_WEIGHTS,
    NUM_OTHER_CLIPS,
    SPEARMAN,
    TRUE,
    ControlSettings,
    chance_of,
    compared,
)
from tam_video.evaluation.flips import measure_flips
from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.score import (
    AnswerTruth,
    ObjectWord,
    WordValues,
    clip_values,
    score_answer,
    word_map,
)
from tam_video.evaluation.truth import answer_truth, object_words
from tam_video.methods import Method, make_method
from tam_video.metrics.faithfulness import (
    linear_datamodeling_score,
    random_keep_masks,
    rank_correlation,
)
from tam_video.models.inference import TransformersModel
from tam_video.models.masking import blank_frames
from tam_video.models.probing import Probe
from tam_video.types import (
    BoolArray,
    ByteArray,
    Float64Array,
    FloatArray,
    FrameBatch,
    Message,
    VisualLayout,
)


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """A clip that is being measured: its caption, the unmodified run, and every method's maps."""

    model: TransformersModel
    settings: ControlSettings
    row: ClipRow
    true: Probe
    truth: AnswerTruth
    chance: AnswerTruth
    methods: Mapping[str, Method]
    maps: Mapping[str, FloatArray]

    def score(self, name: str, maps: FloatArray, *, source: str) -> None:
        """Score maps against the true and the chance ground truth, and store the scores."""
        metrics, values = self.settings.metrics, self.row.values[name]
        original = None if source == TRUE else self.maps[name]
        values |= source_values(maps, self.truth, metrics, source=source, original=original)
        values |= source_values(maps, self.chance, compared(metrics), source=chance_of(source))

    def shown(self, frames: ByteArray) -> Probe:
        """Replace the frames of the clip, and rerun the model on the unchanged caption."""
        (batch,) = self.true.batches
        return _probe(self.model, self.settings, replace(batch, frames=frames), self.row.answer)


def measure_controls(model: TransformersModel, settings: ControlSettings, job: ClipJob) -> ClipRow:
    """Run every control that the settings select on one clip."""
    clip = make_world(job.world, job.seed, split=settings.split)
    batch = read_back(clip, model)
    options = settings.generation_options()
    answer = model.generate(batch, [Message("user", CAPTION_QUESTION)], options=options).answer
    methods = {name: make_method(name, seed=job.seed) for name in settings.explained}
    row = ClipRow(*job, answer, values={name: {} for name in methods}, costs={})
    if answer.strip() and set(settings.parts) != {"flips"}:
        true = _probe(model, settings, batch, answer)
        truth = answer_truth(clip, batch, true.generation)
        chance = _chance(truth, true, row, settings)
        maps = {name: method.explain(true).maps[0] for name, method in methods.items()}
        case = _Case(model, settings, row, true, truth, chance, methods, maps)
        if settings.sources:
            with _timed(row, "sources"):
                _score_sources(case)
        if "lds" in settings.parts:
            with _timed(row, "lds"):
                _score_masks(case)
    if "flips" in settings.parts:
        with _timed(row, "flips"):
            flips = measure_flips(model, clip, batch, methods=methods, settings=settings, job=job)
            for name, group, area in flips:
                row.values[name][f"{group}:area"] = round(area, 6)
    return row


def source_values(
    maps: FloatArray,
    truth: AnswerTruth,
    metrics: Sequence[str],
    *,
    source: str,
    original: FloatArray | None = None,
) -> dict[str, float | None]:
    """Score a method's maps from one source, such as shuffled frames.

    Args:
        maps: float32 [M, t, h, w], one map per token.
        truth: of the clip itself, whatever was shown.
        metrics: names of `CONTROL_METRICS`.
        source: the first part of the values' names, "SOURCE:METRIC".
        original: the method's true maps; adds the Spearman correlation with them.
    """
    values, names = score_answer(maps, truth, metrics), list(metrics)
    if original is not None:
        names.append(SPEARMAN)
        values[SPEARMAN] = [
            rank_correlation(word_map(original, word), word_map(maps, word))
            for word in _true_words(truth)
        ]
    return _named(values, names, source=source)


def predicted_scores(
    maps: FloatArray,
    truth: AnswerTruth,
    keep: BoolArray,
    log_probabilities: Float64Array,
    *,
    first_token: int,
    source: str,
) -> dict[str, float | None]:
    """Compute a clip's linear datamodeling score (LDS): the mean over its words.

    Args:
        maps: float32 [M, t, h, w].
        truth: which tokens are words that are true of an object.
        keep: bool [m, t, h, w].
        log_probabilities: float64 [m, J] of the answer's tokens on the masked videos.
        first_token: index of the answer's first token along M.
        source: the first part of the value's name.
    """
    scores = []
    for word in _true_words(truth):
        tokens = [index - first_token for index in word.token_indices]
        span = log_probabilities[:, tokens].sum(axis=1)
        scores.append(linear_datamodeling_score(keep, word_map(maps, word), span))
    return _named({"lds": scores}, ["lds"], source=source)


def mismatched_ground_truth(
    truth: AnswerTruth, others: Sequence[Sequence[ObjectWord]], *, seed: int
) -> AnswerTruth:
    """Make a ground truth with masks from other clips, to measure the score of unrelated maps.

    Args:
        truth: the clip's own.
        others: for each other clip, the object words of its objects on the same grid.
        seed: of the draw.

    Returns:
        For every word that is true of an object, and every other clip where an object is visible,
        the word's tokens with the masks of one word of that clip.
    """
    rng = np.random.default_rng(seed)
    objects = []
    for word in _true_words(truth):
        for words in others:
            visible = [other for other in words if other.cells.any()]
            if visible:
                other = visible[int(rng.integers(len(visible)))]
                objects.append(replace(other, token_indices=word.token_indices, words=word.words))
    return replace(truth, objects=tuple(objects), function_words=())


def smoothed(maps: FloatArray) -> FloatArray:
    """Replace every slot of maps [M, t, h, w] by the mean over all slots."""
    return np.broadcast_to(maps.mean(axis=1, keepdims=True), maps.shape)


def other_frames(frames: ByteArray, swapped: ByteArray, *, seed: int) -> dict[str, ByteArray]:
    """Return the replacement frames for each control: "swapped", "shuffled" and "blank".

    Args:
        frames: uint8 [T, H, W, 3] of the clip.
        swapped: uint8 [T, H, W, 3] of another one.
        seed: of the order of the shuffled frames. Every order is equally likely, the true one
            included: two slots are then in reverse order half of the time, and temporal AUC is 0.5.
    """
    order = np.random.default_rng(seed).permutation(len(frames))
    return {"swapped": swapped, "shuffled": frames[order], "blank": blank_frames(frames, "mean")}


def described(clip: SceneClip, batch: FrameBatch, layout: VisualLayout) -> tuple[ObjectWord, ...]:
    """Return masks for the colour word and the shape word of each object in a clip.

    Of `batch` only the frame indices are used.
    """
    named = [
        ((), np.array([word in (item.color, item.shape) for item in clip.objects]))
        for each in clip.objects
        for word in (each.color, each.shape)
    ]
    return object_words(clip, batch, layout, named)


def _probe(
    model: TransformersModel, settings: ControlSettings, batch: FrameBatch, answer: str
) -> Probe:
    turns, options = [Message("user", CAPTION_QUESTION)], settings.generation_options()
    return Probe(model, batch, model.generate(batch, turns, options=options, answer=answer))


def _chance(
    truth: AnswerTruth, true: Probe, row: ClipRow, settings: ControlSettings
) -> AnswerTruth:
    """Make the chance ground truth from clips that no control shows to the model."""
    (batch,), (layout,) = true.batches, true.generation.layouts
    first = row.seed + 2
    others = [
        described(make_world(row.world, seed, split=settings.split), batch, layout)
        for seed in range(first, first + NUM_OTHER_CLIPS)
    ]
    return mismatched_ground_truth(truth, others, seed=row.seed)


def _score_sources(case: _Case) -> None:
    """Score the maps from every source. Chance baselines are scored on the unmodified run only."""
    for name, own in case.maps.items():
        case.score(name, own, source=TRUE)
        if name in case.settings.methods and "smoothed" in case.settings.sources:
            case.score(name, smoothed(own), source="smoothed")
    with closing(_controls(case)) as controls:
        for source, probe in controls:
            for name in case.settings.methods:
                case.score(name, case.methods[name].explain(probe).maps[0], source=source)


def _controls(case: _Case) -> Generator[tuple[str, Probe], None, None]:
    """Yield each control's name and probe. A probe is valid only until the next is requested."""
    row, settings, model = case.row, case.settings, case.model
    if "swapped" in settings.sources:
        other = make_world(row.world, row.seed + 1, split=settings.split)
        swapped = read_back(other, model).frames
        shown = other_frames(case.true.batches[0].frames, swapped, seed=row.seed)
        for source, frames in shown.items():
            yield source, case.shown(frames)
    stages = {name: math.ceil(share * model.num_layers) for name, share in CASCADE.items()}
    options = settings.generation_options()
    for source, count in {**stages, NO_WEIGHTS: None}.items():
        if source in settings.sources:
            with case.true.randomised(count, seed=row.seed, options=options) as probe:
                yield source, probe


def _score_masks(case: _Case) -> None:
    """Compute and store the linear datamodeling score of every method, on the same masks."""
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
    start = time.perf_counter()
    yield
    row.costs[part] = {"seconds": round(time.perf_counter() - start, 4)}


def _true_words(truth: AnswerTruth) -> Iterator[ObjectWord]:
    return (word for word in truth.objects if word.cells.any())


def _named(values: WordValues, names: Sequence[str], *, source: str) -> dict[str, float | None]:
    return {f"{source}:{name}": value for name, value in clip_values([values], names).items()}
