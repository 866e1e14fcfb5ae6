"""The surveillance pipeline: watch files and streams, and write alerts.

camera -> segment -> motion gate -> windows -> questions -> alert rule -> run folder and a line in
`alerts.jsonl`. The questions are a batch with its own worker, so that a run is resumed window by
window.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from tam_video import batch
from tam_video.batch.engines.base import EngineFactory
from tam_video.batch.ledger import LEDGER
from tam_video.batch.storage import BATCH
from tam_video.batch.work import KEEP, ExplainWork
from tam_video.pipelines.base import PipelineOptions, PipelineResult
from tam_video.pipelines.surveillance.alerts import ALERTS
from tam_video.pipelines.surveillance.footage import find_cameras
from tam_video.pipelines.surveillance.options import SurveillanceOptions
from tam_video.pipelines.surveillance.page import INDEX
from tam_video.pipelines.surveillance.recording import Recorders, stopping_on_signals
from tam_video.pipelines.surveillance.rules import NUM_CANDIDATES
from tam_video.pipelines.surveillance.session import Session
from tam_video.pipelines.surveillance.watch import WatchWork
from tam_video.runs import render_options
from tam_video.stages import StageProgress
from tam_video.video.reader import DEFAULT_LIMITS

SEGMENTS = "segments"
ENGINE: str | EngineFactory = "local"
_KIND = replace(BATCH, noun="alerts", own=(*BATCH.own, ALERTS), keeps=(SEGMENTS,), has_force=True)


@dataclass(frozen=True, slots=True)
class Surveillance:
    """Alerts of cameras with annotated clips, where an answer matches a rule."""

    options: SurveillanceOptions
    options_type: ClassVar[type[PipelineOptions]] = SurveillanceOptions

    @classmethod
    def from_options(cls, options: PipelineOptions) -> Self:
        """Create the pipeline; check the gate and the render options.

        Raises:
            ConfigError: the options contradict each other.
        """
        checked = SurveillanceOptions.model_validate(options)
        checked.motion.gate(redacts=checked.redact.motion)
        render_options(checked.run)
        return cls(checked)

    def run(self, *, force: bool = False, progress: StageProgress | None = None) -> PipelineResult:
        """Watch all files, then the streams until they end.

        Ctrl-C or SIGTERM ends the recording; the next start resumes with the windows that are not
        finished.

        Args:
            force: remove the alerts and the ledger of an earlier run; recorded files are kept.
            progress: called with the number of finished files and of files known so far.

        Raises:
            ConfigError: no input exists.
            ModelError: the model can't be loaded.
            OutputError: the output contains something else, or can't be written.
        """
        options = self.options
        cameras = find_cameras(options.inputs, rtsp_transport=options.record.rtsp_transport)
        recorders = Recorders(cameras.streams, options.output / SEGMENTS, options.record.follow())
        session = Session(options, cameras, recorders, progress)
        with ExitStack() as stack:
            stack.callback(session.close)
            if cameras.streams:
                session.is_stopped = stack.enter_context(stopping_on_signals(recorders.stop)).is_set
            results = batch.run(
                session.items,
                options.output,
                config=options.run,
                options=batch.BatchOptions(workers=1, engine=ENGINE, retry_failed=True),
                task=batch.BatchTask(self._work(), self._identity(), _KIND, writes_summary=False),
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

    def _work(self) -> WatchWork:
        options = self.options
        config = options.run
        if any(question.yes_probability is not None for question in options.questions):
            num_candidates = max(config.num_candidates, NUM_CANDIDATES)
            config = config.model_copy(update={"num_candidates": num_candidates})
        explain = ExplainWork(config, str(options.output), LEDGER, frozenset(KEEP), DEFAULT_LIMITS)
        return WatchWork(explain, options)

    def _identity(self) -> dict[str, Any]:
        """Return what all results depend on, as JSON values."""
        excluded = {"inputs", "output", "run", "record", "keep"}
        return {
            "settings": self.options.run.model_dump(mode="json"),
            "keep": [],
            "surveillance": self.options.model_dump(mode="json", exclude=excluded),
        }
