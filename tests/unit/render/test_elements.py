from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tam_video.render.canvas import Canvas, Rect, part
from tam_video.render.captions import CaptionBar
from tam_video.render.context import RenderContext, ViewGeometry
from tam_video.render.elements import (
    Caption,
    Clock,
    FrameState,
    PicturePane,
    PlainPane,
    TimeStrip,
    always,
    of_run,
    scale,
)
from tam_video.render.fonts import FontStack
from tam_video.render.marks import draw_box, draw_contours
from tam_video.render.options import RenderOptions
from tam_video.render.overlay import TimeWindow, color_table
from tam_video.render.schedule import ClipClock, Pass, TurnSchedule
from tam_video.render.text_drawing import text_image
from tam_video.render.timeline import TimeAxis, draw_strip
from tam_video.render.turns import NO_SUBJECT, Subject
from tam_video.types import VideoInfo, View
from tam_video.video.planes import planes_of_rgb, rgb_of_planes

CLOCK = ClipClock(np.arange(4.0), end_seconds=4.0)
AXIS = TimeAxis(0.0, 10.0, np.array([2.0, 8.0]), TimeWindow(0.0, 10.0))
GRAY = 120


def gray(width, height, step=2):
    return planes_of_rgb(np.full((height, width, 3), GRAY, np.uint8), matrix=1, step=step)


def state(picture=None, seconds=0.0, *, subjects=(NO_SUBJECT,), shown=((0.0, 4.0),), frame=0):
    return FrameState(picture or gray(8, 8), frame, seconds, subjects, shown)


def context(width, height, **options):
    info = VideoInfo(Path("c.mp4"), 4, width, height, Fraction(1), 4.0)
    return RenderContext(info, CLOCK, RenderOptions(**options), matrix=1)


def geometry(size, *, box=None, window=(0.0, 4.0), view=View()):  # noqa: B008
    boxes = [] if box is None else [box]
    return ViewGeometry(np.array([0.5, 3.5]), TimeWindow(*window), view, size, lambda *_: boxes)


def subject(cells, **options):
    return Subject(text="word", maps=np.stack([np.asarray(cells, np.float32)] * 2), **options)


def drawn(planes):
    return [plane.copy() for plane in (planes.y, planes.u, planes.v)]


def assert_planes_equal(got, wanted):
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("size", [(40, 100), (39, 99)])
def test_boxes_are_scaled_from_the_source_to_the_pane(size):
    canvas, rect = Canvas(100, 60, matrix=1), Rect(10, 4, 80, 50)
    look = context(*size, boxes=True)
    shown = subject([[0.0]])
    pane = PicturePane(rect, geometry(size, box=(10, 20, 30, 80)), always(shown), look)
    pane.draw(canvas, state(gray(80, 50)))
    wanted = gray(80, 50)
    draw_box(wanted, (20, 10, 60, 40), matrix=1)
    assert_planes_equal(drawn(canvas.region(rect)), drawn(wanted))


@pytest.mark.parametrize(("threshold", "level"), [(0.3, 0.3), (0.0, 0.5)])
def test_contours_are_drawn_at_the_threshold(threshold, level):
    canvas, rect = Canvas(80, 40, matrix=1), Rect(0, 0, 80, 40)
    cells = [[0.0, 0.5, 1.0]]
    pictures = {}
    for contours in (False, True):
        look = context(80, 40, contours=contours, threshold=threshold, opacity=0.0)
        pane = PicturePane(rect, geometry((80, 40)), always(subject(cells)), look)
        pane.draw(canvas, state(gray(80, 40)))
        pictures[contours] = drawn(canvas.region(rect))
    wanted = gray(80, 40)
    # Linear between cell centres, so 0.3 is 0.6 of the way from the first to the second.
    ramp = np.clip(np.interp((np.arange(80) + 0.5) * 3 / 80 - 0.5, [0, 1, 2], cells[0]), 0, 1)
    heat = np.rint(255 * np.tile(ramp, (40, 1))).astype(np.uint8)
    draw_contours(wanted, heat, level=level, matrix=1)
    assert_planes_equal(pictures[False], drawn(gray(80, 40)))
    assert_planes_equal(pictures[True], drawn(wanted))


