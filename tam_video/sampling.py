"""Open video files, choose frames and read the frames for the model.

No branch on a model's name: a model chooses frames and sizes only through `VideoModel`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeAlias

import numpy as np

from tam_video.config import RunConfig
from tam_video.errors import ConfigError, VideoOpenError
from tam_video.models import VideoModel
from tam_video.samplers import SAMPLERS, FrameSampler, Window, window
from tam_video.stages import StageProgress, StageTimer
from tam_video.types import ExplainedInput, FrameBatch, IntArray, VideoInfo
from tam_video.video.reader import (
    DEFAULT_LIMITS,
    ReadLimits,
    VideoReader,
    open_video,
)
from tam_video.video.source import file_fingerprint

PathLike: TypeAlias = str | Path


@dataclass(frozen=True, slots=True, eq=False)
class SampledFrames:
    """The frames that a model receives for each input.

    Attributes:
        batches: the frames of each input.
        warnings: the readers' fallbacks, in words.
        timings: stage -> seconds, for the stages so far.
        fingerprints: `file_fingerprint` of the file of each input; empty if unknown.
    """

    batches: tuple[FrameBatch, ...]
    warnings: tuple[str, ...]
    timings: Mapping[str, float]
    fingerprints: tuple[str, ...] = ()


def read_frames(
    video: PathLike | Sequence[PathLike],
    *,
    model: VideoModel,
    settings: RunConfig,
    limits: ReadLimits = DEFAULT_LIMITS,
    progress: StageProgress | None = None,
) -> SampledFrames:
    """Choose and read the frames for the model. `explain` does this first.

    Args:
        video: a video or image file, or several.
        model: chooses the frames if the settings leave the choice to the model.
        settings: how frames are chosen.
        limits: what a file may declare before it is refused.
        progress: called with the stages "open" and "read".

    Raises:
        ConfigError: settings that make no sense, or more frames than `settings.max_frames`.
        InputError: a file can't be read, or is refused.
    """
    stages = StageTimer(progress)
    with ExitStack() as stack:
        readers = open_inputs(video_paths(video), settings, stack, stages, limits=limits)
        return read_inputs(readers, settings, model, stages)


def video_paths(video: PathLike | Sequence[PathLike]) -> tuple[Path, ...]:
    """Return one or several paths as a tuple of `Path`."""
    paths = (video,) if isinstance(video, str | Path) else video
    return tuple(Path(path) for path in paths)


def open_inputs(
    paths: Sequence[Path],
    settings: RunConfig,
    stack: ExitStack,
    stages: StageTimer,
    *,
    limits: ReadLimits = DEFAULT_LIMITS,
) -> list[VideoReader]:
    """Open a reader for each video or image; `stack` closes the readers.

    Raises:
        InputError: a file can't be opened, or is refused.
    """
    with stages.stage("open"):
        return [
            stack.enter_context(open_video(path, reader=settings.reader, limits=limits))
            for path in paths
        ]


def read_inputs(
    readers: Sequence[VideoReader], settings: RunConfig, model: VideoModel, stages: StageTimer
) -> SampledFrames:
    """Read each input's frames for the model; the readers stay open.

    Args:
        readers: one per input; a long video is opened once and read part by part.
        settings: how frames are chosen.
        model: chooses the frames if the settings leave the choice to the model.
        stages: times the stage "read".

    Raises:
        ConfigError: settings that make no sense, or more frames than `settings.max_frames`.
        InputError: a file can't be read.
    """
    with stages.stage("read"):
        chosen = _chosen_frames(readers, settings, model)
        sizes = [
            _frame_size(reader.info, len(indices), settings, model)
            for reader, indices in zip(readers, chosen, strict=True)
        ]
        batches = tuple(
            _read(reader, indices, size)
            for reader, indices, size in zip(readers, chosen, sizes, strict=True)
        )
        fingerprints = tuple(video_fingerprint(reader.info.path) for reader in readers)
    warnings = [line for reader in readers for line in reader.warnings]
    videos = [size for reader, size in zip(readers, sizes, strict=True) if not reader.info.is_image]
    if settings.frame_size == "processor" and None in videos:
        warnings.append(
            f"frames are read in the source's size: {model.family} does not make whole frames"
            " smaller, or by a rule that is not known"
        )
    return SampledFrames(batches, tuple(warnings), stages.seconds, fingerprints)


def read_again(
    inputs: Sequence[ExplainedInput],
    paths: Sequence[Path],
    *,
    model: VideoModel,
    settings: RunConfig,
) -> tuple[FrameBatch, ...]:
    """Read the frames that a model was given in a finished run.

    Args:
        inputs: the inputs of the run.
        paths: their files, known to be what was explained.
        model: the model of the run, which chooses the size of frames if the settings say so.
        settings: the settings of the run.

    Raises:
        InputError: a file can't be read.
    """
    batches = []
    for explained, path in zip(inputs, paths, strict=True):
        with open_video(path, reader=settings.reader) as reader:
            size = _frame_size(reader.info, len(explained.indices), settings, model)
            batches.append(_read(reader, explained.indices, size))
    return tuple(batches)


def video_fingerprint(path: Path) -> str:
    """Return the `file_fingerprint` of a video.

    Raises:
        VideoOpenError: it can't be read.
    """
    try:
        return file_fingerprint(path)
    except OSError as exc:
        raise VideoOpenError(
            f"can't open {path}: {exc.strerror or exc}", hint="check the path"
        ) from exc


def _chosen_frames(
    readers: Sequence[VideoReader], settings: RunConfig, model: VideoModel
) -> list[IntArray]:
    chosen = [_sample(reader, settings, model) for reader in readers]
    total = sum(map(len, chosen))
    if total > settings.max_frames:
        raise ConfigError(
            f"{total} frames were sampled, but the limit is {settings.max_frames}",
            hint="lower --num-frames, select a part with --start and --end, or raise --max-frames",
        )
    return chosen


def _frame_size(
    info: VideoInfo, num_frames: int, settings: RunConfig, model: VideoModel
) -> tuple[int, int] | None:
    """Return the (height, width) to scale an input's frames to, or None to keep the source size."""
    if settings.frame_size == "source" or info.is_image:
        return None
    return model.frame_size(info, num_frames)


