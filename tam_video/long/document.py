"""Names of the output files for a long video, and the content of `timeline.json`.

Times are seconds from the first frame of the source, as in a player.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tam_video.batch.storage import run_config_defaults
from tam_video.errors import TamVideoError
from tam_video.export.document import read_explanation
from tam_video.localise import word_tracks
from tam_video.long.windows import LongOptions, Stretch, VideoWindow
from tam_video.render.subtitles import Cue
from tam_video.types import Explanation
from tam_video.workspace.workspace import WorkspaceKind

TIMELINE_VERSION = 1
SURVEY, TIMELINE, WINDOWS = "seen.json", "timeline.json", "windows"
FILM, CAPTIONS, ANSWERS, REPORT = "annotated.mp4", "captions.vtt", "answers.vtt", "report.html"


_RESULTS = {
    "timeline": TIMELINE,
    "report": REPORT,
    "video": FILM,
    "captions": CAPTIONS,
    "answers": ANSWERS,
}
LONG_VIDEO = WorkspaceKind(
    "a long video",
    "long.json",
    own=(SURVEY, *_RESULTS.values(), f"{WINDOWS}/[0-9]*-*h*m*s"),
    version=("long_version", 1),
    renames={"settings.preset": "settings.speed_preset"},
    defaults=lambda: {**run_config_defaults(), "options": asdict(LongOptions())},
)


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The result of a window, or the error with which it failed.

    Attributes:
        window: the window, in seconds from the first frame of the source.
        run_dir: its run folder; None if it failed.
        answer: answer of the model.
        error: why it failed; None if it did not.
        is_resumed: whether an earlier run explained it.
    """

    window: VideoWindow
    run_dir: Path | None
    answer: str = ""
    error: TamVideoError | None = None
    is_resumed: bool = False


@dataclass(frozen=True, slots=True)
class LongResult:
    """The result of a long video.

    Attributes:
        folder: the output folder.
        timeline: content of `timeline.json`.
        windows: the windows, in order of time; none where nothing moved.
        files: "timeline", and where they were written "report", "video", "captions", "answers".
        warnings: fallbacks that were taken.
    """

    folder: Path
    timeline: Mapping[str, Any]
    windows: tuple[WindowResult, ...]
    files: Mapping[str, Path]
    warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[WindowResult, ...]:
        """Return the windows that failed; the next run of the same job retries them."""
        return tuple(each for each in self.windows if each.error is not None)


def window_dir(folder: Path, window: VideoWindow) -> Path:
    """Return the path of a window's run folder. Its name contains the window's index and start."""
    minutes, seconds = divmod(int(window.start_seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return folder / WINDOWS / f"{window.index:04d}-{hours:02d}h{minutes:02d}m{seconds:02d}s"


def result_files(folder: Path) -> dict[str, Path]:
    """Return the existing output files by kind, such as "report", without the window folders."""
    return {role: folder / name for role, name in _RESULTS.items() if (folder / name).exists()}


def window_row(result: WindowResult, *, folder: Path) -> dict[str, Any]:
    """Return a window as JSON values: its time span, its answer, and the time spans of its words.

    Raises:
        RunFolderError: its run folder cannot be read.
    """
    window = result.window
    row: dict[str, Any] = {
        "index": window.index,
        "start_seconds": round(window.start_seconds, 4),
        "end_seconds": round(window.end_seconds, 4),
        "status": "failed" if result.run_dir is None else "done",
        "answer": result.answer,
        "words": [],
    }
    if result.error is not None:
        row["error"] = {"type": type(result.error).__name__, "message": result.error.message}
    if result.run_dir is not None:
        row["run"] = result.run_dir.relative_to(folder).as_posix()
        row["words"] = word_rows(read_explanation(result.run_dir), window)
    return row


def restrict_to_part(
    explanation: Explanation, start_seconds: float, end_seconds: float, *, num_frames: int
) -> Explanation:
    """Return an explanation whose video is cut to a part. Start and end are in container time."""
    part = replace(
        explanation.info,
        num_frames=num_frames,
        start_seconds=start_seconds,
        duration_seconds=end_seconds - start_seconds,
    )
    return replace(explanation, inputs=(replace(explanation.inputs[0], info=part),))


def word_rows(explanation: Explanation, window: VideoWindow) -> list[dict[str, Any]]:
    """Return the content words of a window as JSON values, with the time spans of their tracks."""
    info, zero = explanation.info, explanation.info.start_seconds
    start, end = zero + window.start_seconds, zero + window.end_seconds
    part = restrict_to_part(explanation, start, end, num_frames=info.num_frames)
    rows = []
    for word, track in zip(part.words, word_tracks(part), strict=True):
        if word.is_content:
            span, peak = track.span_seconds, track.peak
            rows.append(
                {
                    "text": word.text,
                    "span_seconds": span and [round(edge - zero, 3) for edge in span],
                    "peak_seconds": peak and round(peak.seconds - zero, 3),
                }
            )
    return rows


def answer_cues(results: Sequence[WindowResult], owned: Sequence[Stretch]) -> list[Cue]:
    """Return subtitle cues that show each answer while the video is in the answer's window."""
    answers = {each.window.index: each.answer for each in results if each.run_dir is not None}
    return [
        Cue(each.start_seconds, each.end_seconds, answers[each.window])
        for each in owned
        if each.window is not None and each.window in answers
    ]
