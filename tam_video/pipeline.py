"""One explanation, from a file to a value.

read -> sample -> generate -> activate -> join words. No branch on a model's name.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeAlias, Unpack

import numpy as np

from tam_video.config import RunConfig, make_config
from tam_video.errors import ConfigError
from tam_video.methods import METHODS
from tam_video.methods.answer_maps import AnswerMaps, answer_maps
from tam_video.models import (
    GenerationOptions,
    VideoModel,
    check_conversation,
    load_model,
    read_layers,
)
from tam_video.models.conversation import assign_inputs
from tam_video.samplers import SAMPLERS, FrameSampler, Window, window
from tam_video.settings.keywords import SettingKeywords
from tam_video.settings.signature import list_settings
from tam_video.stages import StageProgress, StageTimer
from tam_video.tam import join_words, word_maps
from tam_video.tam.reliance import word_reliance
from tam_video.types import (
    ExplainedInput,
    Explanation,
    FrameBatch,
    Generation,
    IntArray,
    Message,
    VideoInfo,
)
from tam_video.video.reader import (
    DEFAULT_LIMITS,
    ReadLimits,
    VideoReader,
    open_video,
)

logger = logging.getLogger(__name__)

PathLike: TypeAlias = str | Path

_PACKAGES = ("tam-video", "torch", "transformers", "av", "numpy")


@dataclass(frozen=True, slots=True, eq=False)
class SampledFrames:
    """The frames of every input that a model is shown.

    Attributes:
        batches: the frames of each input.
        warnings: the readers' fallbacks, in words.
        timings: stage -> seconds, as far as it has come.
    """

    batches: tuple[FrameBatch, ...]
    warnings: tuple[str, ...]
    timings: Mapping[str, float]


@list_settings
def explain(
    video: PathLike | Sequence[PathLike],
    question: str | None = None,
    *,
    conversation: Sequence[Message] | None = None,
    answer: str | None = None,
    model: str | VideoModel | None = None,
    config: RunConfig | None = None,
    progress: StageProgress | None = None,
    **settings: Unpack[SettingKeywords],
) -> Explanation:
    """Ask a model about a video and map every token of its answer onto the video.

    Args:
        video: a video or image file, or several: each has its own maps.
        question: one question; or give a `conversation`.
        conversation: turns that end with a user turn; see `Message.inputs` for who shows what.
        answer: explain this answer instead of generating one (teacher forcing).
        model: a loaded model, or the name that `load_model` takes; overrides `config.model`.
        config: all other settings.
        progress: called as the stages go on.
        settings: single settings by name, such as `num_frames=4`; they override `config`.

    Returns:
        The answer with a map for every token and word.

    Raises:
        ConfigError: settings, question or conversation that make no sense.
        InputError: the video can't be read.
        ModelError: the model can't be loaded, is unsupported, or fails.
    """
    chosen = make_config(settings, base=config)
    if isinstance(model, str):
        chosen = chosen.model_copy(update={"model": model})
    paths = video_paths(video)
    turns = build_conversation(question, conversation, num_inputs=len(paths))
    METHODS.load(chosen.method)  # a wrong name is told before the model is loaded
    stages = StageTimer(progress)
    with ExitStack() as stack:
        readers = _opened(paths, chosen, stack, stages)
        with stages.stage("load model"):
            loaded = (
                load_model_from_config(chosen) if model is None or isinstance(model, str) else model
            )
        frames = _read(readers, chosen, loaded, stages)
    return explain_frames(
        frames, turns, model=loaded, settings=chosen, answer=answer, progress=progress
    )


def read_frames(
    video: PathLike | Sequence[PathLike],
    *,
    model: VideoModel,
    settings: RunConfig,
    limits: ReadLimits = DEFAULT_LIMITS,
    progress: StageProgress | None = None,
) -> SampledFrames:
    """The first half of `explain`: the frames that the model will see.

    Args:
        video: a video or image file, or several.
        model: tells which frames it wants, where the settings leave it to the model.
        settings: how frames are chosen.
        limits: what a file may declare before it is refused.
        progress: called as the stages go on.

    Raises:
        ConfigError: settings that make no sense, or more frames than `settings.max_frames`.
        InputError: a file can't be read, or is refused.
    """
    stages = StageTimer(progress)
    with ExitStack() as stack:
        readers = _opened(video_paths(video), settings, stack, stages, limits=limits)
        return _read(readers, settings, model, stages)


def frames_of(
    readers: Sequence[VideoReader],
    *,
    model: VideoModel,
    settings: RunConfig,
    progress: StageProgress | None = None,
) -> SampledFrames:
    """What `read_frames` gives, of files that are open already and stay so.

    Args:
        readers: one of each input; a long video is opened once and read part by part.
        model: tells which frames it wants, where the settings leave it to the model.
        settings: how frames are chosen.
        progress: called as the stages go on.

    Raises:
        ConfigError: settings that make no sense, or more frames than `settings.max_frames`.
        InputError: a file can't be read.
    """
    return _read(readers, settings, model, StageTimer(progress))


def explain_frames(
    frames: SampledFrames,
    turns: Sequence[Message],
    *,
    model: VideoModel,
    settings: RunConfig,
    answer: str | None = None,
    progress: StageProgress | None = None,
) -> Explanation:
    """The second half of `explain`: ask about frames, and map every token of the answer onto them.

    Args:
        frames: what `read_frames` gave; may be asked about again.
        turns: the conversation; see `build_conversation`.
        model: the model.
        settings: how the answer is made and read.
        answer: explain this answer instead of generating one.
        progress: called as the stages go on.

    Raises:
        ConfigError: the conversation or the answer can't be asked.
        ModelError: the model fails.
    """
    stages = StageTimer(progress, dict(frames.timings))
    with stages.stage("generate"):
        generation = model.generate(
            frames.batches, turns, options=_options(settings), answer=answer
        )
    with stages.stage("activate"):
        found = answer_maps(
            model,
            frames.batches,
            generation,
            method=settings.method,
            profile=settings.profile,
            seed=settings.seed,
        )
        result = _explanation(frames.batches, generation, found)
    return replace(
        result,
        settings=_recorded(settings, model, answer=answer),
        versions=_versions(),
        timings=stages.seconds,
        warnings=(*frames.warnings, *model.warnings),
    )


def build_conversation(
    question: str | None, conversation: Sequence[Message] | None, *, num_inputs: int
) -> tuple[Message, ...]:
    """One question or a conversation as checked turns that show every input once.

    Raises:
        ConfigError: none or both are given, or they don't fit the inputs.
    """
    if (question is None) == (conversation is None):
        raise ConfigError("give a question or a conversation, one of them", hint="-q TEXT")
    if not num_inputs:
        raise ConfigError("there is no video or image to explain", hint="give one file or several")
    turns = check_conversation(conversation or (Message("user", question or ""),))
    return assign_inputs(turns, num_inputs=num_inputs)


def load_model_from_config(settings: RunConfig) -> VideoModel:
    """Load the model that the settings name.

    Raises:
        ModelError: it can't be loaded, or is unsupported.
        ConfigError: an option that makes no sense.
    """
    return load_model(
        settings.model,
        revision=settings.revision,
        dtype=settings.dtype,
        device=settings.device,
        device_map=settings.device_map,
        attn_implementation=settings.attn_implementation,
        allow_pickle=settings.allow_pickle,
    )


def video_paths(video: PathLike | Sequence[PathLike]) -> tuple[Path, ...]:
    """One path or several as a tuple."""
    given = (video,) if isinstance(video, str | Path) else video
    return tuple(Path(path) for path in given)


def _opened(
    paths: Sequence[Path],
    settings: RunConfig,
    stack: ExitStack,
    stages: StageTimer,
    *,
    limits: ReadLimits = DEFAULT_LIMITS,
) -> list[VideoReader]:
    with stages.stage("open"):
        return [
            stack.enter_context(open_video(path, reader=settings.reader, limits=limits))
            for path in paths
        ]


def _read(
    readers: Sequence[VideoReader], settings: RunConfig, model: VideoModel, stages: StageTimer
) -> SampledFrames:
    """The frames of each input that the model sees.

    Raises:
        ConfigError: more frames than `max_frames`, which would not fit a model or the memory.
    """
    with stages.stage("read"):
        chosen = _chosen_frames(readers, settings, model)
        sizes = [
            _frame_size(reader.info, len(indices), settings, model)
            for reader, indices in zip(readers, chosen, strict=True)
        ]
        batches = tuple(
            reader.read(indices)
            if size is None
            else reader.read_scaled(indices, height=size[0], width=size[1])
            for reader, indices, size in zip(readers, chosen, sizes, strict=True)
        )
    warnings = [said for reader in readers for said in reader.warnings]
    videos = [size for reader, size in zip(readers, sizes, strict=True) if not reader.info.is_image]
    if settings.frame_size == "processor" and None in videos:
        warnings.append(
            f"frames are read in the source's size: {model.family} does not make whole frames"
            " smaller, or by a rule that is not known"
        )
    return SampledFrames(batches, tuple(warnings), stages.seconds)


def _chosen_frames(
    readers: Sequence[VideoReader], settings: RunConfig, model: VideoModel
) -> list[IntArray]:
    chosen = [_sample(reader, settings, model) for reader in readers]
    total = sum(map(len, chosen))
    if total > settings.max_frames:
        raise ConfigError(
            f"{total} frames were sampled, the limit is {settings.max_frames}",
            hint="use --num-frames, choose a part (--start/--end), or raise --max-frames",
        )
    return chosen


def _frame_size(
    info: VideoInfo, num_frames: int, settings: RunConfig, model: VideoModel
) -> tuple[int, int] | None:
    """(height, width) to read an input's frames in; None for the source's."""
    if settings.frame_size == "source" or info.is_image:
        return None
    return model.frame_size(info, num_frames)


def _sample(reader: VideoReader, settings: RunConfig, model: VideoModel) -> IntArray:
    """Frame numbers to read of one input; a still picture has its one, whatever is asked."""
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
    """The asked sampler, given those of the options that it has a field for.

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
    given = {name: value for name, value in options.items() if name in known and value is not None}
    made: FrameSampler = sampler(**given)
    return made


