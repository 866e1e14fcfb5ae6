"""Write the index page, which lists all alerts with clip, answer and report, newest first.

The page escapes all text, runs no script and loads nothing from elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tam_video.export.document import read_calibration
from tam_video.pipelines.surveillance.alerts import ALERTS, read_alerts
from tam_video.report.page import plain_page
from tam_video.workspace.files import atomic_write

INDEX = "index.html"
SHOWN_ALERTS = 500
_LONGEST_TEXT = 400


def write_page(folder: Path) -> Path:
    """Write `index.html` to an output folder and return its path.

    Raises:
        ExportError: it can't be written.
    """
    last: deque[Mapping[str, Any]] = deque(maxlen=SHOWN_ALERTS)
    total = 0
    for alert in read_alerts(folder / ALERTS):
        last.append(alert)
        total += 1
    rows = [_row(alert, folder) for alert in reversed(last)]
    heading = folder.resolve().name or "Alerts"
    page = plain_page(
        "index.html",
        package="tam_video.pipelines.surveillance",
        style="index.css",
        plays_media=True,
        title=f"{heading}: alerts",
        heading=heading,
        calibrations=[read_calibration(alert.get("calibration")) for alert in last],
        rows=rows,
        total=total,
    )
    return atomic_write(folder / INDEX, page.encoded())


def _row(alert: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    run = str(alert["run"])

    def link(name: str) -> str:
        return quote(f"{run}/{name}") if (folder / run / name).is_file() else ""

    moment = alert["time"]
    yes = alert.get("yes_probability")
    return {
        "camera": alert["camera"],
        "when": _time_of_day(str(moment)) if moment else _clock(float(alert["seconds"])),
        "iso": moment or "",
        "file": str(alert.get("file", ""))[:_LONGEST_TEXT],
        "question": str(alert["question"].get("text", ""))[:_LONGEST_TEXT],
        "answer": str(alert["answer"])[:_LONGEST_TEXT],
        "yes": "" if yes is None else f"yes {float(yes):.2f}",
        "rule": str(alert.get("rule", "")),
        "words": ", ".join(_word_span(word) for word in alert.get("words", ())),
        "video": link("annotated.mp4") or link("event.mp4"),
        "clip": link("event.mp4"),
        "poster": link("thumb.jpg"),
        "report": link("report.html"),
    }


def _word_span(word: Mapping[str, Any]) -> str:
    start, end = word["spans_seconds"][0][0], word["spans_seconds"][-1][1]
    return f"{word['word']} {float(start):.1f}-{float(end):.1f} s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0.0, seconds), 60)
    return f"{int(minutes // 60)}:{int(minutes % 60):02d}:{rest:04.1f}"


def _time_of_day(text: str) -> str:
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S %Z")
    except ValueError:
        return text