def _read(reader: VideoReader, indices: IntArray, size: tuple[int, int] | None) -> FrameBatch:
    """Read frames, scaled to (height, width) if a size is given."""
    if size is None:
        return reader.read(indices)
    return reader.read_scaled(indices, height=size[0], width=size[1])


def _sample(reader: VideoReader, settings: RunConfig, model: VideoModel) -> IntArray:
    """Choose the frame numbers to read from one input; a still image has one frame."""
    if reader.info.is_image:
        return np.zeros(1, dtype=np.int64)
    frames = window(
        reader.info,
        reader.timeline.pts_seconds,
        reader.timeline.is_keyframe,
        start_seconds=settings.start_seconds,
        end_seconds=settings.end_seconds,
    )
    return _sampler(settings, model).sample(frames)


def _sampler(settings: RunConfig, model: VideoModel) -> FrameSampler:
    """Create the configured sampler with the options that match its fields.

    Raises:
        ConfigError: no such sampler, or an option that it needs is missing.
    """

    def rule(frames: Window) -> IntArray:
        return frames.indices[model.sample_native(frames.info, frames.pts_seconds)]

    sampler = SAMPLERS.load(settings.resolved_sampler())
    options = {
        "num_frames": settings.num_frames,
        "fps": settings.fps,
        "seconds": settings.timestamps or None,
        "rule": rule,
    }
    known = {item.name for item in fields(sampler)}
    used = {name: value for name, value in options.items() if name in known and value is not None}
    configured: FrameSampler = sampler(**used)
    return configured
