"""The worker of the surveillance batch: explain a window, evaluate the rule, write the alert."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tam_video.batch.jobs import ItemRequest, Job, Outcome
from tam_video.batch.storage import RUNS
from tam_video.batch.work import ExplainWork, ExplainWorker, LoadedClip
from tam_video.export.manifest import MANIFEST
from tam_video.long.gate import Motion, looks
from tam_video.models import VideoModel
from tam_video.pipeline import load_model_from_config
from tam_video.pipelines.surveillance.alerts import ALERTS, AlertLog, alert_line, motion_rows
from tam_video.pipelines.surveillance.event import CLIP, AlertEvent, write_event
from tam_video.pipelines.surveillance.footage import Footage
from tam_video.pipelines.surveillance.options import QuestionOptions, SurveillanceOptions
from tam_video.pipelines.surveillance.redaction import MotionTrack, redact_frames
from tam_video.pipelines.surveillance.rules import evaluate_rule
from tam_video.types import Explanation, VideoInfo

_FILES = {"annotated": "annotated.mp4", "clip": CLIP, "report": "report.html"}


@dataclass(frozen=True, slots=True)
class Watched:
    """A question about a window of a file, as a worker gets it.

    Attributes:
        footage: the file.
        fingerprint: digest of its content.
        info: its facts.
        track: motion around the window, in times of the file.
        question: the question and its alert rule.
    """

    footage: Footage
    fingerprint: str
    info: VideoInfo
    track: MotionTrack = field(repr=False)
    question: QuestionOptions


@dataclass(frozen=True, slots=True)
class WatchWork:
    """Creates the worker of a process.

    Attributes:
        explain: settings of the explanations.
        options: options of the preset.
    """

    explain: ExplainWork
    options: SurveillanceOptions

    def __call__(self) -> WatchWorker:
        """Load the model."""
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
        """Decode the frames of a window, redacted if `before_model` is set."""
        clip = super().read(job)
        redaction = self._options.redact
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
        is_known = self._alerts.has(question.key[:16])
        if not is_known and self._alerts.is_cooling({**alert, "seconds": seconds}):
            return replace(outcome, details={"is_cooling": True})
        if not (is_known and (run_dir / MANIFEST).is_file()):
            self._write_event(watched, window, answered, run_dir)
        if not is_known:
            files = [name for name, file in _FILES.items() if (run_dir / file).is_file()]
            line = alert_line(
                answered,
                seconds=seconds,
                window=window,
                **alert,
                files={name: f"{alert['run']}/{_FILES[name]}" for name in files},
                moving=motion_rows(watched.info, motions),
            )
            self._alerts.append(line)
        return replace(outcome, run=name, details={"is_new": not is_known})

    def _write_event(
        self, watched: Watched, window: tuple[float, float], explanation: Explanation, run_dir: Path
    ) -> None:
        alerts, start = self._options.alerts, watched.info.start_seconds
        event = AlertEvent(
            footage=watched.footage,
            explanation=explanation,
            start_seconds=start + window[0] - alerts.before_seconds,
            end_seconds=start + window[1] + alerts.after_seconds,
            track=watched.track,
            previous_track=lambda path: motion_track(
                list(gate_looks(path, self._options)), self._options
            ),
        )
        write_event(
            event,
            run_dir,
            settings=self._options.run,
            alerts=alerts,
            redaction=self._options.redact,
        )


def gate_looks(path: Path, options: SurveillanceOptions) -> Iterator[Motion]:
    """Yield the looks of the motion gate; none if no option needs them."""
    if options.motion.enabled or options.redact.motion:
        yield from looks(path, options=options.motion.gate(redacts=options.redact.motion))


def motion_track(motions: Sequence[Motion], options: SurveillanceOptions) -> MotionTrack:
    """Return the looks with motion as a track."""
    gate = options.motion.gate(redacts=options.redact.motion)
    return MotionTrack(tuple(each for each in motions if each.boxes), gate.slot_seconds)


def _watched(question: ItemRequest) -> Watched:
    watched: Watched = question.extra["watched"]
    return watched
