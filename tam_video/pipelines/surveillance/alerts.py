"""Evaluate alert rules, and read and write alerts as lines of `alerts.jsonl`.

A line contains what a program needs to process an alert, and no address of a camera. Seconds count
from the first frame of the file; boxes are in its pixels, right and bottom exclusive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tam_video.export.document import calibration_row
from tam_video.localise import WordTrack, word_tracks
from tam_video.long.gate import Motion
from tam_video.pipelines.surveillance.options import QuestionOptions
from tam_video.types import Explanation, Token, VideoInfo
from tam_video.workspace.append_log import AppendLog

ALERTS = "alerts.jsonl"
NUM_CANDIDATES = 20
"""Number of stored candidates per token if a rule uses a probability."""
_ALERT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of an alert rule."""

    is_alert: bool
    yes_probability: float | None  # None if the rule has no `yes_probability`
    reason: str  # names of the conditions that hold


def evaluate_rule(explanation: Explanation, question: QuestionOptions) -> Verdict:
    """Check whether an answer fulfils the alert rule of a question."""
    yes = None
    conditions: dict[str, bool] = {}
    if question.pattern is not None:
        match = re.search(question.pattern, explanation.answer, re.IGNORECASE)
        conditions["pattern"] = match is not None
    if question.yes_probability is not None:
        yes = yes_probability(explanation.tokens, question.yes_words)
        conditions["yes_probability"] = yes >= question.yes_probability
    if question.always:
        return Verdict(True, yes, "always")
    combine = all if question.match == "all" else any
    reason = " and ".join(name for name, holds in conditions.items() if holds)
    return Verdict(combine(conditions.values()), yes, reason)


def yes_probability(tokens: Sequence[Token], yes_words: Sequence[str]) -> float:
    """Return the probability that the first answer token means yes, or 0 if there is no answer.

    This is the sum over its candidates that are a yes, ignoring case and surrounding spaces. Tokens
    beyond the stored candidates count as zero, so the sum is a lower bound.
    """
    wanted = {word.strip().casefold() for word in yes_words}
    first = next((t for t in tokens if t.role == "answer" and not t.is_special), None)
    if first is None:
        return 0.0
    shares = {each.id: each.probability for each in first.candidates if _is_yes(each.text, wanted)}
    if first.id not in shares and first.probability is not None and _is_yes(first.text, wanted):
        shares[first.id] = first.probability
    return min(1.0, sum(shares.values()))


def _is_yes(text: str, wanted: set[str]) -> bool:
    return text.strip().strip(".,!").casefold() in wanted


@dataclass(slots=True)
class AlertLog:
    """The log of alerts. It remembers the last alert for each camera and question."""

    path: Path
    cooldown_seconds: float  # minimum time between two alerts
    _ids: set[str] = field(default_factory=set)
    _last: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)

    def load(self) -> None:
        """Read the alerts of earlier runs, and remove an incomplete last line."""
        for alert in read_alerts(self.path, repair=True):
            self._remember(alert)

    def is_cooling(self, alert: Mapping[str, Any]) -> bool:
        """Return whether the camera and question are still in the cooldown after an alert."""
        last = self._last.get((alert["camera"], alert["question"]["name"]))
        if last is None:
            return False
        if alert["time"] and last["time"]:
            moment, before = (datetime.fromisoformat(each["time"]) for each in (alert, last))
            passed = (moment - before).total_seconds()
        elif alert["source"] == last["source"]:
            passed = alert["seconds"] - last["seconds"]
        else:
            return False
        return abs(passed) < self.cooldown_seconds

    def has(self, identity: str) -> bool:
        """Return whether an alert is in the log."""
        return identity in self._ids

    def append(self, alert: Mapping[str, Any]) -> None:
        """Append an alert, and wait until it is on the disk.

        Raises:
            ExportError: it can't be written.
        """
        line = json.dumps(alert, ensure_ascii=False, allow_nan=False).encode()
        AppendLog(self.path).append([line])
        self._remember(alert)

    def _remember(self, alert: Mapping[str, Any]) -> None:
        self._ids.add(alert["id"])
        self._last[alert["camera"], alert["question"]["name"]] = alert


def read_alerts(path: Path, *, repair: bool = False) -> Iterator[dict[str, Any]]:
    """Yield the alerts in a file in the order of writing. Damaged lines are skipped.

    Raises:
        ExportError: it can't be read.
    """
    for _, alert in AppendLog(path, repair=repair).records(_checked):
        yield alert


def _checked(alert: Any) -> dict[str, Any]:
    """Validate a parsed line. Raise ValueError, KeyError or TypeError if a field is invalid."""
    _ = (alert["id"], alert["camera"], alert["question"]["name"], alert["run"])
    _ = (alert["source"], float(alert["seconds"]), alert["time"], alert["answer"])
    return dict(alert)


def alert_line(
    explanation: Explanation, *, seconds: float, window: tuple[float, float], **details: Any
) -> dict[str, Any]:
    """Return an alert as JSON values.

    Args:
        explanation: explanation of the footage; its words are listed with time spans and boxes.
        seconds: time of the alert from the first frame of the file.
        window: the window, in seconds from the first frame.
        details: further values: id, camera, time, source, file, question, rule, files.
    """
    start = explanation.info.start_seconds
    words = [
        _word(track, start)
        for word, track in zip(explanation.words, word_tracks(explanation), strict=True)
        if word.is_content and not track.is_empty
    ]
    spans = [span for word in words for span in word["spans_seconds"]]
    span = (min(s for s, _ in spans), max(e for _, e in spans)) if spans else window
    return {
        "alert_version": _ALERT_VERSION,
        **details,
        "seconds": _rounded(seconds),
        "window_seconds": [_rounded(each) for each in window],
        "span_seconds": [_rounded(each) for each in span],
        "answer": explanation.answer,
        "profile": explanation.settings.get("profile"),
        "calibration": calibration_row(explanation.calibration),
        "words": words,
    }


def motion_rows(info: VideoInfo, motions: Sequence[Motion]) -> list[dict[str, Any]]:
    """Return motion as JSON values, with seconds from the first frame and boxes in pixels."""
    scale = (info.width, info.height, info.width, info.height)
    return [
        {
            "seconds": _rounded(each.pts_seconds - info.start_seconds),
            "boxes": [
                [round(side * px) for side, px in zip(box, scale, strict=True)]
                for box in each.boxes
            ],
        }
        for each in motions
    ]


def _word(track: WordTrack, start_seconds: float) -> dict[str, Any]:
    """Return the time spans and boxes of a word as JSON values."""
    edges = track.timeline.edges_seconds - start_seconds
    return {
        "word": track.text,
        "spans_seconds": [
            [_rounded(start - start_seconds), _rounded(end - start_seconds)]
            for start, end in track.spans_seconds
        ],
        "boxes": [
            {
                "seconds": [_rounded(edges[slot]), _rounded(edges[slot + 1])],
                "box": track.boxes[slot].tolist(),
            }
            for slot in track.slots
        ],
    }


def _rounded(seconds: float) -> float:
    return round(float(seconds), 3)
