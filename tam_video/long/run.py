"""A long video, from a file to one timeline: gate, windows, answers, one film, one page."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from tam_video.config import RunConfig
from tam_video.errors import ConfigError
from tam_video.long.film import check_layout
from tam_video.long.folder import LongFolder
from tam_video.long.scenes import check_scene_library
from tam_video.long.work import LongOptions, LongResult, LongWork
from tam_video.methods import METHODS
from tam_video.models import VideoModel
from tam_video.pipeline import build_conversation
from tam_video.runs import default_run_dir, render_options
from tam_video.samplers import SAMPLERS
from tam_video.stages import StageProgress, StageTimer
from tam_video.types import Message
from tam_video.video.reader import DEFAULT_LIMITS, ReadLimits, checked_path, open_video
from tam_video.video.source import file_fingerprint


def explain_long(
    video: str | Path,
    folder: str | Path,
    question: str | None = None,
    *,
    conversation: Sequence[Message] | None = None,
    model: str | VideoModel | None = None,
    config: RunConfig | None = None,
    options: LongOptions | None = None,
    limits: ReadLimits = DEFAULT_LIMITS,
    force: bool = False,
    progress: StageProgress | None = None,
) -> LongResult:
    """Ask about every window of a long video where something moves, and write one timeline.

    Args:
        video: a video file.
        folder: what is written; a folder of the same job is gone on with.
        question: one question; or give a `conversation`.
        conversation: turns that end with a user turn.
        model: a loaded model, or the name that `load_model` takes; overrides `config.model`.
        config: all other settings; its start and end choose a part of the video.
        options: windows, gate, and what is written.
        limits: what the file may declare before it is refused.
        force: begin again where the folder holds a long video.
        progress: called as the work goes on.

    Returns:
        What was found. Nothing moved where it has no windows; then no model was loaded.

    Raises:
        ConfigError: settings or a question that make no sense.
        InputError: the video can't be read.
        ModelError: the model can't be loaded, or failed at every window.
        OutputError: the folder holds something else, or can't be written.
    """
    chosen = options or LongOptions()
    if chosen.windows.by_scene:
        check_scene_library()
    settings = _checked(config or RunConfig(), model)
    turns = build_conversation(question, conversation, num_inputs=1)
    path, stages = checked_path(video), StageTimer(progress)
    named = model.name if model is not None and not isinstance(model, str) else settings.model
    asked = {
        "video": file_fingerprint(path),
        "settings": {**settings.model_dump(mode="json"), "model": named},
        "options": asdict(chosen),
        "turns": [asdict(turn) for turn in turns],
    }
    with ExitStack() as stack:
        place = stack.enter_context(LongFolder.opened(Path(folder), asked, force=force))
        with stages.stage("open"):
            opened = open_video(path, reader=settings.reader, limits=limits)
            reader = stack.enter_context(opened)
        if reader.info.is_image:
            raise ConfigError(f"{path.name} is a picture", hint="leave --window out")
        work = LongWork(reader, place, settings, chosen, turns, limits, stages)
        return work.run(model)


def _checked(settings: RunConfig, model: str | VideoModel | None) -> RunConfig:
    """The settings, wrong names told before anything is read.

    Raises:
        ConfigError: a name that is unknown, or settings that no window can have.
    """
    if settings.timestamps:
        raise ConfigError(
            "timestamps choose frames of one clip, not of windows", hint="--num-frames or --fps"
        )
    SAMPLERS.load(settings.resolved_sampler())
    METHODS.load(settings.method)
    check_layout(render_options(settings))
    return settings.model_copy(update={"model": model} if isinstance(model, str) else {})


def default_long_dir(
    video: Path, config: RunConfig, turns: Sequence[Message], options: LongOptions
) -> Path:
    """`tam_runs/<stem>-<hash>`: the same job has the same folder.

    Raises:
        VideoOpenError: the video can't be read.
    """
    place = default_run_dir(video, config, turns, answer=None)
    key = hashlib.sha256(repr(options).encode()).hexdigest()[:4]
    return place.with_name(f"{place.name}-{key}")