def test_heat_is_drawn_in_its_cell_and_only_while_the_model_saw_the_clip():
    canvas, rect = Canvas(60, 40, matrix=1), Rect(20, 0, 40, 20)
    hot = subject([[0.0, 0.0], [0.0, 1.0]])
    look = context(40, 20, opacity=1.0)
    pane = PicturePane(rect, geometry((40, 20), window=(1.0, 4.0)), of_run(0), look)
    pane.draw(canvas, state(gray(40, 20), 1.0, subjects=(hot,)))
    shown = rgb_of_planes(canvas.region(rect), matrix=1).astype(int)
    assert np.abs(shown[-1, -1] - color_table("turbo")[255]).max() <= 4
    for corner in (shown[0, 0], shown[0, -1], shown[-1, 0]):
        assert np.abs(corner - GRAY).max() <= 2
    pane.draw(canvas, state(gray(40, 20), 0.5, subjects=(hot,)))
    assert_planes_equal(drawn(canvas.region(rect)), drawn(gray(40, 20)))


def test_a_plain_pane_has_neither_heat_nor_marks():
    canvas = Canvas(30, 20, matrix=1)
    PlainPane(Rect(4, 6, 20, 10)).draw(canvas, state(gray(40, 20), subjects=(subject([[1.0]]),)))
    assert_planes_equal(drawn(canvas.region(Rect(4, 6, 20, 10))), drawn(gray(20, 10)))
    assert (canvas.drawn.planes.y[:6] == canvas.drawn.planes.y[0, 0]).all()


def test_a_caption_is_drawn_once_for_each_subject():
    bar = CaptionBar("one two", "", width_px=240, room_px=60, size_px=13, look=RenderOptions())
    canvas = Canvas(260, 100, matrix=1)
    caption = Caption(10, 20, bar, of_run(0))
    first, second = (Subject(text="", maps=None, spans=(span,)) for span in ((0, 3), (4, 7)))
    region = canvas.region(Rect(10, 20, 240, bar.height_px))
    for each in (first, second, first):
        caption.draw(canvas, state(subjects=(each,)))
        assert_planes_equal(drawn(region), drawn(canvas.sprite(bar.image(each))))
    region.y[:] = 99
    caption.draw(canvas, state(subjects=(first,)))
    assert (region.y == 99).all()


@pytest.mark.parametrize("run", [0, None])
def test_the_strip_is_past_before_the_cursor_and_future_after_it(run):
    rect, hot = Rect(6, 4, 102, 20), subject([[0.5]])
    canvas = Canvas(120, 30, matrix=1)
    strip = TimeStrip(rect, AXIS, of_run(0), run=run)
    shown = (3.0, 5.0) if run == 0 else None
    past, future = (
        canvas.sprite(each)
        for each in draw_strip(AXIS, width=102, height=20, energy=hot.energy, shown=shown)
    )
    for seconds, cursor in ((0.0, 0), (2.5, 24), (2.6, 26), (9.0, 90), (10.0, 100), (4.0, 40)):
        strip.draw(canvas, state(seconds=seconds, subjects=(hot,), shown=((3.0, 5.0),)))
        got = canvas.region(rect)
        assert (got.y[:, cursor : cursor + 2] == 235).all()
        for whole, columns in ((past, (0, cursor)), (future, (cursor + 2, 102))):
            area = Rect(columns[0], 0, columns[1] - columns[0], 20)
            assert_planes_equal(drawn(part(got, area)), drawn(part(whole, area)))


def test_the_strip_follows_the_subject():
    rect, canvas = Rect(0, 0, 100, 20), Canvas(100, 20, matrix=1)
    strip = TimeStrip(rect, AXIS, of_run(0), run=None)
    pictures = []
    for each in (NO_SUBJECT, subject([[0.5]]), NO_SUBJECT):
        strip.draw(canvas, state(seconds=3.0, subjects=(each,)))
        pictures.append(drawn(canvas.region(rect))[0])
    assert (pictures[0] != pictures[1]).any()
    np.testing.assert_array_equal(pictures[0], pictures[2])


