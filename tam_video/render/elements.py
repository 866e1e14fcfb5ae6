"""The elements of a screen. Each element draws one part of the canvas for every frame.

A layout is a list of elements. What does not change between two frames is drawn once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np

from tam_video.render.canvas import Canvas, Rect, even, part
from tam_video.render.captions import CaptionBar
from tam_video.render.context import RenderContext, ViewGeometry
from tam_video.render.fonts import FontStack
from tam_video.render.heat import HeatBlender, HeatField, heat_tables, mark_unseen
from tam_video.render.marks import draw_box, draw_contours
from tam_video.render.schedule import ClipClock, Pass
from tam_video.render.text_drawing import text_image
from tam_video.render.theme import DIM, TEXT, WHITE, Color
from tam_video.render.timeline import TimeAxis, clock_text, draw_strip
from tam_video.render.turns import NO_SUBJECT, Subject
from tam_video.types import ByteArray
from tam_video.video.planes import Planes

_DIGITS, _SIGNS = "0123456789", ":."


@dataclass(eq=False)
class FrameState:
    """One frame of the clip, and the words or tokens that each run shows in this frame.

    Attributes:
        picture: the source's picture.
        frame: its index.
        seconds: its time on the source's clock.
        subjects: what each run shows.
        shown: the time range in which each run shows it, on the source's clock.
    """

    picture: Planes
    frame: int
    seconds: float
    subjects: tuple[Subject, ...]
    shown: tuple[tuple[float, float], ...]
    _scaled: dict[tuple[int, int], Planes] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, each: Pass, clip: ClipClock, picture: Planes, frame: int) -> FrameState:
        """Return a frame of one pass over the clip, with the words or token that each run shows."""
        turns = [(schedule, schedule.turn_index(frame)) for schedule in each.schedules]
        ends = [schedule.bounds[turn : turn + 2] for schedule, turn in turns]
        return cls(
            picture,
            frame,
            float(clip.pts_seconds[frame]),
            subjects=tuple(schedule.subjects[turn] for schedule, turn in turns),
            shown=tuple((clip.edge_seconds(start), clip.edge_seconds(end)) for start, end in ends),
        )

    def scaled(self, width: int, height: int) -> Planes:
        """Return the picture resized to (width, height). The results are cached."""
        size = (width, height)
        if size not in self._scaled:
            self._scaled[size] = scale(self.picture, width, height)
        return self._scaled[size]


SubjectSelector: TypeAlias = Callable[[FrameState], Subject | None]


def of_run(run: int) -> SubjectSelector:
    """Return a function that selects the words or token that run number `run` shows."""
    return lambda state: state.subjects[run]


def always(subject: Subject | None) -> SubjectSelector:
    """Return a function that selects the same words or token for every frame."""
    return lambda _: subject


class Element(Protocol):
    """A part of the screen."""

    def draw(self, canvas: Canvas, state: FrameState) -> None:
        """Draw the element for one frame on the canvas."""


class PicturePane:
    """A pane that shows the clip with a heatmap, contours and boxes."""

    def __init__(
        self, rect: Rect, geometry: ViewGeometry, select: SubjectSelector, context: RenderContext
    ) -> None:
        self._rect, self._geometry, self._select = rect, geometry, select
        self._look, self._matrix = context.look, context.matrix
        look = context.look
        tables = heat_tables(look.colormap, look.opacity, look.threshold, context.matrix)
        self._blender = HeatBlender(tables, step=context.step)
        self._subject: Subject | None = None
        self._field: HeatField | None = None

    def draw(self, canvas: Canvas, state: FrameState) -> None:
        """Draw the picture. At times that the model received, add heatmap, contours and boxes."""
        rect, look = self._rect, self._look
        region = canvas.region(rect)
        picture = mark_unseen(
            state.scaled(rect.width, rect.height), self._geometry.view, matrix=self._matrix
        )
        subject = self._select(state)
        heat_field = self._field_of(subject)
        heat = None if heat_field is None else heat_field.at(state.seconds)
        if heat is None:
            picture.copy_to(region)
            return
        self._blender.blend(picture, heat, out=region)
        if look.contours:
            draw_contours(region, heat, level=look.threshold or 0.5, matrix=self._matrix)
        if look.boxes and subject is not None:
            width, height = (side + side % 2 for side in self._geometry.size)
            x_scale, y_scale = rect.width / width, rect.height / height
            for left, top, right, bottom in self._geometry.boxes(subject, state.frame):
                box = (left * x_scale, top * y_scale, right * x_scale, bottom * y_scale)
                draw_box(region, box, matrix=self._matrix)

    def _field_of(self, subject: Subject | None) -> HeatField | None:
        if subject is not self._subject or self._field is None:
            self._subject, self._field = subject, None
            if subject is not None and subject.maps is not None:
                geometry, size = self._geometry, (self._rect.width, self._rect.height)
                self._field = HeatField(
                    subject.maps, geometry.slot_seconds, geometry.window, geometry.view, *size
                )
        return self._field


class PlainPane:
    """A pane that shows the clip without a heatmap."""

    def __init__(self, rect: Rect) -> None:
        self._rect = rect

    def draw(self, canvas: Canvas, state: FrameState) -> None:
        """Copy the picture to the canvas."""
        rect = self._rect
        state.scaled(rect.width, rect.height).copy_to(canvas.region(rect))


class Caption:
    """A caption bar at a fixed position on the canvas."""

    def __init__(self, x: int, y: int, bar: CaptionBar, select: SubjectSelector) -> None:
        self._x, self._y, self._bar, self._select = x, y, bar, select
        self._shown: ByteArray | None = None

    def draw(self, canvas: Canvas, state: FrameState) -> None:
        """Draw the caption bar if the words or token to show changed."""
        image = self._bar.image(self._select(state) or NO_SUBJECT)
        if image is not self._shown:
            self._shown = image
            canvas.paste(canvas.sprite(image), self._x, self._y)


class TimeStrip:
    """A time strip: slot ticks, a curve of a word's mean relevance, and a cursor."""

    def __init__(
        self, rect: Rect, axis: TimeAxis, select: SubjectSelector, *, run: int | None
    ) -> None:
        """Create the strip. If `run` is given, the strip marks when this run shows its word."""
        self._rect, self._axis, self._select, self._run = rect, axis, select, run
        self._key: tuple[object, object] = (None, None)
        self._strips: tuple[Planes, Planes] | None = None
        self._cursor = 0

    def draw(self, canvas: Canvas, state: FrameState) -> None:
        """Draw the cursor. The strip is bright before the cursor and dim after it."""
        subject, rect = self._select(state), self._rect
        has_turn = self._run is not None and subject is not None and subject.maps is not None
        key = (subject, state.shown[self._run or 0] if has_turn else None)
        cursor = 2 * int(self._axis.share(state.seconds) * (rect.width - 2) / 2)
        start, stop = self._cursor, cursor + 2
        if self._strips is None or self._key != key or cursor < self._cursor:
            past, future = draw_strip(
                self._axis,
                width=rect.width,
                height=rect.height,
                energy=None if subject is None else subject.energy,
                shown=key[1],
            )
            self._key = key
            self._strips = (canvas.sprite(past), canvas.sprite(future))
            start, stop = 0, rect.width
        for sprite, left, right in zip(self._strips, (start, cursor), (cursor, stop), strict=True):
            if left < right:
                columns = Rect(left, 0, right - left, rect.height)
                canvas.paste(part(sprite, columns), rect.x + left, rect.y)
        canvas.fill(Rect(rect.x + cursor, rect.y, 2, rect.height), WHITE)
        self._cursor = cursor


