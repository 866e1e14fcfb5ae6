"""The bar under the picture: question, answer with the current word lit, what might have been said.

Owns: the bar's size, scrolling, drawing. Words said before are tinted by their relevance to the
current one. A bar is drawn once for each subject in use.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from tam_video.render.fonts import FontStack
from tam_video.render.overlay import color_table
from tam_video.render.text_drawing import (
    PlacedPiece,
    cut_line,
    place_pieces,
    write,
    write_line,
)
from tam_video.render.text_layout import Piece, Span, inside, split_at_spans, wrap
from tam_video.render.theme import BACKGROUND, DIM, FAINT, LIT, ON_LIT, TEXT, TINT, Color, mix
from tam_video.render.turns import Choice, Subject
from tam_video.types import ByteArray

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Tints: TypeAlias = tuple[tuple[Span, float], ...]

MIN_CANVAS_WIDTH_PX = 240
_MIN_FONT_PX, _MAX_FONT_PX = 13, 48
_MAX_LINES = 6
_SIZES_IN_ROOM = 7.5  # question, answer, choices and time want so many letters' heights
_KEPT_BARS = 4
_TINT_SHARE = 0.85  # of the tint's colour at full relevance
_SCALE_EMS = 5  # width of the colour scale
_MIN_SCALE_WIDTH_PX = 480  # narrower bars have no room for it


@dataclass(frozen=True, slots=True)
class ColorScale:
    """What the legend shows: a colour map, and the heat below which nothing is drawn."""

    colormap: str
    threshold: float = 0.0


@dataclass(frozen=True, slots=True)
class BarLayout:
    """Measures of a bar.

    Attributes:
        width_px: bar width.
        height_px: bar height, even.
        pad_px: free space at the sides, above and below.
        line_px: distance of two baselines.
        answer: the whole answer.
        lines: the answer, wrapped.
        visible_lines: how many of them are seen at a time.
        question: the question cut to one line, or "" where there is no room.
        has_choices: whether there is a line for what might have been said.
        scale: the legend at the end of that line; None for none.
    """

    width_px: int
    height_px: int
    pad_px: int
    line_px: int
    answer: str
    lines: tuple[tuple[Piece, ...], ...]
    visible_lines: int
    question: str
    has_choices: bool
    scale: ColorScale | None


@dataclass(eq=False)
class CaptionBar:
    """Draws the bar for a subject.

    Attributes:
        layout: its measures.
        fonts: what it is written with.
    """

    layout: BarLayout
    fonts: FontStack
    _drawn: OrderedDict[Subject, ByteArray] = field(default_factory=OrderedDict, repr=False)

    def image(self, subject: Subject) -> ByteArray:
        """The bar as a picture.

        Args:
            subject: what is shown; its first span decides which lines are seen.

        Returns:
            uint8 [height_px, width_px, 3], RGB; shared, not to be written to.
        """
        if subject not in self._drawn:
            self._drawn[subject] = self._draw(subject)
            if len(self._drawn) > _KEPT_BARS:
                self._drawn.popitem(last=False)
        return self._drawn[subject]

    def _draw(self, subject: Subject) -> ByteArray:
        from PIL import Image, ImageDraw

        layout = self.layout
        picture = Image.new("RGB", (layout.width_px, layout.height_px), BACKGROUND)
        draw = ImageDraw.Draw(picture)
        baseline = layout.pad_px + self.fonts.base.getmetrics()[0]
        if layout.question:
            write_line(draw, layout.question, (layout.pad_px, baseline), fonts=self.fonts, fill=DIM)
            baseline += layout.line_px
        first = self._first_line(subject)
        for line in layout.lines[first : first + layout.visible_lines]:
            self._draw_line(draw, line, baseline=baseline, subject=subject)
            baseline += layout.line_px
        self._draw_scroll_mark(draw, first)
        if layout.has_choices:
            baseline = layout.height_px - layout.pad_px - self.fonts.base.getmetrics()[1]
            right = self._draw_scale(draw, baseline) if layout.scale else layout.width_px
            self._draw_choices(draw, subject.choices, baseline=baseline, right=right)
        bar = np.array(picture, dtype=np.uint8)
        bar.flags.writeable = False
        return bar

    def _first_line(self, subject: Subject) -> int:
        """The lit word's line comes second where it can: what was said before it stays in sight."""
        layout = self.layout
        if not subject.spans:
            return 0
        start = subject.spans[0][0]
        places = [place for place, line in enumerate(layout.lines) if line[0].start <= start]
        current = places[-1] if places else 0
        return max(0, min(current - 1, len(layout.lines) - layout.visible_lines))

    def _draw_line(
        self, draw: ImageDraw, line: tuple[Piece, ...], *, baseline: int, subject: Subject
    ) -> None:
        """Write one line of the answer, lit and tinted."""
        layout = self.layout
        pieces = split_at_spans(line, [*subject.spans, *(span for span, _ in subject.tints)])
        placed = place_pieces(
            pieces,
            text=layout.answer,
            fonts=self.fonts,
            left=layout.pad_px,
            right=layout.width_px - layout.pad_px,
        )
        fills = [_fill(each.piece, subject) for each in placed]
        for place, (each, fill) in enumerate(zip(placed, fills, strict=True)):
            if fill is not None:
                sides = (self._side(placed, place - 1), self._side(placed, place + 1))
                self._draw_pill(draw, each, baseline=baseline, sides=sides, fill=fill)
        for each, fill in zip(placed, fills, strict=True):
            color = ON_LIT if fill == LIT else TEXT
            write(draw, each.piece.text, (each.x, baseline), fonts=self.fonts, fill=color)

    def _side(self, placed: list[PlacedPiece], neighbour: int) -> int:
        """How far a pill may reach out: not over a comma, nor over another part of the word."""
        is_free = not 0 <= neighbour < len(placed) or placed[neighbour].piece.text == " "
        return max(1, self.fonts.size_px // 8) if is_free else 0

    def _draw_pill(
        self,
        draw: ImageDraw,
        placed: PlacedPiece,
        *,
        baseline: int,
        sides: tuple[int, int],
        fill: Color,
    ) -> None:
        ascent, descent = self.fonts.base.getmetrics()
        left, right = placed.x - sides[0], placed.x + placed.length + sides[1]
        box = (left, baseline - ascent, right, baseline + descent)
        corners = (sides[0] > 0, sides[1] > 0, sides[1] > 0, sides[0] > 0)
        radius = self.fonts.size_px // 4
        draw.rounded_rectangle(box, radius=radius, fill=fill, corners=corners)

    def _draw_scroll_mark(self, draw: ImageDraw, first: int) -> None:
        layout = self.layout
        total, seen = len(layout.lines), layout.visible_lines
        if total <= seen:
            return
        top = layout.pad_px + (layout.line_px if layout.question else 0)
        room = seen * layout.line_px
        start, end = top + room * first / total, top + room * (first + seen) / total
        right = layout.width_px - 2
        draw.rectangle((right - 2, top, right, top + room), fill=FAINT)
        draw.rectangle((right - 2, start, right, end), fill=DIM)

    def _draw_choices(
        self, draw: ImageDraw, choices: tuple[Choice, ...], *, baseline: int, right: float
    ) -> None:
        """Each token with a meter and its probability, as many as there is room for."""
        size = self.fonts.size_px
        gap, meter = size, 2 * size
        x: float = self.layout.pad_px
        for choice in choices:
            text, share = shown_token(choice.text), percent(choice.probability)
            text = cut_line(text, width_px=8 * size, fonts=self.fonts)
            lengths = self.fonts.length(text) + self.fonts.length(share) + meter + size
            if x + lengths > right - gap / 2:
                return
            x = write_line(
                draw,
                text,
                (x, baseline),
                fonts=self.fonts,
                fill=LIT if choice.is_said else TEXT,
            )
            x += size / 2
            box = (x, baseline - 0.52 * size, x + meter, baseline - 0.16 * size)
            draw.rounded_rectangle(box, radius=0.18 * size, fill=FAINT)
            filled = (box[0], box[1], x + max(0.36 * size, meter * choice.probability), box[3])
            draw.rounded_rectangle(filled, radius=0.18 * size, fill=LIT if choice.is_said else DIM)
            x += meter + size / 2
            x = write(draw, share, (x, baseline), fonts=self.fonts, fill=DIM) + 1.5 * gap

    def _draw_scale(self, draw: ImageDraw, baseline: int) -> float:
        """The colours from cold to hot at the right end; returns where it begins."""
        scale, size = self.layout.scale, self.fonts.size_px
        if scale is None:
            return self.layout.width_px
        table = color_table(scale.colormap)
        high, low = self.fonts.length("1"), self.fonts.length("0")
        right = self.layout.width_px - self.layout.pad_px - high
        left = right - _SCALE_EMS * size - size / 2
        write(draw, "1", (right, baseline), fonts=self.fonts, fill=DIM)
        width = _SCALE_EMS * size
        for column in range(width):
            level = column / (width - 1)
            red, green, blue = table[round(255 * level)].tolist()
            share = level if level >= scale.threshold else 0.0
            color = mix(BACKGROUND, (red, green, blue), 0.25 + 0.75 * share)
            x = left + column
            draw.line((x, baseline - 0.56 * size, x, baseline - 0.12 * size), fill=color)
        left -= low + size / 2
        write(draw, "0", (left, baseline), fonts=self.fonts, fill=DIM)
        return left


def _fill(piece: Piece, subject: Subject) -> Color | None:
    """The colour behind a piece: that of the word shown, or of its relevance to it."""
    if inside(piece, subject.spans):
        return LIT
    for span, level in subject.tints:
        if inside(piece, [span]):
            return mix(BACKGROUND, TINT, _TINT_SHARE * level)
    return None


def percent(probability: float) -> str:
    """A probability for people: whole percents, never a false 0 or 100."""
    if probability < 0.01:
        return "<1 %"
    return ">99 %" if 0.99 < probability < 1 else f"{100 * probability:.0f} %"


def shown_token(text: str) -> str:
    """A token as it can be seen: spaces around it left out, one of spaces alone named."""
    if text.strip():
        return text.strip()
    return "⏎" if "\n" in text else "␣" if text else "…"


def font_size(width_px: int, room_px: float) -> int:
    """Size of the letters in pixels for a canvas of a width and a bar of a height."""
    fitting = min(_MAX_FONT_PX, 8 + width_px // 64, int(room_px / _SIZES_IN_ROOM))
    return max(_MIN_FONT_PX, fitting)


def caption_bar(
    answer: str,
    question: str,
    *,
    width_px: int,
    room_px: float,
    size_px: int,
    font: str | None = None,
    has_choices: bool = True,
    scale: ColorScale | None = None,
) -> CaptionBar:
    """Lay out a bar.

    A longer answer than there is room for scrolls. Two lines of it are always seen; then the
    choices, then the question have their line.

    Args:
        answer: the whole answer.
        question: what was asked.
        width_px: bar width in pixels, even.
        room_px: height that should not be passed.
        size_px: size of the letters.
        font: font file or name that comes before the shipped ones.
        has_choices: whether what might have been said is shown, where there is room.
        scale: the legend, where there is room.

    Returns:
        The bar.

    Raises:
        ConfigError: the font can't be opened.
    """
    fonts = FontStack(size_px, font)
    pad = fonts.size_px // 2
    line_px = round(sum(fonts.base.getmetrics()) * 1.1)
    lines = wrap(answer, width_px=width_px - 2 * pad, length=fonts.length)
    room = max(2, int((room_px - 2 * pad) // line_px))
    has_choices = has_choices and room >= 3
    asked = cut_line(question, width_px=width_px - 2 * pad, fonts=fonts) if room >= 4 else ""
    seen = max(1, min(len(lines), _MAX_LINES, room - has_choices - bool(asked)))
    height = 2 * pad + line_px * (seen + has_choices + bool(asked))
    layout = BarLayout(
        width_px=width_px,
        height_px=height + height % 2,
        pad_px=pad,
        line_px=line_px,
        answer=answer,
        lines=tuple(map(tuple, lines)),
        visible_lines=seen,
        question=asked,
        has_choices=has_choices,
        scale=scale if has_choices and width_px >= _MIN_SCALE_WIDTH_PX else None,
    )
    return CaptionBar(layout, fonts)
