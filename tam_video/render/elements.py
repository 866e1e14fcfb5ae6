"""What a screen is made of: each element draws its own part of the canvas, frame by frame.

Every layout is a list of these. What does not change from one frame to the next is drawn once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np

from tam_video.render.canvas import Canvas, Rect, even, part
from tam_video.render.captions import CaptionBar
from tam_video.render.fonts import FontStack
from tam_video.render.heat import HeatBlender, HeatField, heat_tables, mark_unseen_planes
from tam_video.render.marks import draw_box, draw_contours
from tam_video.render.options import RenderOptions
from tam_video.render.overlay import TimeWindow
from tam_video.render.text_drawing import write
from tam_video.render.theme import BACKGROUND, DIM, TEXT, WHITE, Color
from tam_video.render.timeline import TimeAxis, clock_text, draw_strip
from tam_video.render.turns import Subject
from tam_video.types import ByteArray, Float64Array, View
from tam_video.video.planes import Planes


@dataclass(eq=False)
class Moment:
    """One frame of the clip and what is shown of it.

    Attributes:
        picture: the source's picture.
        frame: its number.
        seconds: its time on the source's clock.
        subjects: what each run shows.
        shown: from when to when each run shows it, on the source's clock.
    """

    picture: Planes
    frame: int
    seconds: float
    subjects: tuple[Subject, ...]
    shown: tuple[tuple[float, float], ...]
    _scaled: dict[tuple[int, int], Planes] = field(default_factory=dict, repr=False)

    def scaled(self, width: int, height: int) -> Planes:
        """The picture in another size; made once a moment."""
        size = (width, height)
        if size not in self._scaled:
            self._scaled[size] = scale(self.picture, width, height)
        return self._scaled[size]


_FIGURES, _SIGNS = "0123456789", ":."

SubjectSelector: TypeAlias = Callable[[Moment], Subject | None]
Boxes: TypeAlias = Callable[[Subject, int], list[tuple[int, int, int, int]]]


def of_run(run: int) -> SubjectSelector:
    """What run number `run` shows."""
    return lambda moment: moment.subjects[run]


def always(subject: Subject | None) -> SubjectSelector:
    """The same at all times."""
    return lambda _: subject


class Element(Protocol):
    """A part of the screen."""

    def draw(self, canvas: Canvas, moment: Moment) -> None:
        """Bring its part of the canvas up to date."""


@dataclass(frozen=True, slots=True, eq=False)
class ViewGeometry:
    """What one run's model saw of the clip.

    Attributes:
        slot_seconds: float64 [t], the times of its slots.
        window: the stretch that they speak for.
        view: the part of the picture that it saw.
        size: (width, height) of the source in pixels, which boxes are told in.
        boxes: the boxes of a subject in a frame of the source.
    """

    slot_seconds: Float64Array
    window: TimeWindow
    view: View
    size: tuple[int, int]
    boxes: Boxes


class PicturePane:
    """The clip with heat, and the lines that were asked for."""

    def __init__(
        self,
        place: Rect,
        geometry: ViewGeometry,
        select: SubjectSelector,
        look: RenderOptions,
        *,
        canvas: Canvas,
    ) -> None:
        self._place, self._geometry, self._select, self._look = place, geometry, select, look
        tables = heat_tables(look.colormap, look.opacity, look.threshold, canvas.matrix)
        self._blender = HeatBlender(tables, step=canvas.step)
        self._subject: Subject | None = None
        self._field: HeatField | None = None

    def draw(self, canvas: Canvas, moment: Moment) -> None:
        """Picture, heat over the part that the model saw while it saw it, lines."""
        place, look = self._place, self._look
        region = canvas.region(place)
        picture = mark_unseen_planes(moment.scaled(place.width, place.height), self._geometry.view)
        subject = self._select(moment)
        field_ = self._field_of(subject)
        heat = None if field_ is None else field_.at(moment.seconds)
        if heat is None:
            picture.copy_to(region)
            return
        self._blender.blend(picture, heat, out=region)
        if look.contours:
            draw_contours(region, heat, level=look.contour_level, matrix=canvas.matrix)
        if look.boxes and subject is not None:
            across = place.width / (self._geometry.size[0] + self._geometry.size[0] % 2)
            down = place.height / (self._geometry.size[1] + self._geometry.size[1] % 2)
            for left, top, right, bottom in self._geometry.boxes(subject, moment.frame):
                box = (left * across, top * down, right * across, bottom * down)
                draw_box(region, box, matrix=canvas.matrix)

    def _field_of(self, subject: Subject | None) -> HeatField | None:
        if subject is not self._subject or self._field is None:
            self._subject, geometry = subject, self._geometry
            self._field = None
            if subject is not None and subject.maps is not None:
                size = (self._place.width, self._place.height)
                self._field = HeatField(
                    subject.maps, geometry.slot_seconds, geometry.window, geometry.view, *size
                )
        return self._field


class PlainPane:
    """The clip as it is."""

    def __init__(self, place: Rect) -> None:
        self._place = place

    def draw(self, canvas: Canvas, moment: Moment) -> None:
        """Copy the picture."""
        place = self._place
        moment.scaled(place.width, place.height).copy_to(canvas.region(place))


class Caption:
    """A caption bar at a place."""

    def __init__(self, x: int, y: int, bar: CaptionBar, select: SubjectSelector) -> None:
        self._x, self._y, self._bar, self._select = x, y, bar, select
        self._shown: ByteArray | None = None

    def draw(self, canvas: Canvas, moment: Moment) -> None:
        """Draw the bar of the present subject."""
        subject = self._select(moment) or Subject(text="", maps=None)
        image = self._bar.image(subject)
        if image is not self._shown:
            self._shown = image
            canvas.paste(canvas.sprite(image), self._x, self._y)


class TimeStrip:
    """Slot ticks and energy from left to right, with the present moment."""

    def __init__(
        self, place: Rect, axis: TimeAxis, select: SubjectSelector, *, run: int | None
    ) -> None:
        """Lay it out.

        Args:
            place: where it stands.
            axis: the clip's time.
            select: whose energy it shows.
            run: the run whose turns it marks; None for no marks.
        """
        self._place, self._axis, self._select, self._run = place, axis, select, run
        self._key: tuple[object, object] = (None, None)
        self._strips: tuple[Planes, Planes] | None = None
        self._at = 0

    def draw(self, canvas: Canvas, moment: Moment) -> None:
        """What has passed bright, what is to come dim, and a line between them."""
        subject = self._select(moment)
        has_turn = self._run is not None and subject is not None and subject.maps is not None
        shown = moment.shown[self._run or 0] if has_turn else None
        at = 2 * int(self._axis.share(moment.seconds) * (self._place.width - 2) / 2)
        if self._strips is not None and self._key == (subject, shown) and self._at <= at:
            self._show(canvas, self._strips, start=self._at, at=at, stop=at + 2)
        else:
            self._key, self._strips = (subject, shown), self._drawn(canvas, subject, shown)
            self._show(canvas, self._strips, start=0, at=at, stop=self._place.width)
        self._at = at

    def _drawn(
        self, canvas: Canvas, subject: Subject | None, shown: tuple[float, float] | None
    ) -> tuple[Planes, Planes]:
        strip = draw_strip(
            self._axis,
            width=self._place.width,
            height=self._place.height,
            energy=None if subject is None else subject.energy,
            shown=shown,
        )
        return canvas.sprite(strip.past), canvas.sprite(strip.future)

    def _show(
        self, canvas: Canvas, strips: tuple[Planes, Planes], *, start: int, at: int, stop: int
    ) -> None:
        """Bring the columns `start` to `stop` up to date, the present being at `at`."""
        place = self._place
        for strip, left, right in ((strips[0], start, at), (strips[1], at, stop)):
            if left < right:
                columns = Rect(left, 0, right - left, place.height)
                canvas.paste(part(strip, columns), place.x + left, place.y)
        canvas.fill(Rect(place.x + at, place.y, 2, place.height), WHITE)


class Clock:
    """The time in the clip, and its length where there is room."""

    def __init__(self, place: Rect, axis: TimeAxis, fonts: FontStack, *, canvas: Canvas) -> None:
        """Draw what does not change, and each figure once.

        Args:
            place: where it stands.
            axis: the clip's time.
            fonts: what it is written with.
            canvas: what it is drawn on.
        """
        self._place, self._axis, self._fonts = place, axis, fonts
        self._figure_px = even(max(fonts.length(each) for each in _FIGURES) + 0.9)
        end = clock_text(axis.end_seconds - axis.start_seconds)
        rest, room = f"/ {end}", place.width - len(end) * self._figure_px
        rest_px = even(fonts.length(rest) + fonts.size_px / 2 + 1)
        self._end = place.x + place.width
        if rest_px <= room:
            self._end -= rest_px
            sprite = self._sprite(canvas, rest, rest_px, fill=DIM)
            canvas.paste(sprite, self._end, place.y)
        self._figures = {
            each: self._sprite(canvas, each, self._figure_width(each), fill=TEXT)
            for each in _FIGURES + _SIGNS
        }
        self._shown = ""

    def draw(self, canvas: Canvas, moment: Moment) -> None:
        """Write the time, where it is another than before."""
        now = clock_text(moment.seconds - self._axis.start_seconds)
        if now == self._shown:
            return
        x = self._end
        for figure, before in zip(now[::-1], self._shown[::-1].ljust(len(now)), strict=False):
            x -= self._figure_width(figure)
            if figure != before:
                canvas.paste(self._figures[figure], x, self._place.y)
        self._shown = now

    def _figure_width(self, figure: str) -> int:
        return self._figure_px if figure in _FIGURES else even(self._figure_px / 2)

    def _sprite(self, canvas: Canvas, text: str, width: int, *, fill: Color) -> Planes:
        """Text in the middle of a piece of the background."""
        from PIL import Image, ImageDraw

        picture = Image.new("RGB", (width, self._place.height), BACKGROUND)
        ascent, descent = self._fonts.base.getmetrics()
        x = (width - self._fonts.length(text)) / 2
        place = (x, (self._place.height + ascent - descent) / 2)
        write(ImageDraw.Draw(picture), text, place, fonts=self._fonts, fill=fill)
        return canvas.sprite(np.asarray(picture, dtype=np.uint8))


def scale(picture: Planes, width: int, height: int) -> Planes:
    """A picture in another size: halved as often as it can be, then linearly."""
    if (picture.width, picture.height) == (width, height):
        return picture
    step = picture.step
    return Planes(
        _resize(picture.y, width, height),
        _resize(picture.u, width // step, height // step),
        _resize(picture.v, width // step, height // step),
    )


def _resize(plane: ByteArray, width: int, height: int) -> ByteArray:
    import cv2

    while plane.shape[0] >= 2 * height and plane.shape[1] >= 2 * width:
        half = (plane.shape[1] // 2, plane.shape[0] // 2)
        plane = np.asarray(cv2.resize(plane, half, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    if plane.shape == (height, width):
        return plane
    return np.asarray(cv2.resize(plane, (width, height)), dtype=np.uint8)