class Clock:
    """A clock that shows the current time and, if it fits, the clip's duration."""

    def __init__(self, rect: Rect, axis: TimeAxis, fonts: FontStack, *, canvas: Canvas) -> None:
        """Prepare the text of the duration and a sprite for each digit."""
        self._rect, self._axis, self._fonts = rect, axis, fonts
        self._digit_px = even(max(fonts.length(each) for each in _DIGITS) + 0.9)
        end = clock_text(axis.end_seconds - axis.start_seconds)
        length, room = f"/ {end}", rect.width - len(end) * self._digit_px
        length_px = even(fonts.length(length) + fonts.size_px / 2 + 1)
        self._end = rect.x + rect.width
        if length_px <= room:
            self._end -= length_px
            canvas.paste(self._sprite(canvas, length, length_px, DIM), self._end, rect.y)
        self._sprites = {
            each: self._sprite(canvas, each, self._width_of(each), TEXT)
            for each in _DIGITS + _SIGNS
        }
        self._shown = ""

    def draw(self, canvas: Canvas, state: FrameState) -> None:
        """Draw the digits that changed since the last frame."""
        now = clock_text(state.seconds - self._axis.start_seconds)
        x = self._end
        for digit, before in zip(now[::-1], self._shown[::-1].ljust(len(now)), strict=False):
            x -= self._width_of(digit)
            if digit != before:
                canvas.paste(self._sprites[digit], x, self._rect.y)
        self._shown = now

    def _width_of(self, digit: str) -> int:
        return self._digit_px if digit in _DIGITS else even(self._digit_px / 2)

    def _sprite(self, canvas: Canvas, text: str, width: int, fill: Color) -> Planes:
        return canvas.sprite(
            text_image(text, width, self._rect.height, fonts=self._fonts, fill=fill)
        )


def scale(picture: Planes, width: int, height: int) -> Planes:
    """Resize a picture: halve it as often as possible, then interpolate linearly."""
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
