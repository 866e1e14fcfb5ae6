"""Measure every method on one item of a public data set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from tam_video.evaluation.clip import Answer, ClipJob, is_empty, measure_answers
from tam_video.evaluation.flips import Flipped, first_flip, group_of, opposite_scorer
from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.score import FLIP_METRICS, AnswerTruth, WordValues, explained_map
from tam_video.evaluation.sets.base import Frames, SetItem, Visual
from tam_video.evaluation.sets.settings import SetSettings, public_set, set_items
from tam_video.evaluation.sets.truths import YesNoTruth
from tam_video.metrics.faithfulness import average_minimal_correction, correction_success_rate
from tam_video.models.inference import TransformersModel
from tam_video.models.probing import Probe
from tam_video.samplers import SAMPLERS, window
from tam_video.types import FloatArray, FrameBatch, Message
from tam_video.video.frame_folder import FrameFolder
from tam_video.video.reader import VideoReader, open_video

WRONG = ("hallucinated", "missed")
"""Groups of answers whose flip is a correction."""


def measure_item(model: TransformersModel, settings: SetSettings, job: ClipJob) -> ClipRow:
    """Measure every method on one item."""
    item = set_items(settings, job.world)[job.number]
    public = public_set(settings.dataset)
    with public.hinted():
        batch = read_visual(item.visual, model, num_frames=settings.num_frames)
        turns, options = [Message("user", item.question)], settings.generation_options()
        generation = model.generate(batch, turns, options=options, answer=item.answer)
        row = ClipRow(
            *job, generation.answer, values={}, costs={}, item=item.name, source=item.source
        )
        answers = []
        if not is_empty(generation):
            truth, score = item.truth.of(batch, generation)
            answer = Answer(Probe(model, batch, generation), truth, score)
            answers = [_with_flips(answer, settings, item)]
    return measure_answers(answers, settings, row, counts_words=public.pools_words)


def read_visual(
    visual: Visual, model: TransformersModel, *, num_frames: int | None = None
) -> FrameBatch:
    """Read the sampled frames of a video, or the single frame of an image.

    Args:
        visual: the files.
        model: samples by its own rule where there is no `num_frames`.
        num_frames: number of evenly spread frames; all of a shorter video.
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
    """Open a video or image file, or a video that is stored as image files."""
    if isinstance(visual, Frames):
        return FrameFolder(visual.paths, fps=visual.fps)
    return open_video(visual)


def _with_flips(answer: Answer, settings: SetSettings, item: SetItem) -> Answer:
    """Return the answer. A wrong "yes" or "no" gets a score function for the flip metrics."""
    if not isinstance(item.truth, YesNoTruth) or not FLIP_METRICS.intersection(settings.metrics):
        return answer
    probe = answer.probe
    if group_of(probe.generation.answer, is_there=item.truth.is_there) not in WRONG:
        return answer
    flipped = opposite_scorer(probe, item.question, settings)
    return replace(answer, score=partial(_score_flip, flipped=flipped, steps=settings.steps))


def _score_flip(
    maps: FloatArray,
    truth: AnswerTruth,
    metrics: Iterable[str],
    /,
    *,
    flipped: Flipped,
    steps: int,
) -> WordValues:
    """Compute the flip metrics of a wrong answer by deleting cells in the order of its map."""
    heat = explained_map(maps, truth)
    if heat is None:
        return {}
    area = np.array([first_flip(heat, flipped, steps=steps)])
    values = {"amcr": average_minimal_correction(area), "csr": correction_success_rate(area)}
    return {name: [values[name]] for name in metrics if name in values}
