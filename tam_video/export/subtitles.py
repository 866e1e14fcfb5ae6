"""Export subtitles that show each word during its track. Times start at the first frame.

The times are those of the part of the clip that the track covers, not of the answer. VTT and SRT
have a cue per span; cues may overlap. ASS always shows the whole answer and highlights the words
whose tracks cover the current time.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from tam_video.export.exporter import Exporter, TrackedInput
from tam_video.export.plain_text import ass_text, srt_text
from tam_video.render.subtitles import escape_cue

_RULE = (
    "Times say which part of the clip carries the evidence for a word (its track's slots).",
    "They are not when it was spoken or generated.",
)
_LIT = "Lit"


def _cues(tracked: TrackedInput) -> list[tuple[int, int, int]]:
    """Return sorted cues as (start, end, track), with times in ms from the first frame."""
    return sorted(
        (start, end, number)
        for number, track in enumerate(tracked.tracks)
        for start, end in tracked.player_milliseconds(track)
    )


def _write_vtt(tracked: TrackedInput, folder: Path) -> None:
    head, _, body = _cue_text(tracked, "vtt", escape_cue).partition("\n")
    note = "\n".join(_RULE)
    (folder / VTT.files[0]).write_text(f"{head}\n\nNOTE\n{note}\n{body}", encoding="utf-8")


def _write_srt(tracked: TrackedInput, folder: Path) -> None:
    (folder / SRT.files[0]).write_text(_cue_text(tracked, "srt", srt_text), encoding="utf-8")


def _cue_text(tracked: TrackedInput, kind: str, escape: Callable[[str], str]) -> str:
    from pysubs2 import SSAEvent, SSAFile

    subtitles = SSAFile()
    for start, end, number in _cues(tracked):
        text = escape(tracked.labels[number])
        subtitles.append(SSAEvent(start=start, end=end, text=text))
    return subtitles.to_string(kind, keep_ssa_tags=True)


def _write_ass(tracked: TrackedInput, folder: Path) -> None:
    from pysubs2 import Color, SSAEvent, SSAFile, SSAStyle

    subtitles = SSAFile()
    info = tracked.info
    subtitles.info |= {"PlayResX": str(info.width), "PlayResY": str(info.height)}
    size = max(10.0, info.height / 18)
    subtitles.styles["Default"] = SSAStyle(fontsize=size, outline=size / 14, shadow=0)
    subtitles.styles[_LIT] = SSAStyle(
        fontsize=size, outline=size / 14, shadow=0, bold=True, primarycolor=Color(255, 200, 0)
    )
    cues = _cues(tracked)
    whole = round(1000 * info.duration_seconds)
    borders = sorted({0, whole, *(edge for start, end, _ in cues for edge in (start, end))})
    for start, end in pairwise(borders):
        lit = {number for first, last, number in cues if first <= start and end <= last}
        subtitles.append(SSAEvent(start=start, end=end, text=_lit_answer(tracked, lit)))
    text = subtitles.to_string("ass", header_notice="\n".join(_RULE))
    (folder / ASS.files[0]).write_text(text, encoding="utf-8")


def _lit_answer(tracked: TrackedInput, lit: set[int]) -> str:
    """Return the answer as ASS text in which the words of the given tracks are highlighted."""
    words, answer = tracked.explanation.words, tracked.answer
    spans = sorted(
        (words[index].char_start, words[index].char_end)
        for index in (tracked.tracks[number].word_index for number in lit)
        if index is not None
    )
    parts, at = [], 0
    for start, end in spans:
        parts += [_ass(answer[at:start]), f"{{\\r{_LIT}}}", _ass(answer[start:end]), "{\\r}"]
        at = end
    return "".join([*parts, _ass(answer[at:])])


def _ass(text: str) -> str:
    """Escape a text with `ass_text`, but keep one space at the start and at the end."""
    plain = ass_text(text)
    before = " " if text[:1].isspace() else ""
    after = " " if plain and text[-1:].isspace() else ""
    return f"{before}{plain}{after}"


VTT, SRT = (
    Exporter(
        name=name,
        files=(f"words.{name}",),
        summary=f"{title}: a cue for each span of a word's track",
        index_base=None,
        write=write,
    )
    for name, title, write in (("vtt", "WebVTT", _write_vtt), ("srt", "SubRip", _write_srt))
)

ASS = Exporter(
    name="ass",
    files=("words.ass",),
    summary="ASS karaoke: the answer, with words highlighted during their spans",
    index_base=None,
    write=_write_ass,
)
