"""The alerts: one line each in `alerts.jsonl`, once and for all on the disk.

A line holds what a program needs to go on with an alert, and no address of a camera. Seconds count
from the first frame of the file; boxes are in its pixels, the right and the lower side exclusive.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tam_video.localise import WordTrack, word_tracks
from tam_video.long.gate import Motion
from tam_video.types import Explanation, VideoInfo
from tam_video.workspace.append_log import AppendLog

ALERTS = "alerts.jsonl"
_ALERT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Sighting:
    """When a camera saw what a question asks for.

    Attributes:
        camera: name of the camera.
        question: name of the question.
        source: name of the file by content.
        seconds: from the file's first frame.
        moment: the time of day, where it is known.
    """

    camera: str
    question: str
    source: str
    seconds: float
    moment: datetime | None


@dataclass(slots=True)
class AlertBook:
    """The lines, and the last alert of each camera and question.

    Attributes:
        path: the file.
        cooldown_seconds: no second alert within this.
    """

    path: Path
    cooldown_seconds: float
    _ids: set[str] = field(default_factory=set)
    _last: dict[tuple[str, str], Sighting] = field(default_factory=dict)

    def load(self) -> None:
        """Read what earlier runs have written; a line that a kill has torn is cut off."""
        for alert in read_alerts(self.path, repair=True):
            self._remember(alert)

    def is_cooling(self, sighting: Sighting) -> bool:
        """Whether the last alert of this camera and question was too short a time ago."""
        last = self._last.get((sighting.camera, sighting.question))
        if last is None:
            return False
        if sighting.moment is not None and last.moment is not None:
            passed = (sighting.moment - last.moment).total_seconds()
        elif sighting.source == last.source:
            passed = sighting.seconds - last.seconds
        else:
            return False
        return abs(passed) < self.cooldown_seconds

    def has(self, identity: str) -> bool:
        """Whether an alert is written down."""
        return identity in self._ids

    def append(self, alert: Mapping[str, Any]) -> None:
        """Write an alert, and wait until the disk has it.

        Raises:
            ExportError: it can't be written.
        """
        line = json.dumps(alert, ensure_ascii=False, allow_nan=False).encode()
        AppendLog(self.path).append([line])
        self._remember(alert)

    def _remember(self, alert: Mapping[str, Any]) -> None:
        moment = alert["time"]
        sighting = Sighting(
            alert["camera"],
            alert["question"]["name"],
            alert["source"],
            float(alert["seconds"]),
            None if moment is None else datetime.fromisoformat(moment),
        )
        self._ids.add(alert["id"])
        self._last[sighting.camera, sighting.question] = sighting


def read_alerts(path: Path, *, repair: bool = False) -> Iterator[dict[str, Any]]:
    """The alerts of a file, in the order they were written; damaged lines are left out.

    Raises:
        ExportError: it can't be read.
    """
    for _, alert in AppendLog(path, repair=repair).records(_checked):
        yield alert


def _checked(alert: Any) -> dict[str, Any]:
    """Return a parsed line.

    Raises:
        ValueError, KeyError, TypeError: a field is missing.
    """
    _ = (alert["id"], alert["camera"], alert["question"]["name"], alert["run"])
    _ = (alert["source"], float(alert["seconds"]), alert["time"], alert["answer"])
    return dict(alert)


def alert_line(
    identity: str,
    sighting: Sighting,
    explanation: Explanation,
    *,
    window: tuple[float, float],
    details: Mapping[str, Any],
) -> dict[str, Any]:
    """An alert as JSON values.

    Args:
        identity: names it, the same in every run.
        sighting: when it was seen.
        explanation: on the footage; its words are told with spans and boxes.
        window: what was asked about, in seconds from the first frame.
        details: further values: file, question, rule, files.
    """
    words = [
        told
        for word, track in zip(explanation.words, word_tracks(explanation), strict=True)
        if word.is_content and (told := _word(track, explanation.info.start_seconds))
    ]
    spans = [span for word in words for span in word["spans_seconds"]]
    span = (min(s for s, _ in spans), max(e for _, e in spans)) if spans else window
    return {
        "alert_version": _ALERT_VERSION,
        "id": identity,
        "camera": sighting.camera,
        "time": None if sighting.moment is None else sighting.moment.isoformat(),
        "seconds": _rounded(sighting.seconds),
        "source": sighting.source,
        "window_seconds": [_rounded(each) for each in window],
        "span_seconds": [_rounded(each) for each in span],
        "answer": explanation.answer,
        **details,
        "words": words,
    }


def moving(info: VideoInfo, motions: Sequence[Motion]) -> list[dict[str, Any]]:
    """What moved, as JSON values: seconds from the first frame, boxes in pixels."""
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
    """Where and when a word was seen; nothing for an empty track."""
    if track.is_empty:
        return {}
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
