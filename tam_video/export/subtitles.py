"""Subtitles: when each word was seen. Times are those of a player, from the first frame.

A word has no time of its own: what stands here is the time in the clip that its track covers, from
halfway before its first slot to halfway after its last one. VTT and SRT have a cue per word, which
may overlap. ASS shows the whole answer all along and lights the words that are seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from tam_video.export.exporter import Exporter, TrackedInput
from tam_video.export.plain_text import ass_text, srt_text
from tam_video.render.subtitles import escape_cue

if TYPE_CHECKING:
    from pysubs2 import SSAFile

_RULE = (
    "Times say which part of the clip carries the evidence for a word (its track's slots).",
    "They are not when it was spoken or generated.",
)
_LIT = "Lit"


def _cues(tracked: TrackedInput) -> list[tuple[int, int, int]]:
    """Start, end (milliseconds of a player) and track of every cue, in the order of their start."""
    return sorted(
        (start, end, number)
        for number, track in enumerate(tracked.tracks)
        for start, end in tracked.player_milliseconds(track)
    )


def _write_vtt(tracked: TrackedInput, folder: Path) -> None:
    text = _plain(tracked, [escape_cue(label) for label in tracked.labels]).to_string(
        "vtt", keep_ssa_tags=True
    )
    head, _, body = text.partition("\n")
    note = "\n".join(_RULE)
    (folder / VTT.files[0]).write_text(f"{head}\n\nNOTE\n{note}\n{body}", encoding="utf-8")


def _write_srt(tracked: TrackedInput, folder: Path) -> None:
    text = _plain(tracked, [srt_text(label) for label in tracked.labels]).to_string(
        "srt", keep_ssa_tags=True
    )
    (folder / SRT.files[0]).write_text(text, encoding="utf-8")


def _plain(tracked: TrackedInput, texts: Sequence[str]) -> SSAFile:
    from pysubs2 import SSAEvent, SSAFile

    subtitles = SSAFile()
    for start, end, number in _cues(tracked):
        subtitles.append(SSAEvent(start=start, end=end, text=texts[number]))
    return subtitles


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
    """The answer with the words of some tracks in the style that lights them."""
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
    """`ass_text` that keeps one space at either end, for it stands between other words."""
    plain = ass_text(text)
    before = " " if text[:1].isspace() else ""
    after = " " if plain and text[-1:].isspace() else ""
    return f"{before}{plain}{after}"


VTT = Exporter(
    name="vtt",
    files=("words.vtt",),
    summary="WebVTT: a cue per word, for the part of the clip it was seen in",
    index_base=None,
    write=_write_vtt,
)

SRT = Exporter(
    name="srt",
    files=("words.srt",),
    summary="SubRip: a cue per word, for the part of the clip it was seen in",
    index_base=None,
    write=_write_srt,
)

ASS = Exporter(
    name="ass",
    files=("words.ass",),
    summary="ASS karaoke: the answer, with the words lit while they are seen",
    index_base=None,
    write=_write_ass,
)
