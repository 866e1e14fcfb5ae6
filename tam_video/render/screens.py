"""The layouts: which elements stand where on a canvas of which size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from tam_video.errors import ConfigError
from tam_video.render.canvas import Canvas, Rect, even
from tam_video.render.captions import (
    MIN_CANVAS_WIDTH_PX,
    CaptionBar,
    ColorScale,
    caption_bar,
    font_size,
)
from tam_video.render.elements import (
    Boxes,
    Caption,
    Clock,
    Element,
    PicturePane,
    PlainPane,
    SubjectSelector,
    TimeStrip,
    ViewGeometry,
    always,
    of_run,
)
from tam_video.render.fonts import FontStack
from tam_video.render.labels import draw_label
from tam_video.render.options import RenderOptions
from tam_video.render.overlay import TimeWindow, explained_window
from tam_video.render.panes import (
    MAX_HEIGHT_PX,
    MAX_WIDTH_PX,
    Tiling,
    best_tiling,
)
from tam_video.render.schedule import ClipClock
from tam_video.render.timeline import TimeAxis, clock_text
from tam_video.render.turns import (
    Subject,
    answer_tokens,
    shown_words,
    token_subject,
    words_subject,
)
from tam_video.types import Explanation, Float64Array, VideoInfo

if TYPE_CHECKING:
    from tam_video.localise import WordTrack

MAX_TILES = 48
_BAR_SHARE = 0.4  # of the picture's height: what the bar may take
_GRID_BAR_PX = 176
_COMPARED_BAR_PX, _COMPARED_ROW_PX = 150, 44
_TILE_STRIP_SHARE = 0.4  # of a tile's width
_CLOCK_SHARE = 0.35  # of the canvas's width: a longer clock leaves the clip's length out
_HEADS_PX = ((4, 44), (9, 38), (16, 32), (MAX_TILES, 26))


@dataclass(frozen=True, slots=True, eq=False)
class Screen:
    """A canvas and what is drawn on it.

    Attributes:
        canvas: drawn over again for every frame.
        elements: drawn in this order.
        square_pixels: whether pictures were scaled to the shape that players show.
        warnings: what had to be left out, in words.
    """

    canvas: Canvas
    elements: tuple[Element, ...]
    square_pixels: bool = True
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class RenderContext:
    """What every layout is made from.

    Attributes:
        info: the source.
        clip: its clock.
        look: the options.
        matrix: number of ITU-T H.273 of the canvas's colours.
        step: 2 for clips (4:2:0), 1 for still pictures (4:4:4).
        least: (width, height) in pixels, even, that the canvas has at least.
        shown_clock: the clock that is drawn, for a clip that is part of a longer one; None: `clip`.
    """

    info: VideoInfo
    clip: ClipClock
    look: RenderOptions
    matrix: int
    step: int = 2
    least: tuple[int, int] = (0, 0)
    shown_clock: ClipClock | None = None

    def canvas(self, width: int, height: int) -> Canvas:
        """An empty canvas."""
        wide, high = max(width, self.least[0]), max(height, self.least[1])
        return Canvas(wide, high, matrix=self.matrix, step=self.step)

    def geometry(self, explanation: Explanation) -> ViewGeometry:
        """What a run's model saw."""
        window = explained_window(
            explanation,
            clip_start_seconds=self.clip.start_seconds,
            clip_end_seconds=self.clip.end_seconds,
        )
        return ViewGeometry(
            explanation.layout.slot_seconds(explanation.pts_seconds),
            window,
            explanation.layout.view,
            (self.info.width, self.info.height),
            subject_boxes(explanation, self.clip.pts_seconds),
        )

    @property
    def shown_axis(self) -> TimeAxis:
        """The time that the clock tells."""
        clock = self.shown_clock or self.clip
        start, end = clock.start_seconds, clock.end_seconds
        return TimeAxis(start, end, np.empty(0), TimeWindow(start, end))

    def axis(self, geometry: ViewGeometry | None) -> TimeAxis:
        """The clip's time, with a run's slots."""
        if geometry is None:
            return self.shown_axis
        start, end = self.clip.start_seconds, self.clip.end_seconds
        return TimeAxis(start, end, geometry.slot_seconds, geometry.window)


def subject_boxes(explanation: Explanation, frame_seconds: Float64Array) -> Boxes:
    """A function that gives the boxes of a subject's tracks in a frame; tracks are made once."""

    @cache
    def track(word: int | None, token: int | None) -> WordTrack:
        from tam_video.localise import token_track, word_track  # slow to import, seldom asked for

        if word is not None:
            return word_track(explanation, word, frame_seconds=frame_seconds)
        return token_track(explanation, token or 0, frame_seconds=frame_seconds)

    def boxes(subject: Subject, frame: int) -> list[tuple[int, int, int, int]]:
        tracks = [track(word, None) for word in subject.word_indices]
        if subject.token_index is not None:
            tracks.append(track(None, subject.token_index))
        found = (each.box_at(frame) for each in tracks)
        return [box for box in found if box is not None]

    return boxes


