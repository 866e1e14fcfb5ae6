"""Files of the folder of a long video: the survey, a run folder for each window, the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tam_video.batch.storage import run_config_defaults
from tam_video.long.windows import LongOptions, VideoWindow
from tam_video.workspace.workspace import WorkspaceKind

SURVEY, TIMELINE, WINDOWS = "seen.json", "timeline.json", "windows"
FILM, CAPTIONS, ANSWERS, REPORT = "annotated.mp4", "captions.vtt", "answers.vtt", "report.html"


def _defaults() -> Mapping[str, Any]:
    return {**run_config_defaults(), "options": asdict(LongOptions())}


LONG_VIDEO = WorkspaceKind(
    "a long video",
    "long.json",
    own=(SURVEY, TIMELINE, FILM, CAPTIONS, ANSWERS, REPORT, f"{WINDOWS}/[0-9]*-*h*m*s"),
    version=("long_version", 1),
    renames={"settings.preset": "settings.speed_preset"},
    defaults=_defaults,
)


def window_dir(folder: Path, window: VideoWindow) -> Path:
    """Return the run folder of a window, named by its index and start."""
    minutes, seconds = divmod(int(window.start_seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return folder / WINDOWS / f"{window.index:04d}-{hours:02d}h{minutes:02d}m{seconds:02d}s"


def result_files(folder: Path) -> dict[str, Path]:
    """Return the files beside the windows that exist, by their roles."""
    names = {
        "timeline": TIMELINE,
        "report": REPORT,
        "video": FILM,
        "captions": CAPTIONS,
        "answers": ANSWERS,
    }
    return {key: folder / name for key, name in names.items() if (folder / name).exists()}