def _options(settings: RunConfig) -> GenerationOptions:
    mixes = settings.profile == "default" and settings.method == "tam"
    layer, mixed = read_layers(settings.layer, mixes=mixes)
    return GenerationOptions(
        max_new_tokens=settings.max_new_tokens,
        do_sample=settings.do_sample,
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=settings.top_k,
        seed=settings.seed,
        num_candidates=settings.num_candidates,
        layer=layer,
        mixed_layers=mixed,
        logits=settings.logits,
        class_ids="reference" if settings.profile == "reference" else "own",
    )


def _explanation(
    batches: Sequence[FrameBatch],
    generation: Generation,
    found: AnswerMaps,
) -> Explanation:
    words = join_words(generation.tokens)
    inputs = [
        ExplainedInput(
            info=batch.info,
            indices=batch.indices,
            pts_seconds=batch.pts_seconds,
            layout=layout,
            maps=maps,
            word_maps=word_maps(maps, words),
        )
        for batch, layout, maps in zip(batches, generation.layouts, found.maps, strict=True)
    ]
    first = {item.name: getattr(inputs[0], item.name) for item in fields(ExplainedInput)}
    return Explanation(
        conversation=generation.conversation,
        answer=generation.answer,
        tokens=generation.tokens,
        words=words,
        text_scores=found.text_scores,
        others=tuple(inputs[1:]),
        visual_reliance=word_reliance(generation, words),
        **first,
    )


def _recorded(settings: RunConfig, model: VideoModel, *, answer: str | None) -> dict[str, object]:
    """The settings as JSON values, with what they came to."""
    return {
        **settings.model_dump(mode="json"),
        "model": model.name,
        "family": model.family,
        "dtype": model.dtype,
        "device": model.device,
        "sampler": settings.resolved_sampler(),
        "answer_given": answer is not None,
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