def build_screen(explanation: Explanation, context: RenderContext) -> Screen:
    """The screen of one run in its layout."""
    builders: dict[str, Callable[[Explanation, RenderContext], Screen]] = {
        "overlay": overlay_screen,
        "words": overlay_screen,
        "side": side_screen,
        "grid": grid_screen,
    }
    if context.look.layout not in builders:
        raise ConfigError(
            "layout 'compare' is for several runs", hint="tam-video render RUN RUN --layout compare"
        )
    return builders[context.look.layout](explanation, context)


def overlay_screen(explanation: Explanation, context: RenderContext) -> Screen:
    """Heat on the picture in its own size, the bar below."""
    info, look = context.info, context.look
    width, height = info.width + info.width % 2, info.height + info.height % 2
    geometry = context.geometry(explanation)
    if not look.caption:
        canvas = context.canvas(width, height)
        pane = PicturePane(Rect(0, 0, width, height), geometry, of_run(0), look, canvas=canvas)
        return Screen(canvas, (pane,), square_pixels=False)
    full = max(width, MIN_CANVAS_WIDTH_PX)
    foot = _Foot.of(explanation, context, width=full, room=_BAR_SHARE * height)
    canvas = context.canvas(full, height + foot.height)
    canvas.fill(Rect(0, 0, full, height), (0, 0, 0))
    place = Rect(2 * ((full - width) // 4), 0, width, height)
    pane = PicturePane(place, geometry, of_run(0), look, canvas=canvas)
    elements = foot.elements(height, geometry, context, of_run(0), run=0, canvas=canvas)
    return Screen(canvas, (pane, *elements), square_pixels=False)


def side_screen(explanation: Explanation, context: RenderContext) -> Screen:
    """The picture, and the same with heat."""
    room = (MAX_WIDTH_PX, MAX_HEIGHT_PX)
    least = MIN_CANVAS_WIDTH_PX // 2
    tiling = best_tiling(2, context.info, extra_px=0, room_px=room, columns=2, min_width_px=least)
    width, height = tiling.size(2, above_px=0, below_px=0)
    geometry = context.geometry(explanation)
    foot = _Foot.of(explanation, context, width=width, room=_BAR_SHARE * height)
    canvas = context.canvas(width, height + foot.height)
    left, right = (tiling.place(number, above_px=0, below_px=0) for number in range(2))
    panes = (
        PlainPane(left),
        PicturePane(right, geometry, of_run(0), context.look, canvas=canvas),
    )
    return Screen(
        canvas, (*panes, *foot.elements(height, geometry, context, of_run(0), run=0, canvas=canvas))
    )


def grid_screen(explanation: Explanation, context: RenderContext) -> Screen:
    """One labelled tile for each content word or token, all at once."""
    subjects, warnings = _tile_subjects(explanation, context.look)
    head = _head_px(len(subjects))
    room = (MAX_WIDTH_PX, MAX_HEIGHT_PX - _GRID_BAR_PX)
    tiling = best_tiling(len(subjects), context.info, extra_px=head, room_px=room)
    size = tiling.size(len(subjects), above_px=head, below_px=0)
    width = max(size[0], MIN_CANVAS_WIDTH_PX)
    geometry = context.geometry(explanation)
    foot = _Foot.of(explanation, context, width=width, room=_GRID_BAR_PX, has_choices=False)
    canvas = context.canvas(width, size[1] + foot.height)
    elements: list[Element] = []
    for number, subject in enumerate(subjects):
        place = tiling.place(number, above_px=head, below_px=0)
        elements += _tile(subject, place, head, geometry, context, canvas)
    none = Subject(text=explanation.answer, maps=None)
    elements += foot.elements(size[1], geometry, context, always(none), run=None, canvas=canvas)
    return Screen(canvas, tuple(elements), warnings=warnings)


def compare_screen(
    explanations: Sequence[Explanation], names: Sequence[str], context: RenderContext
) -> Screen:
    """Several runs side by side: each with its name, its heat and its answer, on one clock."""
    count, font = len(explanations), context.look.font
    head, strip = _head_px(count), even(0.8 * _head_px(count))
    tiling = best_tiling(
        count,
        context.info,
        extra_px=head + strip + _COMPARED_BAR_PX,
        room_px=(MAX_WIDTH_PX, MAX_HEIGHT_PX - _COMPARED_ROW_PX),
        min_width_px=MIN_CANVAS_WIDTH_PX,
    )
    bars = [_compared_bar(each, tiling, font) for each in explanations]
    below = strip + max(bar.layout.height_px for bar in bars)
    width, height = tiling.size(count, above_px=head, below_px=below)
    size_px = font_size(width, _COMPARED_BAR_PX)
    row = _row_px(size_px)
    canvas = context.canvas(width, height + row)
    elements: list[Element] = []
    for number, (explanation, name) in enumerate(zip(explanations, names, strict=True)):
        place = tiling.place(number, above_px=head, below_px=below)
        label = draw_label(name, width=place.width, height=head, font=font)
        canvas.paste(canvas.sprite(label), place.x, place.y - head)
        geometry, select, end = (
            context.geometry(explanation),
            of_run(number),
            place.y + place.height,
        )
        elements += [
            PicturePane(place, geometry, select, context.look, canvas=canvas),
            TimeStrip(
                Rect(place.x, end, place.width, strip), context.axis(geometry), select, run=number
            ),
            Caption(place.x, end + strip, bars[number], select),
        ]
    place, no_ticks = Rect(0, height, width, row), context.axis(None)
    elements += _time_row(
        place,
        no_ticks,
        no_ticks,
        always(None),
        size_px=size_px,
        font=font,
        run=None,
        canvas=canvas,
    )
    return Screen(canvas, tuple(elements))


def _compared_bar(explanation: Explanation, tiling: Tiling, font: str | None) -> CaptionBar:
    return caption_bar(
        explanation.answer,
        "",
        width_px=tiling.width,
        room_px=max(_COMPARED_BAR_PX, tiling.height / 2),
        size_px=font_size(tiling.width, MAX_HEIGHT_PX),
        font=font,
    )


def _tile_subjects(
    explanation: Explanation, look: RenderOptions
) -> tuple[list[Subject], tuple[str, ...]]:
    """What the tiles of a grid show, and what had to be left out."""
    if look.tiles == "tokens":
        found = [token_subject(explanation, each.index) for each in answer_tokens(explanation)]
    else:
        found = [words_subject(explanation, [word]) for word in shown_words(explanation)]
    left_out = len(found) - MAX_TILES
    warnings = (f"the grid shows {MAX_TILES} of {len(found)} {look.tiles}",) if left_out > 0 else ()
    return found[:MAX_TILES] or [Subject(text="", maps=None)], warnings


def _tile(
    subject: Subject,
    place: Rect,
    head: int,
    geometry: ViewGeometry,
    context: RenderContext,
    canvas: Canvas,
) -> list[Element]:
    """A picture with its word above it, and the word's energy over time beside the word."""
    strip = 2 * int(_TILE_STRIP_SHARE * place.width / 2)
    width = place.width - strip
    label = draw_label(subject.text, width=width, height=head, font=context.look.font)
    canvas.paste(canvas.sprite(label), place.x, place.y - head)
    select = always(subject)
    inset = even(head / 8)
    strip_place = Rect(place.x + width, place.y - head + inset, strip, head - 2 * inset)
    return [
        TimeStrip(strip_place, context.axis(geometry), select, run=None),
        PicturePane(place, geometry, select, context.look, canvas=canvas),
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Foot:
    """What stands under the pictures: the bar, and the time below it."""

    bar: CaptionBar
    row_px: int

    @classmethod
    def of(
        cls,
        explanation: Explanation,
        context: RenderContext,
        *,
        width: int,
        room: float,
        has_choices: bool = True,
    ) -> _Foot:
        asked = [turn.text for turn in explanation.conversation if turn.role == "user"]
        look, size_px = context.look, font_size(width, room)
        row = _row_px(size_px)
        bar = caption_bar(
            explanation.answer,
            asked[-1] if asked else "",
            width_px=width,
            room_px=room - row,
            size_px=size_px,
            font=look.font,
            has_choices=has_choices,
            scale=ColorScale(look.colormap, look.threshold),
        )
        return cls(bar, row)

    @property
    def height(self) -> int:
        """In pixels, even."""
        return self.bar.layout.height_px + self.row_px

    def elements(
        self,
        y: int,
        geometry: ViewGeometry,
        context: RenderContext,
        select: SubjectSelector,
        *,
        run: int | None,
        canvas: Canvas,
    ) -> list[Element]:
        """The elements, from `y` on."""
        layout = self.bar.layout
        place = Rect(0, y + layout.height_px, layout.width_px, self.row_px)
        row = _time_row(
            place,
            context.axis(geometry),
            context.shown_axis,
            select,
            size_px=self.bar.fonts.size_px,
            font=context.look.font,
            run=run,
            canvas=canvas,
        )
        return [Caption(0, y, self.bar, select), *row]


def _time_row(
    place: Rect,
    axis: TimeAxis,
    shown: TimeAxis,
    select: SubjectSelector,
    *,
    size_px: int,
    font: str | None,
    run: int | None,
    canvas: Canvas,
) -> list[Element]:
    """The strip, and the clock at its right end."""
    pad, fonts = even(size_px / 2), FontStack(max(11, round(0.82 * size_px)), font)
    end = clock_text(shown.end_seconds - shown.start_seconds)
    wide, narrow = even(1.2 * fonts.length(f"{end} / {end}")), even(1.2 * fonts.length(end))
    clock = wide if wide < _CLOCK_SHARE * place.width else narrow
    height = place.height - pad
    strip = Rect(place.x + pad, place.y, place.width - 3 * pad - clock, height)
    right = Rect(strip.x + strip.width + pad, place.y, clock, height)
    return [
        TimeStrip(strip, axis, select, run=run),
        Clock(right, shown, fonts, canvas=canvas),
    ]


def _row_px(size_px: int) -> int:
    """Height of the time row for letters of a size, the free space below it included."""
    return even(1.4 * size_px) + even(size_px / 2)


def _head_px(count: int) -> int:
    """Height of the labels above so many pictures."""
    return next(height for most, height in _HEADS_PX if count <= most)
