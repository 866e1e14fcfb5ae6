"""Explain a long video: motion gate, windows, answers, one annotated video, one report."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from tam_video.config import RunConfig
from tam_video.errors import ConfigError
from tam_video.long.document import LONG_VIDEO, LongResult
from tam_video.long.film import check_layout
from tam_video.long.survey import check_scene_library
from tam_video.long.windows import LongOptions
from tam_video.long.work import LongWork
from tam_video.methods import METHODS
from tam_video.models import VideoModel
from tam_video.pipeline import build_conversation
from tam_video.runs import default_run_dir, render_options
from tam_video.samplers import SAMPLERS
from tam_video.stages import StageProgress, StageTimer
from tam_video.types import Message
from tam_video.video.reader import DEFAULT_LIMITS, ReadLimits, checked_path, open_video
from tam_video.video.source import file_fingerprint
from tam_video.workspace.workspace import Workspace


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
    verify: bool = False,
    progress: StageProgress | None = None,
) -> LongResult:
    """Explain every window of a long video that contains motion, and write one timeline.

    Args:
        video: a video file.
        folder: the output folder; one of the same job is resumed.
        question: one question; or give a `conversation`.
        conversation: turns that end with a user turn.
        model: a loaded model, or the name that `load_model` takes; overrides `config.model`.
        config: all other settings; its start and end choose a part of the video.
        options: windows, gate, and what is written.
        limits: what the file may declare before it is refused.
        force: start over in a folder of a long video.
        verify: compare the hashes of finished windows, not only the sizes of their files.
        progress: called with the stage, the steps done and their total.

    Returns:
        The result. Without windows nothing moved, and no model was loaded.

    Raises:
        ConfigError: invalid settings or no question; another process works in the folder.
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
    identity = {
        "video": file_fingerprint(path),
        "settings": {**settings.model_dump(mode="json"), "model": named},
        "options": asdict(chosen),
        "turns": [asdict(turn) for turn in turns],
    }
    with ExitStack() as stack:
        opened = Workspace.opened(Path(folder), LONG_VIDEO, identity, force=force)
        workspace = stack.enter_context(opened)
        with stages.stage("open"):
            reader = stack.enter_context(open_video(path, reader=settings.reader, limits=limits))
        if reader.info.is_image:
            raise ConfigError(f"{path.name} is a picture", hint="leave --window out")
        work = LongWork(reader, workspace, settings, chosen, turns, limits=limits, stages=stages)
        return work.run(model, verify=verify)


def _checked(settings: RunConfig, model: str | VideoModel | None) -> RunConfig:
    """Check the settings before anything is read.

    Raises:
        ConfigError: an unknown name, or settings that windows cannot have.
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
    """Return `tam_runs/<stem>-<hash>`; the same job has the same folder.

    Raises:
        VideoOpenError: the video can't be read.
    """
    folder = default_run_dir(video, config, turns, answer=None)
    key = hashlib.sha256(repr(options).encode()).hexdigest()[:4]
    return folder.with_name(f"{folder.name}-{key}")
