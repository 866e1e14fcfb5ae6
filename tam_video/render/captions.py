"""The bar under the picture: the answer with the current word lit, the question dimmed above it.

Owns: the bar's size, scrolling, drawing. A bar is drawn once for each set of lit words in use.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from tam_video.render.fonts import FontStack
from tam_video.render.text_layout import (
    Piece,
    Span,
    direction_of,
    inside,
    split_at_spans,
    split_pieces,
    visual_order,
    wrap,
)
from tam_video.types import ByteArray

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Color: TypeAlias = tuple[int, int, int]

MIN_CANVAS_WIDTH_PX = 240
_MIN_FONT_PX, _MAX_FONT_PX = 13, 48
_MAX_BAR_SHARE = 0.4
_MAX_LINES = 6
_BACKGROUND = (17, 18, 22)
_TEXT = (222, 224, 230)
_DIM = (134, 139, 152)
_LIT = (255, 200, 46)
_LIT_TEXT = (17, 18, 22)
_KEPT_BARS = 4


@dataclass(frozen=True, slots=True)
class BarLayout:
    """Measures of a bar.

    Attributes:
        width_px: bar width, the canvas's.
        height_px: bar height.
        pad_px: free space at the sides, above and below.
        line_px: distance of two baselines.
        answer: the whole answer.
        lines: the answer, wrapped.
        visible_lines: how many of them are seen at a time.
        question: the question cut to one line, or "" where there is no room.
    """

    width_px: int
    height_px: int
    pad_px: int
    line_px: int
    answer: str
    lines: tuple[tuple[Piece, ...], ...]
    visible_lines: int
    question: str


@dataclass(eq=False)
class CaptionBar:
    """Draws the bar for a set of lit words.

    Attributes:
        layout: its measures.
        fonts: what it is written with.
    """

    layout: BarLayout
    fonts: FontStack
    _drawn: OrderedDict[tuple[Span, ...], ByteArray] = field(
        default_factory=OrderedDict, repr=False
    )

    def image(self, lit: Sequence[Span] = ()) -> ByteArray:
        """The bar as a picture.

        Args:
            lit: (start, end) offsets in the answer of the words to light up; the first decides
                which lines are seen.

        Returns:
            uint8 [height_px, width_px, 3], RGB; shared, not to be written to.
        """
        key = tuple(lit)
        if key not in self._drawn:
            self._drawn[key] = self._draw(key)
            if len(self._drawn) > _KEPT_BARS:
                self._drawn.popitem(last=False)
        return self._drawn[key]

    def _draw(self, lit: tuple[Span, ...]) -> ByteArray:
        from PIL import Image, ImageDraw

        layout = self.layout
        picture = Image.new("RGB", (layout.width_px, layout.height_px), _BACKGROUND)
        draw = ImageDraw.Draw(picture)
        baseline = layout.pad_px + self.fonts.base.getmetrics()[0]
        if layout.question:
            asked = split_pieces(layout.question)
            self._draw_line(draw, asked, text=layout.question, baseline=baseline, fill=_DIM)
            baseline += layout.line_px
        first = self._first_line(lit)
        for line in layout.lines[first : first + layout.visible_lines]:
            pieces = split_at_spans(line, lit)
            self._draw_line(draw, pieces, text=layout.answer, baseline=baseline, lit=lit)
            baseline += layout.line_px
        self._draw_scroll_mark(draw, first)
        bar = np.array(picture, dtype=np.uint8)
        bar.flags.writeable = False
        return bar

    def _first_line(self, lit: tuple[Span, ...]) -> int:
        """The lit word's line comes second where it can: what was said before it stays in sight."""
        layout = self.layout
        if not lit:
            return 0
        places = [place for place, line in enumerate(layout.lines) if line[0].start <= lit[0][0]]
        current = places[-1] if places else 0
        return max(0, min(current - 1, len(layout.lines) - layout.visible_lines))

    def _draw_line(
        self,
        draw: ImageDraw,
        line: list[Piece],
        *,
        text: str,
        baseline: int,
        fill: Color = _TEXT,
        lit: tuple[Span, ...] = (),
    ) -> None:
        """Write one line of `text`, whose direction decides the order and the side."""
        layout = self.layout
        base = direction_of(text) or "L"
        ordered = visual_order(line, base=base)
        lengths = [self.fonts.length(piece.text) for piece in ordered]
        x = layout.pad_px if base == "L" else layout.width_px - layout.pad_px - sum(lengths)
        starts = [x + sum(lengths[:place]) for place in range(len(lengths))]
        on = [inside(piece, lit) for piece in ordered]
        for place, length in enumerate(lengths):
            if on[place]:
                joined = place > 0 and on[place - 1]
                self._draw_pill(draw, starts[place], length, baseline=baseline, joined=joined)
        for piece, start, is_on in zip(ordered, starts, on, strict=True):
            color = _LIT_TEXT if is_on else fill
            self._write(draw, piece.text, (start, baseline), fill=color)

    def _draw_pill(
        self, draw: ImageDraw, x: float, length: float, *, baseline: int, joined: bool
    ) -> None:
        ascent, descent = self.fonts.base.getmetrics()
        margin = max(1, self.fonts.size_px // 8)
        left = x - (0 if joined else margin)
        box = (left, baseline - ascent, x + length + margin, baseline + descent)
        draw.rounded_rectangle(box, radius=0 if joined else 2 * margin, fill=_LIT)

    def _draw_scroll_mark(self, draw: ImageDraw, first: int) -> None:
        layout = self.layout
        total, seen = len(layout.lines), layout.visible_lines
        if total <= seen:
            return
        top = layout.pad_px + (layout.line_px if layout.question else 0)
        room = seen * layout.line_px
        start, end = top + room * first / total, top + room * (first + seen) / total
        right = layout.width_px - 2
        draw.rectangle((right - 2, start, right, end), fill=_DIM)

    def _write(
        self, draw: ImageDraw, text: str, place: tuple[float, float], *, fill: Color
    ) -> None:
        x, baseline = place
        for run, font in self.fonts.runs(text):
            draw.text((x, baseline), run, font=font, fill=fill, anchor="ls")
            x += font.getlength(run)


def caption_bar(
    answer: str,
    question: str,
    *,
    picture_width: int,
    picture_height: int,
    font: str | None = None,
) -> CaptionBar:
    """Lay out the bar for a picture size.

    The bar takes at most two fifths of the picture's height, but two lines at least; a longer
    answer scrolls. Its height makes picture and bar together even.

    Args:
        answer: the whole answer.
        question: what was asked; dropped where there is room for two lines only.
        picture_width: picture width in pixels.
        picture_height: picture height in pixels.
        font: font file or name that comes before the shipped ones.

    Returns:
        The bar.

    Raises:
        ConfigError: the font can't be opened.
    """
    width = max(picture_width, MIN_CANVAS_WIDTH_PX)
    size = max(_MIN_FONT_PX, min(_MAX_FONT_PX, 8 + width // 64))
    fonts = FontStack(size, font)
    pad = size // 2
    line_px = round(sum(fonts.base.getmetrics()) * 1.1)
    room = max(2, min(_MAX_LINES, int((_MAX_BAR_SHARE * picture_height - 2 * pad) // line_px)))
    lines = wrap(answer, width_px=width - 2 * pad, length=fonts.length)
    asked = _one_line(question, width_px=width - 2 * pad, fonts=fonts) if room > 2 else ""
    seen = max(1, min(len(lines), room - bool(asked)))
    height = 2 * pad + line_px * (seen + bool(asked))
    layout = BarLayout(
        width_px=width,
        height_px=height + (picture_height + height) % 2,
        pad_px=pad,
        line_px=line_px,
        answer=answer,
        lines=tuple(map(tuple, lines)),
        visible_lines=seen,
        question=asked,
    )
    return CaptionBar(layout, fonts)


def _one_line(text: str, *, width_px: float, fonts: FontStack) -> str:
    """Text with its spaces joined, cut with an ellipsis where it is too long."""
    lines = wrap(" ".join(text.split()), width_px=width_px, length=fonts.length)
    if not lines:
        return ""
    first = "".join(piece.text for piece in lines[0]).rstrip()
    if len(lines) == 1:
        return first
    while first and fonts.length(f"{first}…") > width_px:
        first = first[:-1].rstrip()
    return f"{first}…"


def with_bar(picture: ByteArray, bar: ByteArray) -> ByteArray:
    """Put a bar under a picture; a picture narrower than the bar is centred between black sides.

    Args:
        picture: uint8 [H, W, 3].
        bar: uint8 [B, C, 3] with C >= W.

    Returns:
        uint8 [H + B, C, 3].
    """
    height, width = picture.shape[:2]
    left = (bar.shape[1] - width) // 2
    canvas = np.empty((height + bar.shape[0], bar.shape[1], 3), dtype=np.uint8)
    canvas[:height, :left] = canvas[:height, left + width :] = 0
    canvas[:height, left : left + width] = picture
    canvas[height:] = bar
    return canvas
