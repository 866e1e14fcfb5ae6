"""One line of text on a picture: order, fonts, and where each piece stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tam_video.render.fonts import FontStack
from tam_video.render.text_layout import Piece, direction_of, one_line, split_pieces, visual_order
from tam_video.render.theme import Color

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw


@dataclass(frozen=True, slots=True)
class PlacedPiece:
    """A piece of a line and where it is drawn: its left edge and its length in pixels."""

    piece: Piece
    x: float
    length: float


def place_pieces(
    line: Sequence[Piece], *, text: str, fonts: FontStack, left: float, right: float
) -> list[PlacedPiece]:
    """Put the pieces of a line in visual order, at the side where their text begins.

    Args:
        line: pieces in logical order.
        text: the whole text, whose direction decides order and side.
        fonts: measures.
        left: left end of the room in pixels.
        right: right end of the room.
    """
    base = direction_of(text) or "L"
    ordered = visual_order(line, base=base)
    lengths = [fonts.length(piece.text) for piece in ordered]
    x = left if base == "L" else right - sum(lengths)
    placed = []
    for piece, length in zip(ordered, lengths, strict=True):
        placed.append(PlacedPiece(piece, x, length))
        x += length
    return placed


def write(
    draw: ImageDraw, text: str, place: tuple[float, float], *, fonts: FontStack, fill: Color
) -> float:
    """Write a stretch of one direction; returns where it ends.

    Args:
        draw: on what.
        text: the stretch.
        place: (x, baseline) of its left end.
        fonts: with what.
        fill: colour.
    """
    x, baseline = place
    for run, font in fonts.runs(text):
        draw.text((x, baseline), run, font=font, fill=fill, anchor="ls")
        x += font.getlength(run)
    return x


def write_line(
    draw: ImageDraw, text: str, place: tuple[float, float], *, fonts: FontStack, fill: Color
) -> float:
    """Write any text on one line from its left end, in visual order; returns where it ends."""
    x, baseline = place
    line = split_pieces(one_line(text))
    end = x + sum(fonts.length(piece.text) for piece in line)
    for placed in place_pieces(line, text=text, fonts=fonts, left=x, right=end):
        write(draw, placed.piece.text, (placed.x, baseline), fonts=fonts, fill=fill)
    return end


def cut_line(text: str, *, width_px: float, fonts: FontStack) -> str:
    """Text on one line, cut with an ellipsis where it is too long; "" where nothing fits."""
    line = one_line(text)
    if fonts.length(line) <= width_px:
        return line
    low, high = 0, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        if fonts.length(f"{line[:middle].rstrip()}…") <= width_px:
            low = middle
        else:
            high = middle - 1
    return f"{line[:low].rstrip()}…" if low else ""
