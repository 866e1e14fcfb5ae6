"""The work on a long video that is open: look, plan, ask window after window, put together.

One window is held at a time, so memory is flat in the length of the video; each is written as it
ends, and a run that was ended goes on with the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tam_video.config import RunConfig
from tam_video.errors import ConfigError, InputError, ModelError
from tam_video.export.document import read_explanation
from tam_video.export.manifest import replace_files
from tam_video.long.curve import MotionCurve
from tam_video.long.document import (
    TIMELINE_VERSION,
    WindowResult,
    answer_cues,
    window_row,
)
from tam_video.long.film import Film
from tam_video.long.folder import ANSWERS, CAPTIONS, FILM, REPORT, SEEN, TIMELINE, LongFolder
from tam_video.long.gate import ActiveSpan, GateOptions, Motion, looks, stream_spans
from tam_video.long.scenes import scene_borders
from tam_video.long.windows import VideoWindow, WindowOptions, plan_windows, stretches
from tam_video.models import VideoModel
from tam_video.pipeline import explain_frames, load_model_from_config
from tam_video.render.subtitles import write_vtt
from tam_video.report.page import long_page
from tam_video.report.writing import write_report_files
from tam_video.runs import OUTPUTS, RunExtras, render_options, write_run
from tam_video.sampling import read_inputs
from tam_video.stages import StageTimer
from tam_video.types import Message
from tam_video.video.reader import ReadLimits, VideoReader
from tam_video.workspace.files import atomic_write

logger = logging.getLogger(__name__)

_INDEX_URL = f"../../{REPORT}"
_ANSWERS_NOTE = "NOTE Each answer stands at the window of the source that it was given for."


@dataclass(frozen=True, slots=True)
class LongOptions:
    """How a long video is worked through.

    Attributes:
        windows: how it is cut.
        gate: what counts as motion; None to ask about every window.
        film: "windows": one annotated MP4 of the explained windows; "whole": of the whole video,
            with heat where it was explained.
        report: whether the pages are written, of each window and of all.
    """

    windows: WindowOptions = field(default_factory=WindowOptions)
    gate: GateOptions | None = field(default_factory=GateOptions)
    film: Literal["windows", "whole"] = "windows"
    report: bool = True


@dataclass(frozen=True, slots=True)
class LongResult:
    """A long video that was worked through.

    Attributes:
        folder: where everything is.
        timeline: what `timeline.json` says.
        windows: the windows, in order of time; none where nothing moved.
        files: "timeline", and where they were written "report", "video", "captions", "answers".
        warnings: what had to give, in words.
    """

    folder: Path
    timeline: Mapping[str, Any]
    windows: tuple[WindowResult, ...]
    files: Mapping[str, Path]
    warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[WindowResult, ...]:
        """The windows that failed; asked again when the same is run again."""
        return tuple(each for each in self.windows if each.error is not None)


class LongWork:
    """A long video while it is worked through. Times are seconds from its first frame."""

    def __init__(
        self,
        reader: VideoReader,
        folder: LongFolder,
        settings: RunConfig,
        options: LongOptions,
        turns: Sequence[Message],
        limits: ReadLimits,
        stages: StageTimer,
    ) -> None:
        """Make it ready.

        Args:
            reader: the video; stays open.
            folder: where everything is written.
            settings: of every window, but for its start and end.
            options: windows, gate, and what is written.
            turns: what is asked about every window.
            limits: what the file may declare.
            stages: told how the work goes on.

        Raises:
            ConfigError: the settings begin after the video's end.
        """
        self._reader, self._folder, self._settings = reader, folder, settings
        self._options, self._turns, self._limits = options, tuple(turns), limits
        self._stages = stages
        self._zero = float(reader.timeline.pts_seconds[0])
        length = reader.info.duration_seconds
        self._start = settings.start_seconds or 0.0
        if self._start >= length:
            raise ConfigError(
                f"the video ends at {length:.1f} s, before --start", hint="an earlier --start"
            )
        self._end = min(settings.end_seconds or length, length)

    def run(self, model: str | VideoModel | None) -> LongResult:
        """Do what is not done yet.

        Args:
            model: loaded, or None or a name: then it is loaded once there is something to ask.

        Raises:
            TamVideoError: see `explain_long`.
        """
        done = self._folder.read(TIMELINE)
        if done is not None and all(row["status"] == "done" for row in done["windows"]):
            return self._result(done, tuple(map(self._result_of, done["windows"])))
        seen = self._seen()
        results = tuple(self._ask(self._windows(seen), model))
        if results and all(each.error is not None for each in results):
            raise next(each.error for each in results if each.error is not None)
        return self._put_together(seen, results)

    def _seen(self) -> dict[str, Any]:
        """What gate and scene detector saw, from an earlier run where there was one.

        Returns:
            `gate`, None without one, and `scenes`, the borders.
        """
        known = self._folder.read(SEEN)
        if known is not None:
            return known
        gate, options = None, self._options.gate
        if options is not None:
            with self._stages.stage("gate"):
                gate = self._gate(options)
        borders: list[float] = []
        if self._options.windows.by_scene:
            start, end = self._part()
            path = self._reader.info.path
            with self._stages.stage("scenes"):
                found = scene_borders(
                    path, limits=self._limits, start_seconds=start, end_seconds=end
                )
                borders = [round(each - self._zero, 4) for each in found]
        document = {"gate": gate, "scenes": borders}
        self._folder.write(SEEN, document)
        return document

    def _gate(self, options: GateOptions) -> dict[str, Any]:
        curve = MotionCurve(
            start_seconds=self._zero + self._start, bin_seconds=options.slot_seconds
        )
        spans = list(stream_spans(curve.watched(self._looks(options)), options))
        return {
            "options": asdict(options),
            "num_looks": curve.num_looks,
            "spans": [
                {
                    "start_seconds": round(span.start_seconds - self._zero, 4),
                    "end_seconds": round(min(span.end_seconds - self._zero, self._end), 4),
                    "peak_share": round(span.peak_share, 5),
                }
                for span in spans
            ],
            "motion": {"start_seconds": self._start, **curve.as_dict()},
        }

    def _part(self) -> tuple[float | None, float]:
        """The part of the file that is worked on, as the container has times."""
        begin = self._zero + self._start if self._start > 0 else None
        return begin, self._zero + self._end

    def _looks(self, options: GateOptions) -> Iterator[Motion]:
        path = self._reader.info.path
        start, end = self._part()
        seen = looks(
            path, options=options, limits=self._limits, start_seconds=start, end_seconds=end
        )
        for motion in seen:
            done = int(motion.pts_seconds - self._zero - self._start)
            self._stages.report("gate", done, int(self._end - self._start))
            yield motion

    def _windows(self, seen: Mapping[str, Any]) -> list[VideoWindow]:
        """The windows that hold a frame."""
        spans, gate = None, seen["gate"]
        if gate is not None:
            spans = [
                ActiveSpan(each["start_seconds"], each["end_seconds"]) for each in gate["spans"]
            ]
        planned = plan_windows(
            self._start,
            self._end,
            options=self._options.windows,
            spans=spans,
            borders=seen["scenes"],
        )
        pts = self._reader.timeline.pts_seconds - self._zero
        return [
            each
            for each in planned
            if np.searchsorted(pts, each.start_seconds) < np.searchsorted(pts, each.end_seconds)
        ]

    def _ask(
        self, windows: Sequence[VideoWindow], model: str | VideoModel | None
    ) -> Iterator[WindowResult]:
        loaded = None if isinstance(model, str) else model
        for number, window in enumerate(windows):
            self._stages.report("window", number, len(windows))
            run_dir = self._folder.window_dir(window)
            if self._folder.is_done(run_dir):
                answer = read_explanation(run_dir).answer
                yield WindowResult(window, run_dir, answer, is_resumed=True)
            else:
                if loaded is None:
                    with self._stages.stage("load model"):
                        loaded = load_model_from_config(self._settings)
                yield self._asked(window, run_dir, loaded)
            self._stages.report("window", number + 1, len(windows))

    def _asked(self, window: VideoWindow, run_dir: Path, model: VideoModel) -> WindowResult:
        """Explain one window and write its run folder, or tell why that can't be done."""
        settings = self._settings.model_copy(
            update={
                "start_seconds": window.start_seconds,
                "end_seconds": window.end_seconds,
                "render": False,
            }
        )
        try:
            frames = read_inputs([self._reader], settings, model, StageTimer(None))
            explanation = explain_frames(frames, self._turns, model=model, settings=settings)
        except (InputError, ModelError) as exc:
            logger.warning("window %d failed: %s", window.index, exc.message)
            return WindowResult(window, None, error=exc)
        write_run(
            explanation,
            self._reader.info.path,
            run_dir,
            settings=settings,
            outputs=OUTPUTS if self._options.report else OUTPUTS - {"report"},
            extras=RunExtras(report_sources=(self._reader,), index_url=_INDEX_URL),
        )
        return WindowResult(window, run_dir, explanation.answer)

    def _put_together(
        self, seen: Mapping[str, Any], results: tuple[WindowResult, ...]
    ) -> LongResult:
        done = {each.window.index: each.run_dir for each in results if each.run_dir is not None}
        windows = [each.window for each in results if each.window.index in done]
        whole = (self._start, self._end) if self._options.film == "whole" else None
        document = self._document(seen, results)
        if done:
            cues = answer_cues(results, stretches(windows))
            write_vtt(self._folder.path / ANSWERS, cues, note=_ANSWERS_NOTE)
        if done and self._settings.render:
            look = render_options(self._settings)
            film = Film(self._reader, stretches(windows, whole=whole), done, look=look)
            with self._stages.stage("render"):
                film.write(
                    self._folder.path / FILM,
                    self._folder.path / CAPTIONS,
                    progress=partial(self._stages.report, "render"),
                )
            document["film"] = film.rows()
        if self._options.report:
            with self._stages.stage("report"):
                self._write_pages(document, done)
        self._folder.write(TIMELINE, document)
        return self._result(document, results)

    def _document(self, seen: Mapping[str, Any], results: Sequence[WindowResult]) -> dict[str, Any]:
        info = self._reader.info
        return {
            "timeline_version": TIMELINE_VERSION,
            "video": {
                "name": info.path.name,
                "duration_seconds": info.duration_seconds,
                "container_start_seconds": self._zero,
                "width": info.width,
                "height": info.height,
                "num_frames": info.num_frames,
            },
            "conversation": [{"role": each.role, "text": each.text} for each in self._turns],
            "question": self._turns[-1].text,
            "settings": self._settings.model_dump(mode="json"),
            "windowing": asdict(self._options.windows),
            "gate": seen["gate"],
            "scenes": seen["scenes"],
            "nothing_moved": seen["gate"] is not None and not seen["gate"]["spans"],
            "windows": [window_row(each, folder=self._folder.path) for each in results],
            "film": [],
            "warnings": list(self._reader.warnings),
            "version": version("tam-video"),
        }

    def _write_pages(self, document: Mapping[str, Any], run_dirs: Mapping[int, Path]) -> None:
        for number, run_dir in enumerate(run_dirs.values()):
            self._stages.report("report", number, len(run_dirs))
            if not (run_dir / REPORT).is_file():  # version 0.1 wrote the reports at the end
                with replace_files(run_dir) as temporary:
                    write_report_files(
                        read_explanation(run_dir),
                        [self._reader],
                        temporary,
                        index_url=_INDEX_URL,
                    )
        atomic_write(self._folder.path / REPORT, long_page(document).encoded())

    def _result_of(self, row: Mapping[str, Any]) -> WindowResult:
        window = VideoWindow(row["index"], row["start_seconds"], row["end_seconds"])
        run_dir = self._folder.path / row["run"]
        return WindowResult(window, run_dir, row["answer"], is_resumed=True)

    def _result(self, document: Mapping[str, Any], results: tuple[WindowResult, ...]) -> LongResult:
        return LongResult(
            self._folder.path,
            document,
            results,
            self._folder.files(),
            tuple(document["warnings"]),
        )
