"""Break text into lines (UAX #14) and put them into visual order (UAX #9).

uniseg computes the line breaks and grapheme clusters, python-bidi the embedding levels. Offsets
into the answer are kept, so that a word can be located on its line. Nothing is drawn here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Any, TypeAlias

from bidi import algorithm, get_base_level
from uniseg.graphemecluster import grapheme_cluster_boundaries
from uniseg.linebreak import line_break_units

Span: TypeAlias = tuple[int, int]

_BIDI_CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_DRAWN_AS = {**_SURROGATES, **dict.fromkeys(map(ord, _BIDI_CONTROLS), "\u200c")}
_REMOVED = {**_SURROGATES, **dict.fromkeys(map(ord, _BIDI_CONTROLS))}
_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " ")
# Words are split after 128 code points: the time for a cluster grows with its squared length.
_PARTS = re.compile(
    r"(?P<newline>[\n\u2028\u2029])"
    r"|(?P<space>(?:(?![\n\u2028\u2029\u00a0])[\s\x00-\x1f\x7f-\x9f])+)"
    r"|(?:[^\s\x00-\x1f\x7f-\x9f]|\u00a0){1,128}"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text in which no line break is allowed.

    Attributes:
        text: the characters to draw, one for each of the answer's; " " for any white space and a
            line break for a forced break.
        start: offset of its first character in the answer.
        end: offset after its last character.
        is_rtl: whether it is drawn from right to left; set by `visual_order`.
    """

    text: str
    start: int
    end: int
    is_rtl: bool = False

    def part(self, start: int, end: int) -> Piece:
        """Return the part of the piece between two offsets in the answer."""
        text = self.text[start - self.start : end - self.start]
        return Piece(text, start, end, self.is_rtl)


def split_pieces(text: str) -> list[Piece]:
    """Split text at its line break opportunities. White space becomes separate pieces.

    Control characters count as white space, lone surrogates are drawn as U+FFFD and bidirectional
    controls not at all. The pieces cover the text in logical order.
    """
    pieces: list[Piece] = []
    for match in _PARTS.finditer(text.translate(_DRAWN_AS)):
        start, end = match.span()
        if match.lastgroup is not None:
            pieces.append(Piece("\n" if match.lastgroup == "newline" else " ", start, end))
            continue
        for unit in _break_units(match[0]):
            pieces.append(Piece(unit, start, start + len(unit)))
            start += len(unit)
    return pieces


@lru_cache(maxsize=4096)
def _break_units(word: str) -> tuple[str, ...]:
    return tuple(line_break_units(word))


def wrap(text: str, *, width_px: float, length: Callable[[str], float]) -> list[list[Piece]]:
    """Break text into lines. A word that is wider than a line is split between graphemes.

    `length` returns the width of a text in pixels. No line is empty; white space at the start of a
    line is dropped.
    """
    lines: list[list[Piece]] = [[]]
    used = 0.0
    for piece in _split_wide(split_pieces(text), width_px=width_px, length=length):
        width = length(piece.text)
        if piece.text == "\n" or (used + width > width_px and piece.text != " "):
            lines.append([])
            used = 0.0
        if piece.text != "\n" and (lines[-1] or piece.text != " "):
            lines[-1].append(piece)
            used += width
    return [line for line in lines if line]


def _split_wide(
    pieces: Iterable[Piece], *, width_px: float, length: Callable[[str], float]
) -> Iterator[Piece]:
    for piece in pieces:
        if piece.text in ("\n", " ") or length(piece.text) <= width_px:
            yield piece
            continue
        start = 0
        for end, following in pairwise([*grapheme_cluster_boundaries(piece.text), None]):
            is_full = following is None or length(piece.text[start:following]) > width_px
            if end > start and is_full:
                yield piece.part(piece.start + start, piece.start + end)
                start = end


def split_at_spans(line: Sequence[Piece], spans: Sequence[Span]) -> list[Piece]:
    """Split the pieces of a line where a span starts or ends.

    Spans are (start, end) offsets in the answer; pieces are in logical order.
    """
    edges = sorted({edge for span in spans for edge in span})
    result: list[Piece] = []
    for piece in line:
        inner = [edge for edge in edges if piece.start < edge < piece.end and piece.text != " "]
        bounds = [piece.start, *inner, piece.end]
        result += [piece.part(*bound) for bound in pairwise(bounds)] if inner else [piece]
    return result


