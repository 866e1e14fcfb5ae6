"""Explain a long video window by window, and write an annotated video and a report.

Only one window is in memory at a time. Each is written as soon as it is explained; a run that was
stopped continues with the rest.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tam_video.config import RunConfig
from tam_video.errors import ConfigError, InputError, ModelError
from tam_video.export.document import calibration_row, read_explanation
from tam_video.export.manifest import replace_files, verify_run
from tam_video.long.document import (
    ANSWERS,
    CAPTIONS,
    FILM,
    LONG_VIDEO,
    REPORT,
    SURVEY,
    TIMELINE,
    TIMELINE_VERSION,
    LongResult,
    WindowResult,
    answer_cues,
    result_files,
    window_dir,
    window_row,
)
from tam_video.long.film import Film, check_layout
from tam_video.long.gate import ActiveSpan
from tam_video.long.survey import VideoPart, check_scene_library, survey
from tam_video.long.windows import LongOptions, VideoWindow, plan_windows, stretches
from tam_video.methods import METHODS
from tam_video.models import VideoModel
from tam_video.pipeline import build_conversation, explain_frames, load_model_from_config
from tam_video.profiles.resolve import (
    ResolvedProfile,
    calibrated_profile,
    calibration_of,
    planned_profile,
)
from tam_video.render.subtitles import write_vtt
from tam_video.report.page import long_page
from tam_video.report.writing import write_report_files
from tam_video.runs import OUTPUTS, RunExtras, default_run_dir, render_options, write_run
from tam_video.samplers import SAMPLERS
from tam_video.sampling import read_inputs
from tam_video.stages import StageProgress, StageTimer
from tam_video.types import Message
from tam_video.video.reader import DEFAULT_LIMITS, ReadLimits, VideoReader, checked_path, open_video
from tam_video.video.source import file_fingerprint
from tam_video.workspace.files import atomic_write, wrap_os_errors
from tam_video.workspace.workspace import Workspace, remove

logger = logging.getLogger(__name__)

_INDEX_URL = f"../../{REPORT}"
_ANSWERS_NOTE = "NOTE Each answer stands at the window of the source that it was given for."


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
    """Explain each window with motion in a long video, and write one timeline.

    Args:
        video: a video file.
        folder: the output folder; one of the same job is resumed.
        question: one question; or give a `conversation`, turns that end with a user turn.
        conversation: see `question`.
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
    resolved = _planned(config or RunConfig(), model, Path(folder), chosen, force=force)
    settings = resolved.config
    turns = build_conversation(question, conversation, num_inputs=1)
    path, stages = checked_path(video), StageTimer(progress)
    identity = {
        "video": file_fingerprint(path),
        "settings": settings.model_dump(mode="json"),
        "options": asdict(chosen),
        "turns": [asdict(turn) for turn in turns],
    }
    with ExitStack() as stack:
        opened = Workspace.opened(Path(folder), LONG_VIDEO, identity, force=force)
        workspace = stack.enter_context(opened)
        with stages.stage("open"):
            reader = stack.enter_context(open_video(path, reader=settings.reader, limits=limits))
        if reader.info.is_image:
            raise ConfigError(f"{path.name} is an image, not a video", hint="omit --window")
        part = VideoPart.of(reader, settings)
        notes = resolved.notices
        work = _LongWork(reader, workspace, settings, chosen, turns, limits, stages, part, notes)
        return work.run(model, verify=verify)


def _planned(
    config: RunConfig,
    model: str | VideoModel | None,
    folder: Path,
    options: LongOptions,
    *,
    force: bool,
) -> ResolvedProfile:
    """Check the settings, and resolve the profile or read the profile that an earlier run used."""
    settings, path = _checked(config, model, options), folder / LONG_VIDEO.settings_file
    with wrap_os_errors(path):
        recorded = path.read_bytes() if path.is_file() and not force else None
    return planned_profile(settings, recorded, None if isinstance(model, str) else model)


