"""Draw text on pictures, with several fonts and in both writing directions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from bidi import get_display

from tam_video.render.fonts import FontStack
from tam_video.render.text_layout import Piece, base_direction, one_line, visual_order
from tam_video.render.theme import BACKGROUND, TEXT, Color
from tam_video.types import ByteArray

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

Anchor: TypeAlias = Literal["left", "middle", "right"]

_SHARE_BEFORE = {"left": 0.0, "middle": 0.5, "right": 1.0}
_LABEL_TEXT_SHARE = 0.5  # of a label's height


@dataclass(frozen=True, slots=True)
class PlacedPiece:
    """A piece of a line, with its left edge and its width in pixels."""

    piece: Piece
    x: float
    length: float


@dataclass(frozen=True, slots=True, eq=False)
class TextRun:
    """Text with one font and one direction, with its left edge and its width in pixels."""

    text: str
    font: FreeTypeFont
    is_rtl: bool
    x: float
    length: float


def place_pieces(
    line: Sequence[Piece], *, base: str, fonts: FontStack, left: float, right: float
) -> list[PlacedPiece]:
    """Compute the positions of a line's pieces, which are given in logical order.

    `base` is the direction of the whole text, "L" or "R"; `left` and `right` are in pixels. The
    result is in visual order.
    """
    ordered = visual_order(line, base=base)
    lengths = [fonts.length(piece.text) for piece in ordered]
    x = left if base == "L" else right - sum(lengths)
    placed = []
    for piece, length in zip(ordered, lengths, strict=True):
        placed.append(PlacedPiece(piece, x, length))
        x += length
    return placed


def runs_of(placed: PlacedPiece, fonts: FontStack) -> Iterator[TextRun]:
    """Split a placed piece where its font changes, and return the parts from left to right."""
    x, is_rtl = placed.x, placed.piece.is_rtl
    runs = fonts.runs(placed.piece.text)
    for text, font in reversed(runs) if is_rtl else runs:
        length = font.getlength(text)
        yield TextRun(text, font, is_rtl, x, length)
        x += length


def line_runs(text: str, x: float, *, fonts: FontStack, anchor: Anchor = "left") -> list[TextRun]:
    """Lay out any text on one line whose left end, middle or right end is at `x`.

    Returns:
        Its runs from left to right; none for a text without a visible character.
    """
    line = one_line(text)
    pieces = [Piece(line, 0, len(line))] if line else []
    placed = place_pieces(pieces, base=base_direction(line), fonts=fonts, left=0, right=0)
    left = placed[0].x if placed else 0.0
    shift = x - left - _SHARE_BEFORE[anchor] * sum(each.length for each in placed)
    moved = (PlacedPiece(each.piece, each.x + shift, each.length) for each in placed)
    return [run for each in moved for run in runs_of(each, fonts)]


def draw_run(draw: ImageDraw, run: TextRun, baseline: float, fill: Color) -> None:
    """Draw a run of text. Without libraqm, right-to-left text is reordered but not shaped."""
    text, direction = run.text, None
    if _has_raqm():
        direction = "rtl" if run.is_rtl else "ltr"
    elif run.is_rtl:
        text = get_display(text, base_dir="R")
    position = (run.x, baseline)
    draw.text(position, text, font=run.font, fill=fill, anchor="ls", direction=direction)


@cache
def _has_raqm() -> bool:
    """Return whether Pillow can shape text. Its wheels need the system's FriBiDi library."""
    from PIL import features

    return bool(features.check("raqm"))


def write_line(
    draw: ImageDraw,
    text: str,
    position: tuple[float, float],
    *,
    fonts: FontStack,
    fill: Color,
    anchor: Anchor = "left",
) -> float:
    """Draw any text on one line at (x, baseline), and return the right end of the text."""
    runs = line_runs(text, position[0], fonts=fonts, anchor=anchor)
    for run in runs:
        draw_run(draw, run, position[1], fill)
    return runs[-1].x + runs[-1].length if runs else position[0]


def cut_line(text: str, *, width_px: float, fonts: FontStack) -> str:
    """Return text as one line, cut with an ellipsis if it is too long, or "" if nothing fits."""
    line = one_line(text)
    if fonts.length(line) <= width_px:
        return line
    cut = bisect_right(
        range(1, len(line) + 1),
        width_px,
        key=lambda count: fonts.length(f"{line[:count].rstrip()}…"),
    )
    return f"{line[:cut].rstrip()}…" if cut else ""


def text_image(
    text: str,
    width: int,
    height: int,
    *,
    fonts: FontStack,
    fill: Color = TEXT,
    anchor: Anchor = "middle",
    margin: float = 0,
) -> ByteArray:
    """Return an RGB image, uint8 [height, width, 3], with one line of text.

    It is centred vertically and stands at the side `anchor`, `margin` pixels from the edge.
    """
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (width, height), BACKGROUND)
    ascent, descent = fonts.base.getmetrics()
    share = _SHARE_BEFORE[anchor]
    position = (margin + share * (width - 2 * margin), (height + ascent - descent) / 2)
    write_line(ImageDraw.Draw(picture), text, position, fonts=fonts, fill=fill, anchor=anchor)
    return np.asarray(picture, dtype=np.uint8)


def draw_label(text: str, *, width: int, height: int, font: str | None = None) -> ByteArray:
    """Return an RGB image, uint8 [height, width, 3], with text on one line. Long text is cut.

    Raises:
        ConfigError: the font can't be opened.
    """
    fonts = FontStack(max(8, round(_LABEL_TEXT_SHARE * height)), font)
    margin = fonts.size_px // 2
    line = cut_line(text, width_px=width - 2 * margin, fonts=fonts)
    return text_image(line, width, height, fonts=fonts, anchor="left", margin=margin)