def one_line(text: str) -> str:
    """Convert any text to one line without control characters.

    White space is joined; control characters and bidirectional controls are left out; lone
    surrogates become U+FFFD.
    """
    return " ".join(text.translate(_CONTROLS).split()).translate(_REMOVED)


def inside(piece: Piece, spans: Sequence[Span]) -> bool:
    """Return whether a piece lies within one of the spans."""
    return any(start <= piece.start and piece.end <= end for start, end in spans)


@lru_cache(maxsize=64)
def base_direction(text: str) -> str:
    """Return "R" if the first letter is Arabic or Hebrew, or else "L" (rules P2 and P3)."""
    line = one_line(text)
    return "R" if line and get_base_level(line) else "L"


def visual_order(line: Sequence[Piece], *, base: str) -> list[Piece]:
    """Return the pieces of a line from left to right. Pieces with mixed directions are split.

    `line` is in logical order, `base` is the direction of the whole text, "L" or "R". A piece is
    split where the direction changes. The characters of a piece stay in logical order: the font
    engine orders and shapes them.
    """
    types = [[unicodedata.bidirectional(each) for each in piece.text] for piece in line]
    if base == "L" and not any(each in ("R", "AL", "AN") for row in types for each in row):
        return list(line)
    storage = _embedding_levels(line, base)
    runs: list[Piece] = []
    for (number, level), group in groupby(
        storage["chars"], key=lambda each: (each["piece"], each["level"])
    ):
        characters = list(group)
        start = line[number].start + characters[0]["offset"]
        whole = len(characters) == len(line[number].text)
        part = line[number] if whole else line[number].part(start, start + len(characters))
        runs.append(replace(part, is_rtl=level % 2 == 1))
        for each in characters:
            each["run"] = len(runs) - 1
    algorithm.reorder_resolved_levels(storage, debug=False)
    return [runs[number] for number in dict.fromkeys(each["run"] for each in storage["chars"])]


def _embedding_levels(line: Sequence[Piece], base: str) -> dict[str, Any]:
    """Return python-bidi's state, which has each character's level, piece index and offset."""
    storage: dict[str, Any] = algorithm.get_empty_storage()
    storage.update(base_level=algorithm.PARAGRAPH_LEVELS[base], base_dir=base)
    algorithm.get_embedding_levels("".join(piece.text for piece in line), storage)
    origins = ((number, at) for number, piece in enumerate(line) for at in range(len(piece.text)))
    for each, (number, offset) in zip(storage["chars"], origins, strict=True):
        each.update(piece=number, offset=offset)
        if each["type"] in ("", "BN", "B"):  # these would be removed, or end the paragraph
            each["type"] = each["orig"] = "ON"
    algorithm.explicit_embed_and_overrides(storage)
    algorithm.resolve_weak_types(storage, debug=False)
    _resolve_brackets(storage["chars"], base)
    algorithm.resolve_neutral_types(storage, debug=False)
    algorithm.resolve_implicit_levels(storage, debug=False)
    return storage


def _resolve_brackets(characters: list[dict[str, Any]], base: str) -> None:
    """Assign one direction to both brackets of a pair (rule N0, not part of python-bidi)."""
    opened: list[int] = []
    for index, each in enumerate(characters):
        if each["ch"] in "([{":
            opened.append(index)
        elif each["ch"] in ")]}" and opened:
            start = opened.pop()
            inner = _strong(characters[start:index])
            if inner and base not in inner and _strong(characters[:start])[-1:] == inner[:1]:
                each["type"] = characters[start]["type"] = inner[0]
            elif inner:
                each["type"] = characters[start]["type"] = base


def _strong(characters: list[dict[str, Any]]) -> list[str]:
    """Return the direction, "L" or "R", of each letter and number. Numbers count as "R"."""
    types = (each["type"] for each in characters)
    return ["L" if each == "L" else "R" for each in types if each in ("L", "R", "EN", "AN")]
