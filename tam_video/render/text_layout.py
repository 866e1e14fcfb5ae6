"""Text to lines: where a line may break, how pieces are ordered from left to right.

Pure functions over text and measured lengths. Offsets into the answer are kept, so that a word can
be found again on its line. Knows nothing of drawing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]

_BREAKS = frozenset("\n\u2028\u2029")
_JOINERS = frozenset("\u200c\u200d\ufe0e\ufe0f")
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch that no line breaks: a word, some spaces, one ideograph, or a forced break.

    Attributes:
        text: what is drawn; one character for each of the answer's, but " " for spaces and a line
            break for a break.
        start: offset of its first character in the answer.
        end: offset after its last character.
    """

    text: str
    start: int
    end: int


def split_pieces(text: str) -> list[Piece]:
    """Cut text where a line may break: around spaces and around wide characters.

    Args:
        text: any text; control characters count as spaces, lone surrogates are shown as U+FFFD and
            controls of the writing direction not at all.

    Returns:
        Pieces in order that cover the text.
    """
    edges = [place for place in range(1, len(text)) if _may_break(text[place - 1], text[place])]
    bounds = [0, *edges, len(text)] if text else []
    return [_piece(text, start, end) for start, end in pairwise(bounds)]


def _kind(character: str) -> str:
    if character in _BREAKS:
        return "break"
    if character != "\u00a0" and (character.isspace() or unicodedata.category(character) == "Cc"):
        return "space"
    return "wide" if unicodedata.east_asian_width(character) in ("W", "F") else "word"


def _may_break(before: str, after: str) -> bool:
    kind, next_kind = _kind(before), _kind(after)
    if "break" in (kind, next_kind):
        return True
    if after in _JOINERS or before == "\u200d" or unicodedata.combining(after):
        return False
    closes = unicodedata.category(after) in ("Pe", "Pf", "Po")
    if kind == "wide" and (next_kind == "wide" or closes):
        return not closes
    return kind != next_kind and not (closes and kind == "word")


def _piece(text: str, start: int, end: int) -> Piece:
    shown = {"break": "\n", "space": " "}.get(_kind(text[start]))
    return Piece(shown or "".join(map(_shown, text[start:end])), start, end)


def _shown(character: str) -> str:
    if character in _BIDI_CONTROLS:
        return "\u200c"
    return "\ufffd" if unicodedata.category(character) == "Cs" else character


def wrap(text: str, *, width_px: float, length: Callable[[str], float]) -> list[list[Piece]]:
    """Lines of pieces no wider than `width_px`; a word that is wider by itself is cut.

    Args:
        text: any text.
        width_px: room for a line.
        length: measures a stretch of text in pixels.

    Returns:
        Lines in order, none empty; spaces at a line's start are dropped.
    """
    lines: list[list[Piece]] = [[]]
    used = 0.0
    for piece in _cut_wide(split_pieces(text), width_px=width_px, length=length):
        if piece.text == "\n":
            lines.append([])
            used = 0.0
            continue
        taken = length(piece.text)
        if used + taken > width_px and piece.text != " ":
            lines.append([])
            used = 0.0
        if lines[-1] or piece.text != " ":
            lines[-1].append(piece)
            used += taken
    return [line for line in lines if line]


def _cut_wide(
    pieces: Iterable[Piece], *, width_px: float, length: Callable[[str], float]
) -> Iterator[Piece]:
    for piece in pieces:
        if piece.text in ("\n", " ") or length(piece.text) <= width_px:
            yield piece
            continue
        start = 0
        for end in range(1, len(piece.text) + 1):
            if end == len(piece.text) or length(piece.text[start : end + 1]) > width_px:
                yield Piece(piece.text[start:end], piece.start + start, piece.start + end)
                start = end


def split_at_spans(line: Sequence[Piece], spans: Sequence[Span]) -> list[Piece]:
    """Cut the pieces of a line at the edges of spans, so that each piece is inside or outside.

    Args:
        line: pieces in logical order.
        spans: (start, end) offsets in the answer.

    Returns:
        Pieces in logical order that cover the same text.
    """
    edges = {edge for span in spans for edge in span}
    result: list[Piece] = []
    for piece in line:
        if piece.text in ("\n", " "):
            result.append(piece)
            continue
        inner = sorted(edge for edge in edges if piece.start < edge < piece.end)
        bounds = [piece.start, *inner, piece.end]
        result += [
            Piece(piece.text[start - piece.start : end - piece.start], start, end)
            for start, end in pairwise(bounds)
        ]
    return result


def one_line(text: str) -> str:
    """Any text as one line that can be drawn and written anywhere.

    Spaces are joined; control characters and those of the writing direction are left out; lone
    surrogates become U+FFFD.
    """
    joined = " ".join("".join(map(_plain, text)).split())
    return "".join(character for character in joined if character not in _BIDI_CONTROLS)


def _plain(character: str) -> str:
    kind = unicodedata.category(character)
    return " " if kind == "Cc" else _shown(character) if kind == "Cs" else character


def inside(piece: Piece, spans: Sequence[Span]) -> bool:
    """Whether a piece lies within one of the spans."""
    return any(start <= piece.start and piece.end <= end for start, end in spans)


def direction_of(text: str) -> str | None:
    """After the first letter that has a direction: "R" (Arabic, Hebrew) or "L"; else None."""
    for character in text:
        found = unicodedata.bidirectional(character)
        if found in ("L", "R", "AL"):
            return "L" if found == "L" else "R"
    return None


def visual_order(line: Sequence[Piece], *, base: str) -> list[Piece]:
    """Pieces of a line from left to right as they are seen.

    The two-level case of the Unicode bidirectional algorithm (UAX #9), word by word: stretches
    against the direction of the text are turned as a whole. Shaping inside a word is left to the
    font engine.

    Args:
        line: pieces in logical order.
        base: direction of the whole text, "L" or "R".

    Returns:
        The same pieces in visual order.
    """
    directions = _resolve([direction_of(piece.text) for piece in line], base=base)
    runs: list[tuple[str, list[Piece]]] = []
    for piece, direction in zip(line, directions, strict=True):
        if runs and runs[-1][0] == direction:
            runs[-1][1].append(piece)
        else:
            runs.append((direction, [piece]))
    ordered = reversed(runs) if base == "R" else runs
    return [
        piece
        for direction, run in ordered
        for piece in (reversed(run) if direction == "R" else run)
    ]


def _resolve(directions: Sequence[str | None], *, base: str) -> list[str]:
    """Give pieces without a direction that of both neighbours where they agree, else the line's."""
    before = base
    forward: list[str] = []
    for direction in directions:
        before = direction or before
        forward.append(before)
    after = base
    backward: list[str] = []
    for direction in reversed(directions):
        after = direction or after
        backward.append(after)
    pairs = zip(forward, reversed(backward), strict=True)
    return [one if one == other else base for one, other in pairs]
