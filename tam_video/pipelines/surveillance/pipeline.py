"""The surveillance pipeline: process files and camera streams, and write alerts.

camera -> segment -> motion gate -> windows -> questions -> alert rule -> run folder and a line in
`alerts.jsonl`. The questions are a batch with its own worker, so that a run is resumed window by
window.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from tam_video import batch
from tam_video.batch import BatchItem, ItemResult
from tam_video.batch.engines.base import EngineFactory
from tam_video.batch.jobs import Outcome, is_broken_output
from tam_video.batch.ledger import LEDGER, ResultLog
from tam_video.batch.plan import item_key
from tam_video.batch.runner import batch_profile
from tam_video.batch.sources import fingerprint
from tam_video.batch.storage import BATCH, RUNS
from tam_video.batch.work import KEEP, ExplainWork
from tam_video.errors import TamVideoError, VideoOpenError
from tam_video.export.manifest import verify_run
from tam_video.long.gate import Motion, active_spans
from tam_video.long.windows import WindowOptions, plan_windows
from tam_video.pipeline import build_conversation
from tam_video.pipelines.base import PipelineOptions, PipelineResult
from tam_video.pipelines.surveillance.alerts import ALERTS, NUM_CANDIDATES
from tam_video.pipelines.surveillance.cameras import (
    Cameras,
    Footage,
    Recorders,
    find_cameras,
    stopping_on_signals,
)
from tam_video.pipelines.surveillance.event import Watched
from tam_video.pipelines.surveillance.options import SurveillanceOptions
from tam_video.pipelines.surveillance.page import INDEX, write_page
from tam_video.pipelines.surveillance.redaction import MotionTrack, gate_looks, motion_track
from tam_video.pipelines.surveillance.watch import WatchWork
from tam_video.runs import render_options
from tam_video.stages import StageProgress
from tam_video.types import VideoInfo
from tam_video.video.live import Segment
from tam_video.video.live.segments import remove_segment
from tam_video.video.reader import DEFAULT_LIMITS, open_video
from tam_video.workspace.files import wrap_os_errors

SEGMENTS = "segments"
ENGINE: str | EngineFactory = "local"
_KIND = replace(BATCH, noun="alerts", own=(*BATCH.own, ALERTS), keeps=(SEGMENTS,), has_force=True)
_POLL_SECONDS = 0.05
_LOOKS_AT_ONCE = 32  # before results of the worker are taken
_COUNTS: dict[str, float] = {
    "num_files": 0,  # watched to their end
    "num_resumed": 0,  # watched by an earlier run
    "num_windows": 0,  # with questions
    "num_alerts": 0,
    "num_cooling": 0,  # alerts suppressed by the cooldown
    "seconds": 0.0,  # of the watched files
    "active_seconds": 0.0,  # of the windows
}


@dataclass(frozen=True, slots=True)
class Surveillance:
    """A pipeline that writes an alert with an annotated clip when an answer matches a rule."""

    options: SurveillanceOptions
    options_type: ClassVar[type[PipelineOptions]] = SurveillanceOptions

    @classmethod
    def from_options(cls, options: PipelineOptions) -> Self:
        """Create the pipeline, and check the options of the motion gate and the renderer.

        Raises:
            ConfigError: the options contradict each other.
        """
        checked = SurveillanceOptions.model_validate(options)
        checked.gate()
        render_options(checked.run)
        return cls(checked)

    def run(self, *, force: bool = False, progress: StageProgress | None = None) -> PipelineResult:
        """Process all files, then the camera streams until they end.

        Ctrl-C or SIGTERM ends the recording; the next start resumes with the windows that are not
        finished. `force` removes alerts and ledger of an earlier run, and keeps recorded files.

        Raises:
            ConfigError: no input exists.
            ModelError: the model can't be loaded.
            OutputError: the output contains something else, or can't be written.
        """
        resolved = batch_profile(self.options.run, self.options.output, kind=_KIND, force=force)
        planned = replace(self, options=self.options.model_copy(update={"run": resolved.config}))
        return planned._watch_all(resolved.notices, force=force, progress=progress)

    def _watch_all(
        self, notices: tuple[str, ...], *, force: bool, progress: StageProgress | None
    ) -> PipelineResult:
        options = self.options
        cameras = find_cameras(options.inputs, rtsp_transport=options.record.rtsp_transport)
        recorders = Recorders(cameras.streams, options.output / SEGMENTS, options.record)
        session = _Session(options, cameras, recorders, progress)
        with ExitStack() as recording, ExitStack() as stack:
            if cameras.streams:
                session.is_stopped = stack.enter_context(stopping_on_signals(recorders.stop)).is_set
            results = batch.run(
                lambda *log: recording.enter_context(closing(session.items(*log))),
                options.output,
                config=options.run,
                options=batch.BatchOptions(
                    workers=1, engine=ENGINE, retry_failed=True, verify=options.verify
                ),
                task=batch.BatchTask(
                    self._work(notices), self._identity(), _KIND, writes_summary=False
                ),
                force=force,
            )
            for result in stack.enter_context(closing(results)):
                session.add(result)
                if session.is_stopped():
                    break
        summary = {
            "output_dir": str(options.output),
            **session.counts,
            "failed": session.failed,
            "recorded": recorders.statistics(),
        }
        warnings = tuple(f"{name}: {message}" for name, message in session.failed.items())
        return PipelineResult(options.output / INDEX, summary, len(warnings), warnings)

    def _work(self, notices: tuple[str, ...]) -> WatchWork:
        options = self.options
        config = options.run
        if any(question.yes_probability is not None for question in options.questions):
            num_candidates = max(config.num_candidates, NUM_CANDIDATES)
            config = config.model_copy(update={"num_candidates": num_candidates})
        explain = ExplainWork(
            config, str(options.output), LEDGER, frozenset(KEEP), DEFAULT_LIMITS, notices
        )
        return WatchWork(explain, options)

    def _identity(self) -> dict[str, Any]:
        """Return the settings that all results depend on, as JSON values."""
        excluded = {"inputs", "output", "verify", "run", "record", "keep"}
        return {
            "settings": self.options.run.model_dump(mode="json"),
            "keep": [],
            "surveillance": self.options.model_dump(mode="json", exclude=excluded),
        }


@dataclass(slots=True)
class _Session:
    """Creates the items of the batch, file by file, and records the results."""

    options: SurveillanceOptions
    cameras: Cameras
    recorders: Recorders
    progress: StageProgress | None = None
    is_stopped: Callable[[], bool] = lambda: False  # by a signal
    counts: dict[str, float] = field(default_factory=_COUNTS.copy)
    failed: dict[str, str] = field(default_factory=dict)  # input -> why
    _num_open: int = 0  # questions about the present file without a result
    _runs: set[str] = field(default_factory=set)  # run folders of the present file
    _has_failed: bool = False

    def items(
        self, log: ResultLog, identity: Mapping[str, Any]
    ) -> Generator[BatchItem | None, None, None]:
        """Yield an item for each question about each window. Yield None while no item is ready."""
        self.failed |= {name: exc.message for name, exc in self.cameras.failed.items()}
        before: dict[str, tuple[Segment, bool]] = {}
        try:
            with self.recorders:
                for footage in self._footage():
                    if footage is None:
                        yield None
                        continue
                    has_alert = yield from self._watch(footage, log, identity)
                    if self.is_stopped():  # the next start looks at all files again
                        return
                    # The segment before is kept until now: an event may begin in it.
                    self._drop(before.pop(footage.camera, None))
                    if footage.segment is not None:
                        before[footage.camera] = (footage.segment, has_alert)
            for each in before.values():
                self._drop(each)
        finally:
            self.failed |= {name: exc.message for name, exc in self.recorders.failed.items()}
            write_page(self.options.output)

    def add(self, result: ItemResult) -> None:
        """Record the result of an item."""
        self._num_open -= 1
        if result.run_dir:
            self._runs.add(Path(result.run_dir).name)
        if result.error is not None:
            self._has_failed = True
            self.failed[result.item.videos[0]] = result.error.message
        self.counts["num_cooling"] += bool(result.details.get("is_cooling"))
        if result.details.get("is_new"):
            self.counts["num_alerts"] += 1
            write_page(self.options.output)

    def _footage(self) -> Iterator[Footage | None]:
        for number, footage in enumerate(self.cameras.files):
            if self.progress is not None:
                self.progress("watch", number, len(self.cameras.files))
            yield footage
        if self.cameras.streams:
            yield from self.recorders.footage()

    def _watch(
        self, footage: Footage, log: ResultLog, identity: Mapping[str, Any]
    ) -> Generator[BatchItem | None, None, bool]:
        """Yield the questions about a file. Return True if the file has an alert or an error."""
        self._runs, self._has_failed, video = set(), False, str(footage.path)
        try:
            digest = fingerprint(video)
            names = {"camera": footage.camera, "questions": []}
            key = item_key(BatchItem("", identity=names), [digest], identity)
            if log.status(key) == "done":
                runs = log.outcome(key).answer.split()
                if all(map(self._is_intact, runs)):
                    self.counts["num_resumed"] += 1
                    return bool(runs)
                log.lose(key)  # windows with an intact run folder are not asked about again
            with open_video(footage.path, reader=self.options.run.reader) as reader:
                info, pts = reader.info, reader.timeline.pts_seconds
            if info.is_image:
                raise VideoOpenError(
                    f"{footage.path.name} is an image, not a video", hint="use videos as inputs"
                )
            motions: list[Motion] = []
            for motion in gate_looks(footage.path, self.options):
                motions.append(motion)
                if len(motions) % _LOOKS_AT_ONCE == 0:
                    yield None
            for start, end in self._windows(footage, info, motions):
                if np.searchsorted(pts, start) < np.searchsorted(pts, end):
                    yield from self._questions(footage, digest, info, motions, (start, end))
        except TamVideoError as exc:
            if is_broken_output(exc):
                raise
            self._num_open += 1
            yield BatchItem(f"{video} can't be watched", (video,), problem=exc)
        while self._num_open and not self.is_stopped():
            time.sleep(_POLL_SECONDS)
            yield None
        if not self._has_failed and not self.is_stopped():
            self.counts["num_files"] += 1
            self.counts["seconds"] += info.duration_seconds
            outcome = Outcome(key, answer=" ".join(sorted(self._runs)))
            log.append([outcome], ids=[footage.path.name])
        return self._has_failed or bool(self._runs)

    def _is_intact(self, run: str) -> bool:
        return verify_run(self.options.output / RUNS / run, hashes=self.options.verify)

    def _windows(
        self, footage: Footage, info: VideoInfo, motions: list[Motion]
    ) -> list[tuple[float, float]]:
        """Return the windows to ask about. Recordings ignore `start_seconds` and `end_seconds`."""
        options, start, end = self.options, 0.0, info.duration_seconds
        if footage.segment is None:
            start = options.run.start_seconds or 0.0
            end = min(end, options.run.end_seconds or end)
        planned = plan_windows(
            info.start_seconds + start,
            info.start_seconds + end,
            options=WindowOptions(window_seconds=options.window_seconds),
            spans=active_spans(motions, options.gate()) if options.motion.enabled else None,
        )
        return [(window.start_seconds, window.end_seconds) for window in planned]

    def _questions(
        self,
        footage: Footage,
        digest: str,
        info: VideoInfo,
        motions: list[Motion],
        window: tuple[float, float],
    ) -> Iterator[BatchItem]:
        """Yield a batch item for each question about `window` (start and end in seconds)."""
        alerts, track = self.options.alerts, motion_track(motions, self.options)
        reach = max(self.options.redact.hold_seconds, track.slot_seconds) + track.slot_seconds
        near = MotionTrack(
            track.between(
                window[0] - alerts.before_seconds - reach, window[1] + alerts.after_seconds + reach
            ),
            track.slot_seconds,
        )
        start = round(max(0.0, window[0] - info.start_seconds), 6)
        end = round(window[1] - info.start_seconds, 6)
        self.counts["num_windows"] += 1
        self.counts["active_seconds"] += end - start
        for question in self.options.questions:
            self._num_open += 1
            yield BatchItem(
                f"{footage.path} {start:g}-{end:g} {question.name}",
                (str(footage.path),),
                build_conversation(question.ask, None, num_inputs=1),
                start_seconds=start,
                end_seconds=end,
                extra={"watched": Watched(footage, digest, info, near, question)},
                identity={"camera": footage.camera, "questions": [question.name]},
            )

    def _drop(self, watched: tuple[Segment, bool] | None) -> None:
        """Remove a recorded file unless it must be kept."""
        if watched is None or self.options.keep == "all":
            return
        segment, has_alert = watched
        if not has_alert or self.options.redact.is_on:
            with wrap_os_errors(segment.path):
                remove_segment(segment)
