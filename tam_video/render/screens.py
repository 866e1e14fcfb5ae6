"""The layouts. A layout defines the elements, their positions and the canvas size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tam_video.render.canvas import Canvas, Rect, even
from tam_video.render.captions import MIN_CANVAS_WIDTH_PX, CaptionBar, font_size
from tam_video.render.context import RenderContext, ViewGeometry
from tam_video.render.elements import (
    Caption,
    Clock,
    Element,
    FrameState,
    PicturePane,
    PlainPane,
    TimeStrip,
    always,
    of_run,
)
from tam_video.render.fonts import FontStack
from tam_video.render.options import RenderOptions
from tam_video.render.panes import MAX_HEIGHT_PX, MAX_WIDTH_PX, best_tiling
from tam_video.render.text_drawing import draw_label
from tam_video.render.timeline import clock_text
from tam_video.render.turns import (
    NO_SUBJECT,
    Subject,
    answer_tokens,
    question_of,
    shown_words,
    token_subject,
    words_subject,
)
from tam_video.types import Explanation

MAX_TILES = 48
_BAR_SHARE = 0.4  # maximum height of the bar, relative to the picture's
_GRID_BAR_PX = 176
_COMPARED_BAR_PX, _COMPARED_ROW_PX = 150, 44
_TILE_STRIP_SHARE = 0.4  # of a tile's width
_CLOCK_SHARE = 0.35  # of the canvas's width: a longer clock omits the clip's length
_HEADS_PX = ((4, 44), (9, 38), (16, 32), (MAX_TILES, 26))


@dataclass(frozen=True, slots=True, eq=False)
class Screen:
    """A canvas, and the elements to draw on it for every frame, in drawing order.

    Attributes:
        square_pixels: whether pictures were scaled to the display aspect ratio.
        warnings: what was left out, as sentences.
    """

    canvas: Canvas
    elements: tuple[Element, ...]
    square_pixels: bool = True
    warnings: tuple[str, ...] = ()

    def draw(self, state: FrameState) -> None:
        """Draw all elements on the canvas."""
        for element in self.elements:
            element.draw(self.canvas, state)


def build_screen(explanation: Explanation, context: RenderContext) -> Screen:
    """Return the screen for one run, in the layout that the options select."""
    builders: dict[str, Callable[[Explanation, RenderContext], Screen]] = {
        "overlay": overlay_screen,
        "words": overlay_screen,
        "side": side_screen,
        "grid": grid_screen,
    }
    return builders[context.look.layout](explanation, context)


def overlay_screen(explanation: Explanation, context: RenderContext) -> Screen:
    """Return a screen with the heatmap over the picture, and the caption bar below."""
    info = context.info
    width, height = info.width + info.width % 2, info.height + info.height % 2
    geometry = context.geometry(explanation)
    if not context.look.caption:
        pane = PicturePane(Rect(0, 0, width, height), geometry, of_run(0), context)
        return Screen(context.canvas(width, height), (pane,), square_pixels=False)
    full = max(width, MIN_CANVAS_WIDTH_PX)
    room = _BAR_SHARE * height
    canvas, below = _canvas_with_bar(explanation, context, (full, height), room=room)
    canvas.fill(Rect(0, 0, full, height), (0, 0, 0))
    rect = Rect(2 * ((full - width) // 4), 0, width, height)
    pane = PicturePane(rect, geometry, of_run(0), context)
    return Screen(canvas, (pane, *below), square_pixels=False)


def side_screen(explanation: Explanation, context: RenderContext) -> Screen:
    """Return a screen with the plain picture beside the picture with a heatmap."""
    tiling = best_tiling(
        2,
        context.info,
        extra_px=0,
        room_px=(MAX_WIDTH_PX, MAX_HEIGHT_PX),
        columns=2,
        min_width_px=MIN_CANVAS_WIDTH_PX // 2,
    )
    width, height = tiling.size(2, above_px=0, below_px=0)
    room = _BAR_SHARE * height
    canvas, below = _canvas_with_bar(explanation, context, (width, height), room=room)
    left, right = (tiling.rect(index, above_px=0, below_px=0) for index in range(2))
    heat = PicturePane(right, context.geometry(explanation), of_run(0), context)
    return Screen(canvas, (PlainPane(left), heat, *below))


def grid_screen(explanation: Explanation, context: RenderContext) -> Screen:
    """Return a screen with one labelled tile for each content word or token."""
    subjects, warnings = _tile_subjects(explanation, context.look)
    head = _head_px(len(subjects))
    room = (MAX_WIDTH_PX, MAX_HEIGHT_PX - _GRID_BAR_PX)
    tiling = best_tiling(len(subjects), context.info, extra_px=head, room_px=room)
    size = tiling.size(len(subjects), above_px=head, below_px=0)
    width = max(size[0], MIN_CANVAS_WIDTH_PX)
    geometry = context.geometry(explanation)
    canvas, below = _canvas_with_bar(
        explanation, context, (width, size[1]), room=_GRID_BAR_PX, is_static=True
    )
    elements: list[Element] = []
    for index, subject in enumerate(subjects):
        rect = tiling.rect(index, above_px=head, below_px=0)
        elements += _tile(subject, rect, head, geometry, context, canvas)
    return Screen(canvas, (*elements, *below), warnings=warnings)


def compare_screen(
    explanations: Sequence[Explanation], names: Sequence[str], context: RenderContext
) -> Screen:
    """Return a screen with several runs side by side, each with its name, heatmap and answer."""
    count, font = len(explanations), context.look.font
    head, strip = _head_px(count), even(0.8 * _head_px(count))
    tiling = best_tiling(
        count,
        context.info,
        extra_px=head + strip + _COMPARED_BAR_PX,
        room_px=(MAX_WIDTH_PX, MAX_HEIGHT_PX - _COMPARED_ROW_PX),
        min_width_px=MIN_CANVAS_WIDTH_PX,
    )
    bars = [
        CaptionBar(
            each.answer,
            "",
            width_px=tiling.width,
            room_px=max(_COMPARED_BAR_PX, tiling.height / 2),
            size_px=font_size(tiling.width, MAX_HEIGHT_PX),
            look=context.look,
            has_scale=False,
        )
        for each in explanations
    ]
    below = strip + max(bar.height_px for bar in bars)
    width, height = tiling.size(count, above_px=head, below_px=below)
    size_px = font_size(width, _COMPARED_BAR_PX)
    row = _row_px(size_px)
    canvas = context.canvas(width, height + row)
    elements: list[Element] = []
    for index, (explanation, name) in enumerate(zip(explanations, names, strict=True)):
        rect = tiling.rect(index, above_px=head, below_px=below)
        label = draw_label(name, width=rect.width, height=head, font=font)
        canvas.paste(canvas.sprite(label), rect.x, rect.y - head)
        geometry, select = context.geometry(explanation), of_run(index)
        end = rect.y + rect.height
        strip_rect = Rect(rect.x, end, rect.width, strip)
        elements += [
            PicturePane(rect, geometry, select, context),
            TimeStrip(strip_rect, context.axis(geometry), select, run=index),
            Caption(rect.x, end + strip, bars[index], select),
        ]
    strip_rect, clock = _time_row(Rect(0, height, width, row), context, size_px, canvas)
    elements += [TimeStrip(strip_rect, context.clock_axis, always(None), run=None), clock]
    return Screen(canvas, tuple(elements))


def _tile_subjects(
    explanation: Explanation, look: RenderOptions
) -> tuple[list[Subject], tuple[str, ...]]:
    """Return the words or tokens for the tiles of a grid, and a warning if some are left out."""
    if look.tiles == "tokens":
        subjects = [token_subject(explanation, each.index) for each in answer_tokens(explanation)]
    else:
        subjects = [words_subject(explanation, [word]) for word in shown_words(explanation)]
    if len(subjects) <= MAX_TILES:
        return subjects or [NO_SUBJECT], ()
    warning = f"the grid shows {MAX_TILES} of {len(subjects)} {look.tiles}"
    return subjects[:MAX_TILES], (warning,)


def _tile(
    subject: Subject,
    rect: Rect,
    head: int,
    geometry: ViewGeometry,
    context: RenderContext,
    canvas: Canvas,
) -> list[Element]:
    """Return the elements of a tile: a word and its relevance curve above the picture."""
    strip = 2 * int(_TILE_STRIP_SHARE * rect.width / 2)
    width = rect.width - strip
    label = draw_label(subject.text, width=width, height=head, font=context.look.font)
    canvas.paste(canvas.sprite(label), rect.x, rect.y - head)
    select = always(subject)
    inset = even(head / 8)
    strip_rect = Rect(rect.x + width, rect.y - head + inset, strip, head - 2 * inset)
    return [
        TimeStrip(strip_rect, context.axis(geometry), select, run=None),
        PicturePane(rect, geometry, select, context),
    ]


def _canvas_with_bar(
    explanation: Explanation,
    context: RenderContext,
    size: tuple[int, int],
    *,
    room: float,
    is_static: bool = False,
) -> tuple[Canvas, list[Element]]:
    """Return the canvas for a layout, with the caption bar and the time row below its pictures.

    Both together are at most `room` pixels high. A static bar shows the answer without turns.
    """
    width, height = size
    size_px = font_size(width, room)
    row = _row_px(size_px)
    bar = CaptionBar(
        explanation.answer,
        question_of(explanation),
        width_px=width,
        room_px=room - row,
        size_px=size_px,
        look=context.look,
        has_choices=not is_static,
    )
    end = height + bar.height_px
    canvas = context.canvas(width, end + row)
    strip, clock = _time_row(Rect(0, end, width, row), context, size_px, canvas)
    select = always(NO_SUBJECT) if is_static else of_run(0)
    axis = context.axis(context.geometry(explanation))
    return canvas, [
        Caption(0, height, bar, select),
        TimeStrip(strip, axis, select, run=None if is_static else 0),
        clock,
    ]


def _time_row(
    row: Rect, context: RenderContext, size_px: int, canvas: Canvas
) -> tuple[Rect, Clock]:
    """Return the rectangle of the time strip, and the clock to the right of the strip."""
    axis, pad = context.clock_axis, even(size_px / 2)
    fonts = FontStack(max(11, round(0.82 * size_px)), context.look.font)
    end = clock_text(axis.end_seconds - axis.start_seconds)
    wide, narrow = even(1.2 * fonts.length(f"{end} / {end}")), even(1.2 * fonts.length(end))
    clock = wide if wide < _CLOCK_SHARE * row.width else narrow
    strip = Rect(row.x + pad, row.y, row.width - 3 * pad - clock, row.height - pad)
    right = Rect(strip.x + strip.width + pad, row.y, clock, strip.height)
    return strip, Clock(right, axis, fonts, canvas=canvas)


def _row_px(size_px: int) -> int:
    """Return the height of the time row for a font size, including the space below the row."""
    return even(1.4 * size_px) + even(size_px / 2)


def _head_px(count: int) -> int:
    """Return the height of the label above each picture, for a screen with `count` pictures."""
    return next(height for most, height in _HEADS_PX if count <= most)
