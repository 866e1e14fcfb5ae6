"""The caption bar under the picture: question, answer with highlighted word, candidate tokens.

Owns the bar's size, scrolling and drawing. Words before the current one are tinted by their
relevance to it. A bar is drawn once for each subject in use.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from tam_video.render.fonts import FontStack
from tam_video.render.options import RenderOptions
from tam_video.render.overlay import color_table
from tam_video.render.text_drawing import (
    PlacedPiece,
    cut_line,
    draw_run,
    place_pieces,
    runs_of,
    write_line,
)
from tam_video.render.text_layout import Piece, base_direction, inside, split_at_spans, wrap
from tam_video.render.theme import BACKGROUND, DIM, FAINT, LIT, ON_LIT, TEXT, TINT, Color, mix
from tam_video.render.turns import Choice, Subject
from tam_video.types import ByteArray

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

MIN_CANVAS_WIDTH_PX = 240
_MIN_FONT_PX, _MAX_FONT_PX = 13, 48
_MAX_LINES = 6
_SIZES_IN_ROOM = 7.5  # the bar and the time row together need this many font heights
_KEPT_BARS = 4
_TINT_SHARE = 0.85  # of the tint's colour at full relevance
_SCALE_EMS = 5  # width of the colour scale
_MIN_SCALE_WIDTH_PX = 480  # narrower bars have no room for it


class CaptionBar:
    """A caption bar of fixed size. It shows one word, several words or a token at a time.

    An answer that is longer than the room scrolls. At least two lines of it are shown; the
    candidate tokens, then the question get a line where there is room.

    Attributes:
        height_px: bar height, even.
        line_px: distance of two baselines.
        lines: the answer, wrapped; `visible_lines` of them are shown at a time.
        question: the question cut to one line, or "" where there is no room.
        image: returns the bar of a subject, uint8 [height_px, width_px, 3], RGB, read-only; the
            subject's first span decides which lines are shown.
    """

    def __init__(
        self,
        answer: str,
        question: str,
        *,
        width_px: int,
        room_px: float,
        size_px: int,
        look: RenderOptions,
        has_choices: bool = True,
        has_scale: bool = True,
    ) -> None:
        """Lay out the bar. It is at most `room_px` high, unless two lines need more.

        Raises:
            ConfigError: the font can't be opened.
        """
        self.fonts, self._look, self.width_px = FontStack(size_px, look.font), look, width_px
        self._base = base_direction(answer)
        self.pad_px = size_px // 2
        self.line_px = round(sum(self.fonts.base.getmetrics()) * 1.1)
        text_px = width_px - 2 * self.pad_px
        self.lines = wrap(answer, width_px=text_px, length=self.fonts.length)
        room = max(2, int((room_px - 2 * self.pad_px) // self.line_px))
        self.has_choices = has_choices and room >= 3
        self.has_scale = self.has_choices and has_scale and width_px >= _MIN_SCALE_WIDTH_PX
        self.question = cut_line(question, width_px=text_px, fonts=self.fonts) if room >= 4 else ""
        other_lines = self.has_choices + bool(self.question)
        self.visible_lines = max(1, min(len(self.lines), _MAX_LINES, room - other_lines))
        height = 2 * self.pad_px + self.line_px * (self.visible_lines + other_lines)
        self.height_px = height + height % 2
        self.image = lru_cache(maxsize=_KEPT_BARS)(self._draw)

    def _draw(self, subject: Subject) -> ByteArray:
        from PIL import Image, ImageDraw

        picture = Image.new("RGB", (self.width_px, self.height_px), BACKGROUND)
        draw = ImageDraw.Draw(picture)
        baseline = self.pad_px + self.fonts.base.getmetrics()[0]
        if self.question:
            write_line(draw, self.question, (self.pad_px, baseline), fonts=self.fonts, fill=DIM)
            baseline += self.line_px
        first = self._first_line(subject)
        for line in self.lines[first : first + self.visible_lines]:
            self._draw_line(draw, line, baseline=baseline, subject=subject)
            baseline += self.line_px
        self._draw_scroll_mark(draw, first)
        if self.has_choices:
            baseline = self.height_px - self.pad_px - self.fonts.base.getmetrics()[1]
            right = self._draw_scale(draw, baseline) if self.has_scale else self.width_px
            self._draw_choices(draw, subject.choices, baseline, right)
        bar = np.array(picture, dtype=np.uint8)
        bar.flags.writeable = False
        return bar

    def _first_line(self, subject: Subject) -> int:
        """Return the index of the first line to show, one line before the highlighted word."""
        if not subject.spans:
            return 0
        starts = [line[0].start for line in self.lines]
        current = max(0, bisect_right(starts, subject.spans[0][0]) - 1)
        return max(0, min(current - 1, len(self.lines) - self.visible_lines))

    def _draw_line(
        self, draw: ImageDraw, line: list[Piece], *, baseline: int, subject: Subject
    ) -> None:
        """Draw one line of the answer with its highlighted and tinted words."""
        pieces = split_at_spans(line, [*subject.spans, *(span for span, _ in subject.tints)])
        placed = place_pieces(
            pieces,
            base=self._base,
            fonts=self.fonts,
            left=self.pad_px,
            right=self.width_px - self.pad_px,
        )
        fills = [_fill(each.piece, subject) for each in placed]
        ascent, descent = self.fonts.base.getmetrics()
        for index, (each, fill) in enumerate(zip(placed, fills, strict=True)):
            if fill is None:
                continue
            before, after = self._side(placed, index - 1), self._side(placed, index + 1)
            draw.rounded_rectangle(
                (
                    each.x - before,
                    baseline - ascent,
                    each.x + each.length + after,
                    baseline + descent,
                ),
                radius=self.fonts.size_px // 4,
                fill=fill,
                corners=(before > 0, after > 0, after > 0, before > 0),
            )
        for each, fill in zip(placed, fills, strict=True):
            for run in runs_of(each, self.fonts):
                draw_run(draw, run, baseline, ON_LIT if fill == LIT else TEXT)

    def _side(self, placed: list[PlacedPiece], neighbour: int) -> int:
        """Return the margin in pixels on one side of a highlighted word: 0 next to other text."""
        is_free = not 0 <= neighbour < len(placed) or placed[neighbour].piece.text == " "
        return max(1, self.fonts.size_px // 8) if is_free else 0

    def _draw_scroll_mark(self, draw: ImageDraw, first: int) -> None:
        total, visible = len(self.lines), self.visible_lines
        if total <= visible:
            return
        top = self.pad_px + (self.line_px if self.question else 0)
        room = visible * self.line_px
        start, end = top + room * first / total, top + room * (first + visible) / total
        right = self.width_px - 2
        draw.rectangle((right - 2, top, right, top + room), fill=FAINT)
        draw.rectangle((right - 2, start, right, end), fill=DIM)

    def _draw_choices(
        self, draw: ImageDraw, choices: tuple[Choice, ...], baseline: int, right: float
    ) -> None:
        """Draw as many candidate tokens as fit, each with its probability as a bar and a number."""
        size = self.fonts.size_px
        gap, meter = size, 2 * size
        x: float = self.pad_px
        for choice in choices:
            text, share = shown_token(choice.text), percent(choice.probability)
            text = cut_line(text, width_px=8 * size, fonts=self.fonts)
            lengths = self.fonts.length(text) + self.fonts.length(share) + meter + size
            if x + lengths > right - gap / 2:
                return
            fill = LIT if choice.in_answer else TEXT
            x = write_line(draw, text, (x, baseline), fonts=self.fonts, fill=fill) + size / 2
            box = (x, baseline - 0.52 * size, x + meter, baseline - 0.16 * size)
            draw.rounded_rectangle(box, radius=0.18 * size, fill=FAINT)
            filled = (box[0], box[1], x + max(0.36 * size, meter * choice.probability), box[3])
            draw.rounded_rectangle(
                filled, radius=0.18 * size, fill=LIT if choice.in_answer else DIM
            )
            x += meter + size / 2
            x = write_line(draw, share, (x, baseline), fonts=self.fonts, fill=DIM) + 1.5 * gap

    def _draw_scale(self, draw: ImageDraw, baseline: int) -> float:
        """Draw the colour scale at the right end of the bar, and return its left edge in pixels."""
        table, size = color_table(self._look.colormap), self.fonts.size_px
        width = _SCALE_EMS * size
        right = self.width_px - self.pad_px - self.fonts.length("1")
        left = right - width - size / 2
        write_line(draw, "1", (right, baseline), fonts=self.fonts, fill=DIM)
        for column in range(width):
            level = column / (width - 1)
            red, green, blue = table[round(255 * level)].tolist()
            share = level if level >= self._look.threshold else 0.0
            color = mix(BACKGROUND, (red, green, blue), 0.25 + 0.75 * share)
            x = left + column
            draw.line((x, baseline - 0.56 * size, x, baseline - 0.12 * size), fill=color)
        left -= self.fonts.length("0") + size / 2
        write_line(draw, "0", (left, baseline), fonts=self.fonts, fill=DIM)
        return left


def _fill(piece: Piece, subject: Subject) -> Color | None:
    """Return the background colour for a highlighted or tinted piece, or None for other pieces."""
    if inside(piece, subject.spans):
        return LIT
    for span, level in subject.tints:
        if inside(piece, [span]):
            return mix(BACKGROUND, TINT, _TINT_SHARE * level)
    return None


def percent(probability: float) -> str:
    """Format a probability as a whole percentage, or as "<1 %" or ">99 %" near the ends."""
    if probability < 0.01:
        return "<1 %"
    return ">99 %" if 0.99 < probability < 1 else f"{100 * probability:.0f} %"


def shown_token(text: str) -> str:
    """Return a token without surrounding spaces, or a symbol if it has only white space."""
    if text.strip():
        return text.strip()
    return "⏎" if "\n" in text else "␣" if text else "…"


def font_size(width_px: int, room_px: float) -> int:
    """Return the font size in pixels for a canvas width and a maximum bar height."""
    fitting = min(_MAX_FONT_PX, 8 + width_px // 64, int(room_px / _SIZES_IN_ROOM))
    return max(_MIN_FONT_PX, fitting)