def clock(width, canvas):
    rect = Rect(0, 0, width, 20)
    return Clock(rect, TimeAxis(0, 65, np.empty(0), TimeWindow(0, 65)), FONTS, canvas=canvas)


FONTS = FontStack(14)


def test_the_clock_shows_the_same_digits_whatever_it_showed_before():
    canvas, fresh = (Canvas(160, 20, matrix=1) for _ in range(2))
    running = clock(160, canvas)
    for seconds in (0.0, 9.94, 10.0, 64.9, 3.21):
        running.draw(canvas, state(seconds=seconds))
    for seconds in (64.9, 3.21):
        clock(160, fresh).draw(fresh, state(seconds=seconds))
    np.testing.assert_array_equal(canvas.drawn.planes.y, fresh.drawn.planes.y)


def test_the_clock_shows_the_length_where_there_is_room():
    def inked(width):
        canvas = Canvas(width, 20, matrix=1)
        clock(width, canvas)
        return int((canvas.drawn.planes.y > 60).sum())

    digit = 2 * round(max(FONTS.length(each) for each in "0123456789") / 2 + 0.45)
    length = 2 * round((FONTS.length("/ 1:05.0") + 7 + 1) / 2)
    room = len("1:05.0") * digit + length
    assert inked(room) > 0
    assert inked(room - 2) == 0


def test_a_frame_state_has_the_turn_of_each_run():
    words = [subject([[0.1]]), subject([[0.2]])]
    schedules = (TurnSchedule(tuple(words), (0, 3, 4)), TurnSchedule((NO_SUBJECT,), (0, 4)))
    got = FrameState.of(Pass(schedules, 7.0), CLOCK, gray(8, 8), 3)
    assert got.subjects == (words[1], NO_SUBJECT)
    assert got.shown == ((3.0, 4.0), (0.0, 4.0))
    assert (got.frame, got.seconds) == (3, 3.0)


def test_scaling_keeps_what_is_left_and_right_and_is_computed_once():
    rgb = np.zeros((40, 120, 3), np.uint8)
    rgb[:, 60:] = 255
    picture = planes_of_rgb(rgb, matrix=1)
    small = scale(picture, 30, 20)
    assert (small.width, small.height, small.u.shape) == (30, 20, (10, 15))
    assert (small.y[:, :14] == 16).all()
    assert (small.y[:, 16:] == 235).all()
    shown = state(picture)
    assert shown.scaled(30, 20) is shown.scaled(30, 20)
    assert scale(picture, 120, 40) is picture


def test_the_canvas_has_the_minimum_size_of_the_context():
    smallest = replace(context(8, 8), min_size=(40, 30))
    sizes = [(10, 20), (50, 20), (10, 60)]
    got = [smallest.canvas(*size) for size in sizes]
    assert [(each.width, each.height) for each in got] == [(40, 30), (50, 30), (40, 60)]


def test_the_drawn_clock_is_that_of_the_longer_clip():
    longer = ClipClock(np.array([10.0, 20.0]), end_seconds=70.0)
    inner = replace(context(8, 8), shown_clock=longer)
    assert (inner.clock_axis.start_seconds, inner.clock_axis.end_seconds) == (10.0, 70.0)
    assert (context(8, 8).clock_axis.start_seconds, context(8, 8).clock_axis.end_seconds) == (0, 4)


def test_the_clock_reads_from_left_to_right_and_ends_at_the_right():
    canvas = Canvas(100, 20, matrix=1)
    running = clock(100, canvas)
    digit = 2 * round(max(FONTS.length(each) for each in "0123456789") / 2 + 0.45)
    sign = 2 * round(digit / 4)
    for seconds, text in ((0.0, "0:00.0"), (23.4, "0:23.4"), (61.8, "1:01.8")):
        running.draw(canvas, state(seconds=seconds))
        widths = [digit if each in "0123456789" else sign for each in text]
        x = 100 - sum(widths)
        for each, width in zip(text, widths, strict=True):
            wanted = canvas.sprite(text_image(each, width, 20, fonts=FONTS)).y
            np.testing.assert_array_equal(canvas.drawn.planes.y[:20, x : x + width], wanted)
            x += width
