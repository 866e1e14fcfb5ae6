"""Write WebVTT captions for the annotated clip. Text from the model is escaped."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tam_video.video.muxing import replacing
from tam_video.workspace.files import wrap_os_errors

_NOTE = (
    "NOTE Times say when the annotated clip shows the heat of a word or token.\n"
    "They are not when it was spoken or generated."
)


@dataclass(frozen=True, slots=True)
class Cue:
    """A caption text and its time range, in seconds of the annotated clip."""

    start_seconds: float
    end_seconds: float
    text: str


def escape_cue(text: str) -> str:
    """Remove line breaks and control characters from a text, and escape WebVTT markup."""
    drawn = (" " if unicodedata.category(each) in ("Cc", "Cs") else each for each in text)
    plain = " ".join("".join(drawn).split())
    return escape(plain, quote=False).replace("\\", "&#92;")  # a backslash is markup of pysubs2


def write_vtt(path: Path, cues: Iterable[Cue], *, note: str = _NOTE) -> Path:
    """Write cues to a WebVTT file atomically.

    Cues without visible text are left out. `note`, the file's comment about the times, is trusted
    text.

    Raises:
        ExportError: the file can't be written.
    """
    from pysubs2 import SSAEvent, SSAFile

    subtitles = SSAFile()
    for cue in cues:
        text = escape_cue(cue.text)
        start, end = round(cue.start_seconds * 1000), round(cue.end_seconds * 1000)
        if text:
            subtitles.append(SSAEvent(start=start, end=max(end, start + 1), text=text))
    head, _, body = subtitles.to_string("vtt", keep_ssa_tags=True).partition("\n")
    with wrap_os_errors(path), replacing(path) as partial:
        partial.write_text(f"{head}\n\n{note}\n{body}", encoding="utf-8")
    return path
