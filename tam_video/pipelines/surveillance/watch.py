"""One file watched: motion gate, questions about what moves, alerts.

Everything that is finished is written down at once, window by window: a run that is killed goes on
with the next window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tam_video.batch.items import BatchItem
from tam_video.batch.jobs import Outcome
from tam_video.batch.keys import item_key
from tam_video.batch.ledger import ResultLog
from tam_video.batch.storage import RUNS
from tam_video.errors import VideoOpenError
from tam_video.long.gate import ActiveSpan, Motion, active_spans, looks
from tam_video.long.windows import VideoWindow, WindowOptions, plan_windows
from tam_video.models import VideoModel
from tam_video.pipeline import build_conversation, explain_frames
from tam_video.pipelines.surveillance.alerts import AlertBook, Sighting, alert_line, moving
from tam_video.pipelines.surveillance.event import CLIP, AlertEvent, write_event
from tam_video.pipelines.surveillance.footage import Footage
from tam_video.pipelines.surveillance.options import QuestionOptions, SurveillanceOptions
from tam_video.pipelines.surveillance.redaction import MotionTrack, redact_frames
from tam_video.pipelines.surveillance.rules import NUM_CANDIDATES, Verdict, evaluate_rule
from tam_video.sampling import SampledFrames, read_frames
from tam_video.stages import StageProgress
from tam_video.types import Explanation, VideoInfo
from tam_video.video.reader import open_video


@dataclass(slots=True)
class WatchCounts:
    """What was done.

    Attributes:
        num_files: files that were watched to their end.
        num_resumed: files that an earlier run had watched.
        num_windows: windows that were asked about.
        num_alerts: alerts that were written.
        num_cooling: answers that were an alert too soon after another.
        seconds: of footage.
        active_seconds: of it, in windows.
    """

    num_files: int = 0
    num_resumed: int = 0
    num_windows: int = 0
    num_alerts: int = 0
    num_cooling: int = 0
    seconds: float = 0.0
    active_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _WatchedFile:
    """A file that is being watched; times by its own clock."""

    footage: Footage
    print: str
    info: VideoInfo
    track: MotionTrack


@dataclass(slots=True)
class Watcher:
    """Watches files, one after the other.

    Attributes:
        options: the preset's.
        output: the folder that is written.
        ledger: what has ended.
        book: the alerts.
        identity: what all results depend on.
        load: gives the model; called when there is something to ask.
        progress: called as the work goes on.
        is_stopped: asked before each window; a file that is stopped at is not finished.
        counts: so far.
    """

    options: SurveillanceOptions
    output: Path
    ledger: ResultLog
    book: AlertBook
    identity: Mapping[str, Any]
    load: Callable[[], VideoModel]
    progress: StageProgress | None = None
    is_stopped: Callable[[], bool] = lambda: False
    counts: WatchCounts = field(default_factory=WatchCounts)

    def watch(self, footage: Footage, print_: str) -> int:
        """Watch a file to its end, or until it is stopped; how many alerts it had.

        Args:
            footage: the file.
            print_: what it is named by: its content.

        Raises:
            TamVideoError: it can't be read, the model fails, or nothing can be written.
        """
        key = self._key(footage, print_)
        if self.ledger.status(key) == "done":
            self.counts.num_resumed += 1
            return int(self.ledger.outcome(key).answer or 0)
        with open_video(footage.path, reader=self.options.run.reader) as reader:
            info, pts = reader.info, reader.timeline.pts_seconds
        if info.is_image:
            raise VideoOpenError(f"{footage.path.name} is a picture", hint="give videos")
        track, spans = self._look(footage.path)
        clip = _WatchedFile(footage, print_, info, track)
        num_alerts = 0
        for window in self._windows(footage, info, spans):
            if self.is_stopped():
                return num_alerts
            first, after = np.searchsorted(pts, (window.start_seconds, window.end_seconds))
            if first == after:  # a rest that is shorter than a frame
                continue
            num_alerts += self._window(clip, window)
        self.counts.num_files += 1
        self.counts.seconds += info.duration_seconds
        self.ledger.append([Outcome(key, answer=str(num_alerts))], ids=[footage.path.name])
        return num_alerts

    def _look(self, path: Path) -> tuple[MotionTrack, tuple[ActiveSpan, ...] | None]:
        """What moves, and the spans to ask about; None for all of the file."""
        motion, redact = self.options.motion, self.options.redact
        if not motion.enabled and not redact.motion:
            return MotionTrack(), None
        gate = motion.gate(redacts=redact.motion)
        moved: list[Motion] = []

        def seen() -> Iterator[Motion]:
            for look in looks(path, options=gate):
                if look.boxes:
                    moved.append(look)
                yield look

        spans = active_spans(seen(), gate)
        track = MotionTrack(tuple(moved), gate.slot_seconds)
        return track, spans if motion.enabled else None

    def _windows(
        self, footage: Footage, info: VideoInfo, spans: Sequence[ActiveSpan] | None
    ) -> tuple[VideoWindow, ...]:
        """What is asked about; of files that were given, the part that the settings name."""
        start, end = 0.0, info.duration_seconds
        if footage.segment is None:
            start = self.options.run.start_seconds or 0.0
            end = min(end, self.options.run.end_seconds or end)
        return plan_windows(
            info.start_seconds + start,
            info.start_seconds + end,
            options=WindowOptions(window_seconds=self.options.window_seconds),
            spans=spans,
        )

    def _window(self, clip: _WatchedFile, window: VideoWindow) -> int:
        """Ask what was not asked yet; how many alerts the window has."""
        start = max(0.0, window.start_seconds - clip.info.start_seconds)
        place = (round(start, 6), round(window.end_seconds - clip.info.start_seconds, 6))
        keys = {q.name: self._key(clip.footage, clip.print, [q], place) for q in self._questions}
        done = [k for k in keys.values() if self.ledger.status(k) == "done"]
        num_alerts = sum(bool(self.ledger.outcome(key).run) for key in done)
        asked = [q for q in self._questions if keys[q.name] not in done]
        self.counts.num_windows += 1
        self.counts.active_seconds += place[1] - place[0]
        if not asked:
            return num_alerts
        model, settings = self.load(), self._settings(place)
        frames = self._seen(clip, model, place)
        for question in asked:
            turns = build_conversation(question.ask, None, num_inputs=1)
            said = explain_frames(
                frames, turns, model=model, settings=settings, progress=self.progress
            )
            run = self._alert(clip, place, question, said, keys[question.name])
            num_alerts += bool(run)
            self.ledger.append(
                [Outcome(keys[question.name], run=run, answer=said.answer)],
                ids=[f"{clip.footage.path.name} {place[0]:.1f}-{place[1]:.1f} {question.name}"],
            )
        return num_alerts

    @property
    def _questions(self) -> tuple[QuestionOptions, ...]:
        return self.options.questions

    def _seen(
        self, clip: _WatchedFile, model: VideoModel, place: tuple[float, float]
    ) -> SampledFrames:
        frames = read_frames(clip.footage.path, model=model, settings=self._settings(place))
        redact = self.options.redact
        if not (redact.is_on and redact.before_model):
            return frames
        return redact_frames(frames, options=redact, track=clip.track)

    def _settings(self, place: tuple[float, float] | None = None) -> Any:
        settings = self.options.run
        update: dict[str, Any] = {}
        if any(question.yes_probability is not None for question in self._questions):
            update["num_candidates"] = max(settings.num_candidates, NUM_CANDIDATES)
        if place is not None:
            update |= {"start_seconds": place[0], "end_seconds": place[1]}
        return settings.model_copy(update=update)

    def _alert(
        self,
        clip: _WatchedFile,
        place: tuple[float, float],
        question: QuestionOptions,
        said: Explanation,
        key: str,
    ) -> str:
        """Write an alert if the answer is one; the name of its run folder, else nothing."""
        verdict = evaluate_rule(said, question)
        if not verdict.is_alert:
            return ""
        moved = self._moved(clip, place)
        seconds = moved[0].pts_seconds - clip.info.start_seconds if moved else place[0]
        footage = clip.footage
        sighting = Sighting(
            footage.camera, question.name, clip.print[:16], seconds, footage.moment(seconds)
        )
        name = f"{footage.camera}-{question.name}-{key[:12]}"
        if self.book.has(key[:16]):
            return name
        if self.book.is_cooling(sighting):
            self.counts.num_cooling += 1
            return ""
        self._write(clip, place, said, name)
        details = self._details(footage, question, verdict, name) | {
            "moving": moving(clip.info, moved)
        }
        self.book.append(alert_line(key[:16], sighting, said, window=place, details=details))
        self.counts.num_alerts += 1
        return name

    def _moved(self, clip: _WatchedFile, place: tuple[float, float]) -> tuple[Motion, ...]:
        """The looks of a window that saw enough to begin a span."""
        start = clip.info.start_seconds
        inside = clip.track.between(start + place[0], start + place[1])
        return tuple(each for each in inside if each.share >= self.options.motion.on_share)

    def _write(
        self, clip: _WatchedFile, place: tuple[float, float], said: Explanation, name: str
    ) -> None:
        alerts, start = self.options.alerts, clip.info.start_seconds
        event = AlertEvent(
            footage=clip.footage,
            explanation=said,
            start_seconds=start + place[0] - alerts.before_seconds,
            end_seconds=start + place[1] + alerts.after_seconds,
            track=clip.track,
            previous_track=lambda path: self._look(path)[0],
        )
        write_event(
            event,
            self.output / RUNS / name,
            settings=self.options.run,
            alerts=alerts,
            redaction=self.options.redact,
            progress=self.progress,
        )

    def _details(
        self, footage: Footage, question: QuestionOptions, verdict: Verdict, name: str
    ) -> dict[str, Any]:
        run = f"{RUNS}/{name}"
        there = self.output / RUNS / name
        names = {"annotated": "annotated.mp4", "clip": CLIP, "report": "report.html"}
        return {
            "file": footage.path.name,
            "question": {"name": question.name, "text": question.ask},
            "rule": verdict.reason,
            "yes_probability": verdict.yes_probability,
            "run": run,
            "files": {
                what: f"{run}/{file}" for what, file in names.items() if (there / file).is_file()
            },
        }

    def _key(
        self,
        footage: Footage,
        print_: str,
        questions: Sequence[QuestionOptions] = (),
        place: tuple[float, float] | None = None,
    ) -> str:
        """Names what is asked by content: the file, the questions, the window, the settings."""
        turns = tuple(t for q in questions for t in build_conversation(q.ask, None, num_inputs=1))
        start, end = place or (None, None)
        names = {"camera": footage.camera, "questions": [q.name for q in questions]}
        item = BatchItem("", turns=turns, start_seconds=start, end_seconds=end)
        return item_key(item, [print_], {**self.identity, **names})
