"""Watch cameras: files that are there, and streams as they come.

camera -> segment -> motion gate -> windows -> questions -> alert rule -> event folder and a line
in `alerts.jsonl`. One model for all; a ledger, so that a second start goes on where the first was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from tam_video.batch.items import BatchItem
from tam_video.batch.jobs import Outcome, is_broken_output, item_error
from tam_video.batch.keys import batch_identity, item_key
from tam_video.batch.ledger import LEDGER, open_ledger
from tam_video.batch.sources import fingerprint
from tam_video.batch.storage import BATCH, FolderStorage
from tam_video.errors import ModelError, TamVideoError
from tam_video.models import VideoModel
from tam_video.pipeline import load_model_from_config
from tam_video.pipelines.base import PipelineOptions, PipelineResult
from tam_video.pipelines.surveillance.alerts import ALERTS, AlertBook
from tam_video.pipelines.surveillance.footage import Camera, Footage, find_cameras
from tam_video.pipelines.surveillance.options import SurveillanceOptions
from tam_video.pipelines.surveillance.page import write_page
from tam_video.pipelines.surveillance.recording import Recorders, stopping_on_signals
from tam_video.pipelines.surveillance.watch import Watcher
from tam_video.runs import render_options
from tam_video.stages import StageProgress
from tam_video.video.live import Segment
from tam_video.video.live.segments import remove_segment
from tam_video.workspace.files import wrap_os_errors

SEGMENTS = "segments"
_KIND = replace(BATCH, noun="a batch", own=(*BATCH.own, ALERTS), keeps=(SEGMENTS,), has_force=True)


@dataclass(slots=True)
class _Tally:
    """What went wrong, input by input."""

    failed: dict[str, TamVideoError] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def add(self, name: str, exc: TamVideoError) -> None:
        self.failed[name] = exc
        self.warnings.append(f"{name}: {exc.message}")


@dataclass(frozen=True, slots=True)
class Surveillance:
    """Cameras watched: alerts with annotated clips, where an answer fits a rule."""

    options: SurveillanceOptions
    options_type: ClassVar[type[PipelineOptions]] = SurveillanceOptions

    @classmethod
    def from_options(cls, options: PipelineOptions) -> Surveillance:
        """Check the gate, the addresses and how clips look.

        Raises:
            ConfigError: options that make no sense together.
        """
        asked = SurveillanceOptions.model_validate(options)
        asked.motion.gate(redacts=asked.redact.motion)
        render_options(asked.run)
        return cls(asked)

    def run(self, *, force: bool = False, progress: StageProgress | None = None) -> PipelineResult:
        """Watch all files, then the streams for as long as they come.

        Ctrl-C or SIGTERM ends the recording in order; the next start goes on with what was not
        watched yet.

        Args:
            force: forget the alerts and the ledger of an earlier run; what was recorded stays.
            progress: called as the work goes on.

        Raises:
            ConfigError: no input is there.
            ModelError: the model can't be loaded.
            OutputError: the output holds something else, or can't be written.
        """
        options = self.options
        cameras = find_cameras(options.inputs, rtsp_transport=options.record.rtsp_transport)
        tally = _Tally()
        for name, exc in cameras.failed.items():
            tally.add(name, exc)
        with _opened(options.output, self._identity(), force=force) as storage:
            book = AlertBook(options.output / ALERTS, options.alerts.cooldown_seconds)
            book.load()
            watcher = Watcher(
                options=options,
                output=storage.folder,
                ledger=open_ledger(storage, LEDGER),
                book=book,
                identity=self._identity(),
                load=_loader(options),
                progress=progress,
            )
            statistics: Mapping[str, Any] = {}
            try:
                if cameras.streams:
                    statistics = self._live(watcher, cameras.files, cameras.streams, tally)
                else:
                    self._watch_files(watcher, cameras.files, tally)
            finally:
                page = write_page(options.output)
        summary = {
            "output_dir": str(options.output),
            **asdict(watcher.counts),
            "failed": {name: exc.message for name, exc in tally.failed.items()},
            "recorded": statistics,
        }
        return PipelineResult(page, summary, len(tally.failed), tuple(tally.warnings))

    def _live(
        self,
        watcher: Watcher,
        files: tuple[Footage, ...],
        cameras: tuple[Camera, ...],
        tally: _Tally,
    ) -> Mapping[str, Any]:
        """Record, and watch what is recorded; what each recorder has to tell."""
        folder = self.options.output / SEGMENTS
        recorders = Recorders(cameras, folder, self.options.record.follow())
        with stopping_on_signals(recorders.stop) as stopped, recorders:
            watcher.is_stopped = stopped.is_set
            self._watch_files(watcher, files, tally)
            before: dict[str, tuple[Segment, bool]] = {}
            for footage in recorders.footage():
                has_alert = self._watch_one(watcher, footage, tally)
                if stopped.is_set():  # the next start looks at all that is there again
                    return recorders.statistics()
                # The one before is kept until now: an event may begin in it.
                self._drop(before.pop(footage.camera, None))
                if footage.segment is not None:
                    before[footage.camera] = (footage.segment, has_alert)
        for each in before.values():
            self._drop(each)
        for name, exc in recorders.failed.items():
            tally.add(name, exc)
        return recorders.statistics()

    def _watch_files(self, watcher: Watcher, files: tuple[Footage, ...], tally: _Tally) -> None:
        for number, footage in enumerate(files):
            if watcher.progress is not None:
                watcher.progress("watch", number, len(files))
            self._watch_one(watcher, footage, tally)

    def _watch_one(self, watcher: Watcher, footage: Footage, tally: _Tally) -> bool:
        """Watch a file; whether it needs to be kept: it has an alert, or failed."""
        before = watcher.counts.num_alerts
        try:
            print_ = fingerprint(str(footage.path))
            num_alerts = watcher.watch(footage, print_)
        except ModelError:
            raise  # the next file would fail as well
        except TamVideoError as exc:
            if is_broken_output(exc):
                raise
            tally.add(str(footage.path), exc)
            key = item_key(BatchItem(str(footage.path)), [str(footage.path)], watcher.identity)
            watcher.ledger.append([Outcome(key, error=item_error(exc))], ids=[footage.path.name])
            return True
        if watcher.counts.num_alerts > before:
            write_page(self.options.output)
        return num_alerts > 0

    def _drop(self, watched: tuple[Segment, bool] | None) -> None:
        """Remove a file that was recorded here, if it need not be kept."""
        if watched is None or self.options.keep == "all":
            return
        segment, has_alert = watched
        if not has_alert or self.options.redact.is_on:
            with wrap_os_errors(segment.path):
                remove_segment(segment)

    def _identity(self) -> dict[str, Any]:
        """What all results depend on, as JSON values."""
        told = self.options.model_dump(
            mode="json", exclude={"inputs", "output", "run", "record", "keep"}
        )
        return {**batch_identity(self.options.run, ()), "surveillance": told}


@contextmanager
def _opened(output: Path, identity: Mapping[str, Any], *, force: bool) -> Iterator[FolderStorage]:
    """The output folder: made, locked, and known to be of the same preset.

    Raises:
        OutputExistsError: it holds something else, or what another preset has written.
        ConfigError: another process works there.
    """
    storage = FolderStorage(output, _KIND)
    storage.acquire(LEDGER)
    try:
        storage.begin(identity, force=force)
        yield storage
    finally:
        storage.release()


def _loader(options: SurveillanceOptions) -> Any:
    """Loads the model when it is asked for first, and once."""

    @cache
    def load() -> VideoModel:
        return load_model_from_config(options.run)

    return load
