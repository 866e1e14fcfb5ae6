"""The page of the alerts: newest first, each with its clip, its answer and its report.

Text of models, file names and questions is escaped; nothing is loaded from elsewhere, and no script
runs.
"""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tam_video.export.durable import write_whole
from tam_video.pipelines.surveillance.alerts import ALERTS, read_alerts

if TYPE_CHECKING:
    from jinja2 import Environment

INDEX = "index.html"
SHOWN_ALERTS = 500
_LONGEST_TEXT = 400


def write_page(folder: Path) -> Path:
    """Write `index.html` of an output folder.

    Raises:
        ExportError: it can't be written.
    """
    last: deque[Mapping[str, Any]] = deque(maxlen=SHOWN_ALERTS)
    total = 0
    for alert in read_alerts(folder / ALERTS):
        last.append(alert)
        total += 1
    rows = [_row(alert, folder) for alert in reversed(last)]
    style = _asset("index.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = (
        _environment()
        .get_template("index.html")
        .render(
            title=folder.resolve().name or "Alerts",
            rows=rows,
            total=total,
            style=_markup(style),
            policy=(
                f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' data:; "
                "media-src 'self'; base-uri 'none'; form-action 'none'"
            ),
            version=version("tam-video"),
        )
    )
    return write_whole(folder / INDEX, page.encode("utf-8", errors="replace"))


def _row(alert: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    run = str(alert["run"])
    there = folder / run

    def link(name: str) -> str:
        found = (there / name).is_file()
        return (
            "/".join(quote(part, safe="") for part in f"{run}/{name}".split("/")) if found else ""
        )

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
        "words": ", ".join(_seen(word) for word in alert.get("words", ())),
        "video": link("annotated.mp4") or link("event.mp4"),
        "clip": link("event.mp4"),
        "poster": link("thumb.jpg"),
        "report": link("report.html"),
    }


def _seen(word: Mapping[str, Any]) -> str:
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


def _markup(text: str) -> str:
    from markupsafe import Markup

    return Markup(text)  # noqa: S704  # our own file, the only text that is not escaped


@cache
def _asset(name: str) -> str:
    shared = files("tam_video.report") / "assets" / "page.css"
    own = files("tam_video.pipelines.surveillance") / "assets" / name
    return shared.read_text(encoding="utf-8") + own.read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("tam_video.pipelines.surveillance", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
