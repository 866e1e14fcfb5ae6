"""The worker of the surveillance batch: explain a window, evaluate the rule, write the alert."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tam_video.batch.jobs import ItemRequest, Job, Outcome
from tam_video.batch.storage import RUNS
from tam_video.batch.work import ExplainWork, ExplainWorker, LoadedClip
from tam_video.export.manifest import verify_run
from tam_video.models import VideoModel
from tam_video.pipeline import load_model_from_config
from tam_video.pipelines.surveillance.alerts import (
    ALERTS,
    AlertLog,
    alert_line,
    evaluate_rule,
    motion_rows,
)
from tam_video.pipelines.surveillance.event import CLIP, Watched, write_event
from tam_video.pipelines.surveillance.options import SurveillanceOptions
from tam_video.pipelines.surveillance.redaction import redact_frames
from tam_video.types import Explanation

_FILES = {"annotated": "annotated.mp4", "clip": CLIP, "report": "report.html"}


@dataclass(frozen=True, slots=True)
class WatchWork:
    """Creates the worker for a process from the run settings and the preset options."""

    explain: ExplainWork
    options: SurveillanceOptions

    def __call__(self) -> WatchWorker:
        """Load the model and return a worker."""
        model = load_model_from_config(self.explain.config)
        return WatchWorker(self.explain, model, self.options)


class WatchWorker(ExplainWorker):
    """Explains windows, and writes a run folder and a line in `alerts.jsonl` for each alert.

    There is one worker at a time: the cooldown depends on the alerts before.
    """

    def __init__(self, work: ExplainWork, model: VideoModel, options: SurveillanceOptions) -> None:
        super().__init__(work, model)
        self._options = options
        self._alerts = AlertLog(options.output / ALERTS, options.alerts.cooldown_seconds)
        self._alerts.load()

    def read(self, job: Job) -> LoadedClip:
        """Decode the frames of a window, and redact them if `before_model` is set."""
        clip, redaction = super().read(job), self._options.redact
        if not (redaction.is_on and redaction.before_model):
            return clip
        track = _watched(job.questions[0]).track
        return replace(clip, frames=redact_frames(clip.frames, options=redaction, track=track))

    def write(
        self,
        job: Job,
        question: ItemRequest,
        clip: LoadedClip,  # noqa: ARG002
        answered: Explanation,
    ) -> Outcome:
        """Evaluate the alert rule, and write the alert unless the camera is in its cooldown."""
        watched, window = _watched(question), (job.start_seconds or 0.0, job.end_seconds or 0.0)
        outcome = Outcome(question.key, answer=answered.answer)
        verdict = evaluate_rule(answered, watched.question)
        if not verdict.is_alert:
            return outcome
        start, footage = watched.info.start_seconds, watched.footage
        motions = [
            each
            for each in watched.track.between(start + window[0], start + window[1])
            if each.share >= self._options.motion.on_share  # enough to start a span
        ]
        seconds = motions[0].pts_seconds - start if motions else window[0]
        moment = footage.moment(seconds)
        name = f"{footage.camera}-{watched.question.name}-{question.key[:12]}"
        run_dir = self._options.output / RUNS / name
        alert = {
            "id": question.key[:16],
            "camera": footage.camera,
            "time": None if moment is None else moment.isoformat(),
            "source": watched.fingerprint[:16],
            "file": footage.path.name,
            "question": {"name": watched.question.name, "text": watched.question.ask},
            "rule": verdict.reason,
            "yes_probability": verdict.yes_probability,
            "run": f"{RUNS}/{name}",
        }
        is_new = not self._alerts.has(question.key[:16])
        if is_new and self._alerts.is_cooling({**alert, "seconds": seconds}):
            return replace(outcome, details={"is_cooling": True})
        if is_new or not verify_run(run_dir, hashes=True):
            write_event(answered, watched, window, run_dir, self._options)
        if is_new:
            line = alert_line(
                answered,
                seconds=seconds,
                window=window,
                **alert,
                files={
                    name: f"{alert['run']}/{file}"
                    for name, file in _FILES.items()
                    if (run_dir / file).is_file()
                },
                moving=motion_rows(watched.info, motions),
            )
            self._alerts.append(line)
        return replace(outcome, run=name, details={"is_new": is_new})


def _watched(question: ItemRequest) -> Watched:
    watched: Watched = question.extra["watched"]
    return watched
