"""One item of a public set: shown, asked, and measured as a clip is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from tam_video.datasets.questions import ShapeQuestion
from tam_video.evaluation.clip import (
    ClipJob,
    MaskedScorer,
    Said,
    is_empty,
    measure_answers,
)
from tam_video.evaluation.flips import Opposite, Turns, first_flip, group_of, opposite_of
from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.score import FLIP_METRICS, AnswerTruth, WordValues, explained_map
from tam_video.evaluation.sets.base import Frames, SetItem, Visual
from tam_video.evaluation.sets.settings import SetSettings, public_set, set_items
from tam_video.evaluation.sets.truths import YesNoTruth
from tam_video.metrics import average_minimal_correction, correction_success_rate
from tam_video.models.inference import TransformersModel
from tam_video.models.probing import Probe
from tam_video.samplers import SAMPLERS, window
from tam_video.types import FloatArray, FrameBatch, Message
from tam_video.video.frame_folder import FrameFolder
from tam_video.video.reader import VideoReader, open_video

WRONG = ("hallucinated", "missed")
"""Groups of answers whose flip is a correction."""


def measure_item(model: TransformersModel, settings: SetSettings, job: ClipJob) -> ClipRow:
    """Measure every method on one item.

    Raises:
        TamVideoError: the item can't be read, or the model or a method fails.
    """
    item = set_items(settings, job.world)[job.number]
    public = public_set(settings.dataset)
    with public.hinted():
        batch = read_visual(item.visual, model, num_frames=settings.num_frames)
        options = settings.generation_options()
        ask = [Message("user", item.question)]
        generation = model.generate(batch, ask, options=options, answer=item.answer)
        row = ClipRow(
            *job, generation.answer, values={}, costs={}, item=item.name, source=item.source
        )
        said = []
        if not is_empty(generation):
            truth, score = item.truth.of(batch, generation)
            one = Said(Probe(model, batch, generation), truth, score)
            said = [_with_flips(one, model, settings, item)]
    return measure_answers(said, settings, row, counts_words=public.pools_words)


def read_visual(
    visual: Visual, model: TransformersModel, *, num_frames: int | None = None
) -> FrameBatch:
    """The frames that are shown of a video, or the one of an image.

    Args:
        visual: the files.
        model: whose own rule samples where nothing is asked.
        num_frames: so many evenly spread frames, or all where there are fewer.

    Raises:
        InputError: it can't be read.
    """
    with open_visual(visual) as reader:
        if reader.info.is_image:
            return reader.read([0])
        times = reader.timeline.pts_seconds
        if num_frames is None:
            return reader.read(model.sample_native(reader.info, times))
        sampler = SAMPLERS.load("uniform")(num_frames=min(num_frames, len(times)))
        frames = window(reader.info, times, reader.timeline.is_keyframe)
        return reader.read(sampler.sample(frames))


def open_visual(visual: Visual) -> VideoReader:
    """A reader of a file, or of files that are frames.

    Raises:
        InputError: it can't be opened.
    """
    if isinstance(visual, Frames):
        return FrameFolder(visual.paths, fps=visual.fps)
    return open_video(visual)


def _with_flips(said: Said, model: TransformersModel, settings: SetSettings, item: SetItem) -> Said:
    """The answer, a wrong yes or no also with progressive deletion until it flips."""
    if not isinstance(item.truth, YesNoTruth) or not FLIP_METRICS.intersection(settings.metrics):
        return said
    answer, probe = said.probe.generation.answer, said.probe
    asked = ShapeQuestion("presence", item.question, "", is_negative=not item.truth.is_there)
    opposite = opposite_of(answer)
    if group_of(asked, answer) not in WRONG or opposite is None:
        return said
    ask, options = [Message("user", item.question)], settings.generation_options()
    other = model.generate(probe.batches, ask, options=options, answer=opposite)
    turns = Opposite(
        MaskedScorer(probe, "mean", [0]),
        MaskedScorer(Probe(model, probe.batches, other), "mean", [0]),
    )
    return replace(said, score=partial(_score_flip, turns=turns, steps=settings.steps))


def _score_flip(
    maps: FloatArray,
    truth: AnswerTruth,
    metrics: Iterable[str],
    /,
    *,
    turns: Turns,
    steps: int,
) -> WordValues:
    """Flip area of a wrong answer, cells deleted in the order of the map of its yes or no."""
    heat = explained_map(maps, truth)
    if heat is None:
        return {}
    area = np.array([first_flip(heat, turns, steps=steps)])
    found = {"amcr": average_minimal_correction(area), "csr": correction_success_rate(area)}
    return {name: [found[name]] for name in metrics if name in found}