def _checked(
    settings: RunConfig, model: str | VideoModel | None, options: LongOptions
) -> RunConfig:
    """Check the settings before the video is read, and return them with the model name."""
    if options.windows.by_scene:
        check_scene_library()
    if settings.timestamps:
        raise ConfigError(
            "'timestamps' selects frames from the whole video and can't be used with windows",
            hint="pass --num-frames or --fps instead",
        )
    SAMPLERS.load(settings.resolved_sampler())
    METHODS.load(settings.method)
    check_layout(render_options(settings))
    if model is None:
        return settings
    return settings.model_copy(update={"model": model if isinstance(model, str) else model.name})


def default_long_dir(
    video: Path, config: RunConfig, turns: Sequence[Message], options: LongOptions
) -> Path:
    """Return the default folder, `tam_runs/<stem>-<hash>`. Equal jobs have the same folder.

    Raises:
        VideoOpenError: the video can't be read.
    """
    folder = default_run_dir(video, config, turns, answer=None)
    key = hashlib.sha256(repr(options).encode()).hexdigest()[:4]
    return folder.with_name(f"{folder.name}-{key}")


@dataclass(frozen=True, slots=True, eq=False)
class _LongWork:
    """A long video that is being explained. Times are seconds from its first frame."""

    reader: VideoReader
    workspace: Workspace
    settings: RunConfig
    options: LongOptions
    turns: Sequence[Message]
    limits: ReadLimits
    stages: StageTimer
    part: VideoPart
    notices: tuple[str, ...] = ()

    def run(self, model: str | VideoModel | None, *, verify: bool = False) -> LongResult:
        """Explain the windows that are not finished, and write the results; see `explain_long`."""
        timeline = self.workspace.read_json(TIMELINE)
        if timeline is not None and all(
            row["status"] == "done"
            and verify_run(self.workspace.folder / row["run"], hashes=verify)
            for row in timeline["windows"]
        ):
            return self._result(timeline, tuple(map(self._result_of, timeline["windows"])))
        surveyed = self.workspace.read_json(SURVEY)
        if surveyed is None:
            surveyed = survey(
                self.reader, self.part, self.options, limits=self.limits, stages=self.stages
            )
            self.workspace.write_json(SURVEY, surveyed)
        results = tuple(self._explain(self._windows(surveyed), model, verify=verify))
        if results and all(each.error is not None for each in results):
            raise next(each.error for each in results if each.error is not None)
        return self._combine(surveyed, results)

    def _windows(self, surveyed: Mapping[str, Any]) -> list[VideoWindow]:
        """Return the windows that contain at least one frame."""
        gate = surveyed["gate"]
        spans = None if gate is None else [ActiveSpan(**each) for each in gate["spans"]]
        planned = plan_windows(
            self.part.start_seconds,
            self.part.end_seconds,
            options=self.options.windows,
            spans=spans,
            borders=surveyed["scenes"],
        )
        pts = self.reader.timeline.pts_seconds - self.part.zero_seconds
        return [
            each
            for each in planned
            if np.searchsorted(pts, each.start_seconds) < np.searchsorted(pts, each.end_seconds)
        ]

    def _explain(
        self, windows: Sequence[VideoWindow], model: str | VideoModel | None, *, verify: bool
    ) -> Iterator[WindowResult]:
        loaded = None if isinstance(model, str) else model
        for number, window in enumerate(windows):
            self.stages.report("window", number, len(windows))
            run_dir = window_dir(self.workspace.folder, window)
            if verify_run(run_dir, hashes=verify):
                answer = read_explanation(run_dir).answer
                yield WindowResult(window, run_dir, answer, is_resumed=True)
            else:
                if loaded is None:
                    with self.stages.stage("load model"):
                        loaded = load_model_from_config(self.settings)
                yield self._explain_window(window, run_dir, loaded)
            self.stages.report("window", number + 1, len(windows))

    def _explain_window(
        self, window: VideoWindow, run_dir: Path, model: VideoModel
    ) -> WindowResult:
        """Explain one window, write its run folder, and return the result or the error."""
        part = {"start_seconds": window.start_seconds, "end_seconds": window.end_seconds}
        settings = self.settings.model_copy(update={**part, "render": False})
        try:
            frames = read_inputs([self.reader], settings, model, StageTimer(None))
            explanation = explain_frames(frames, self.turns, model=model, settings=settings)
        except (InputError, ModelError) as exc:
            logger.warning("window %d failed: %s", window.index, exc.message)
            return WindowResult(window, None, error=exc)
        with wrap_os_errors(run_dir):
            remove(run_dir)  # a damaged one
        write_run(
            explanation,
            self.reader.info.path,
            run_dir,
            settings=settings,
            outputs=OUTPUTS if self.options.report else OUTPUTS - {"report"},
            extras=RunExtras(report_sources=(self.reader,), index_url=_INDEX_URL),
        )
        return WindowResult(window, run_dir, explanation.answer)

    def _combine(
        self, surveyed: Mapping[str, Any], results: tuple[WindowResult, ...]
    ) -> LongResult:
        done = {each.window.index: each.run_dir for each in results if each.run_dir is not None}
        windows = [each.window for each in results if each.window.index in done]
        part = (self.part.start_seconds, self.part.end_seconds)
        whole = part if self.options.film == "whole" else None
        document = self._document(surveyed, results)
        if done:
            cues = answer_cues(results, stretches(windows))
            write_vtt(self.workspace.folder / ANSWERS, cues, note=_ANSWERS_NOTE)
        if done and self.settings.render:
            look = render_options(self.settings)
            film = Film(self.reader, stretches(windows, whole=whole), done, look=look)
            with self.stages.stage("render"):
                film.write(
                    self.workspace.folder / FILM,
                    self.workspace.folder / CAPTIONS,
                    progress=partial(self.stages.report, "render"),
                )
            document["film"] = film.rows()
        if self.options.report:
            with self.stages.stage("report"):
                self._write_pages(document, done)
        self.workspace.write_json(TIMELINE, document)
        return self._result(document, results)

    def _document(
        self, surveyed: Mapping[str, Any], results: Sequence[WindowResult]
    ) -> dict[str, Any]:
        info = self.reader.info
        return {
            "timeline_version": TIMELINE_VERSION,
            "video": {
                "name": info.path.name,
                "duration_seconds": info.duration_seconds,
                "container_start_seconds": self.part.zero_seconds,
                "width": info.width,
                "height": info.height,
                "num_frames": info.num_frames,
            },
            "conversation": [{"role": each.role, "text": each.text} for each in self.turns],
            "question": self.turns[-1].text,
            "settings": self.settings.model_dump(mode="json"),
            "calibration": calibration_row(calibration_of(calibrated_profile(self.settings))),
            "windowing": asdict(self.options.windows),
            "gate": surveyed["gate"],
            "scenes": surveyed["scenes"],
            "nothing_moved": surveyed["gate"] is not None and not surveyed["gate"]["spans"],
            "windows": [window_row(each, folder=self.workspace.folder) for each in results],
            "film": [],
            "warnings": [*self.reader.warnings, *self.notices],
            "version": version("tam-video"),
        }

    def _write_pages(self, document: Mapping[str, Any], run_dirs: Mapping[int, Path]) -> None:
        for number, run_dir in enumerate(run_dirs.values()):
            self.stages.report("report", number, len(run_dirs))
            if not (run_dir / REPORT).is_file():  # version 0.1 wrote the reports at the end
                with replace_files(run_dir) as temporary:
                    explanation = read_explanation(run_dir)
                    write_report_files(explanation, [self.reader], temporary, index_url=_INDEX_URL)
        atomic_write(self.workspace.folder / REPORT, long_page(document).encoded())

    def _result_of(self, row: Mapping[str, Any]) -> WindowResult:
        window = VideoWindow(row["index"], row["start_seconds"], row["end_seconds"])
        run_dir = self.workspace.folder / row["run"]
        return WindowResult(window, run_dir, row["answer"], is_resumed=True)

    def _result(self, document: Mapping[str, Any], results: tuple[WindowResult, ...]) -> LongResult:
        files, warnings = result_files(self.workspace.folder), tuple(document["warnings"])
        return LongResult(self.workspace.folder, document, results, files, warnings)
