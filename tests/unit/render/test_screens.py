from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from render_cases import explanation

from tam_video.render.canvas import Canvas, Rect
from tam_video.render.captions import CaptionBar
from tam_video.render.context import RenderContext
from tam_video.render.elements import Clock, FrameState, TimeStrip
from tam_video.render.fonts import FontStack
from tam_video.render.options import RenderOptions
from tam_video.render.panes import GAP_PX
from tam_video.render.schedule import ClipClock, Pass, plan_passes, schedule_turns
from tam_video.render.screens import build_screen, compare_screen
from tam_video.render.text_drawing import draw_label
from tam_video.render.turns import NO_SUBJECT
from tam_video.types import Message, VideoInfo
from tam_video.video.planes import planes_of_rgb

CLOCK = ClipClock(np.array([0.0, 1.0]), end_seconds=2.0)
BLACK, WHITE = 16, 235


def drawn(width, height, *, aspect=1, frame=0, **options):
    """A screen of a white picture, and its luma with one frame drawn."""
    context = made(width, height, aspect, **options)
    seen = explanation()
    [only] = plan_passes(seen, context.look, CLOCK)
    return show(build_screen(seen, context), [only], width, height, frame)


def made(width, height, aspect=1, **options):
    info = VideoInfo(
        Path("c.mp4"),
        2,
        width,
        height,
        Fraction(1),
        2.0,
        sample_aspect_ratio=Fraction(aspect),
    )
    return RenderContext(info, CLOCK, RenderOptions(**options), matrix=1)


def show(screen, passes, width, height, frame):
    picture = planes_of_rgb(np.full((height, width, 3), 255, np.uint8), matrix=1)
    screen.draw(FrameState.of(passes[0], CLOCK, picture, frame))
    return screen, screen.canvas.drawn.planes.y


def test_a_narrow_picture_is_centred_on_black_above_the_bar():
    screen, luma = drawn(99, 60, opacity=0.0)
    assert screen.canvas.width == 240
    assert not screen.square_pixels
    assert (luma[:60, 70:170] == WHITE).all()
    assert (luma[:60, :70] == BLACK).all()
    assert (luma[:60, 170:] == BLACK).all()
    assert (luma[60:] < WHITE).any(axis=1).all()


def test_without_a_bar_the_screen_is_the_picture():
    screen, luma = drawn(98, 60, opacity=0.0, caption=False)
    assert (screen.canvas.width, screen.canvas.height) == (98, 60)
    assert (luma == WHITE).all()


def test_side_has_the_picture_twice_with_a_gap():
    screen, luma = drawn(640, 360, opacity=0.0, layout="side")
    assert screen.canvas.width == 2 * 640 + GAP_PX
    assert (luma[:360, :640] == WHITE).all()
    assert (luma[:360, 640 + GAP_PX :] == WHITE).all()
    assert (luma[:360, 640 : 640 + GAP_PX] < 40).all()


def test_side_shows_pixels_that_are_not_square_as_players_do():
    screen, _ = drawn(320, 360, aspect=2, layout="side")
    assert screen.canvas.width == 2 * 640 + GAP_PX
    assert screen.square_pixels


def test_a_grid_has_a_label_and_a_strip_above_each_tile():
    screen, luma = drawn(640, 360, opacity=0.0, layout="grid", frame=1)
    head, strip = 44, 256
    assert screen.canvas.width == 2 * 640 + GAP_PX
    for left in (0, 648):
        assert (luma[head : head + 360, left : left + 640] == WHITE).all()
        label = luma[:head, left : left + 640 - strip]
        assert (label.max(axis=0) > 120).any()
        # The strip is 6 px below the upper edge; its cursor is in the middle of the clip.
        cursor = left + 640 - strip + 126
        assert (luma[6 : head - 6, cursor : cursor + 2] == WHITE).all()
        assert (luma[:6, left + 640 - strip : left + 640] < 40).all()
        assert (luma[head - 6 : head, left + 640 - strip : left + 640] < 40).all()


def test_a_comparison_has_a_column_for_each_run_and_one_clock():
    context = made(320, 180, opacity=0.0)
    runs = [explanation(), explanation("no circle at all", ("circle",))]
    turns = tuple(schedule_turns(each, context.look, CLOCK) for each in runs)
    screen = compare_screen(runs, ["first", "second"], context)
    _, luma = show(screen, [Pass(turns)], 320, 180, 0)
    assert screen.canvas.width == 2 * 320 + GAP_PX
    for left in (0, 320 + GAP_PX):
        assert (luma[44 : 44 + 180, left : left + 320] == WHITE).all()
        assert (luma[:44, left : left + 320] > 120).any()
        assert (luma[44 + 180 : 44 + 180 + 36, left : left + 2] == WHITE).all()  # the cursor


@pytest.mark.parametrize(
    ("count", "head"), [(1, 44), (4, 44), (5, 38), (9, 38), (10, 32), (16, 32), (17, 26), (48, 26)]
)
def test_labels_are_lower_above_many_tiles(count, head):
    words = tuple(f"w{index}" for index in range(count))
    context = made(640, 360, layout="grid", opacity=0.0)
    screen = build_screen(explanation(" ".join(words), words), context)
    strips = [each._rect for each in screen.elements if hasattr(each, "_axis")]
    assert strips[0].height == head - 2 * strips[0].y
    assert strips[0] != Rect(0, 0, 0, 0)


def test_the_canvas_of_every_layout_is_enlarged_to_the_minimum():
    for layout in ("overlay", "side", "grid"):
        context = replace(made(320, 180, layout=layout), min_size=(1400, 1200))
        canvas = build_screen(explanation(), context).canvas
        assert (canvas.width, canvas.height) == (1400, 1200)


LONG = "word " * 300


def bar_of(answer, *, width, room, size, question="", **options):
    return CaptionBar(
        answer,
        question,
        width_px=width,
        room_px=room,
        size_px=size,
        look=RenderOptions(),
        **options,
    )


def expected_row(width, height, *, pad, small):
    """The time row as it is drawn at 1 s of a clip of 2 s: strip left, clock right."""
    canvas = Canvas(width, height, matrix=1)
    fonts = FontStack(small)
    wide, narrow = (
        2 * round(1.2 * fonts.length(text) / 2) for text in ("0:02.0 / 0:02.0", "0:02.0")
    )
    clock_px = wide if wide < 0.35 * width else narrow
    axis = made(8, 8).clock_axis
    strip = Rect(pad, 0, width - 3 * pad - clock_px, height - pad)
    clock = Rect(width - pad - clock_px, 0, clock_px, height - pad)
    state = FrameState(None, 1, 1.0, (NO_SUBJECT,), ((0.0, 2.0),))
    Clock(clock, axis, fonts, canvas=canvas).draw(canvas, state)
    strips = TimeStrip(strip, axis, lambda _: None, run=None)
    strips.draw(canvas, state)
    return canvas.drawn.planes.y, clock.x


@pytest.mark.parametrize("answer", ["yes", LONG])
@pytest.mark.parametrize(
    ("width", "height", "size", "row", "pad", "small"),
    [
        (640, 360, 18, 34, 8, 15),
        (320, 180, 13, 24, 6, 11),
        (1280, 720, 28, 54, 14, 23),
    ],
)
def test_the_bar_and_the_time_row_are_below_the_picture(
    answer, width, height, size, row, pad, small
):
    context = made(width, height, opacity=0.0)
    seen = replace(explanation(answer), conversation=(Message("user", "What is it?"),))
    screen = build_screen(seen, context)
    passes = plan_passes(seen, context.look, CLOCK)
    _, luma = show(screen, passes, width, height, 1)
    bar = bar_of(answer, question="What is it?", width=width, room=0.4 * height - row, size=size)
    assert luma.shape == (height + bar.height_px + row, width)
    subject = passes[0].schedules[0].subjects[-1]
    wanted = screen.canvas.sprite(bar.image(subject)).y
    np.testing.assert_array_equal(luma[height : height + bar.height_px], wanted)
    clock_row, clock_x = expected_row(width, row, pad=pad, small=small)
    below = luma[height + bar.height_px :]
    np.testing.assert_array_equal(below[:, clock_x:], clock_row[:, clock_x:])
    assert (below[-pad:] == luma[-1, 0]).all()  # nothing in the space below the row
    middle = pad + 2 * int((clock_x - 2 * pad - 2) / 4)
    assert (below[:-pad, middle : middle + 2] == WHITE).all()
    assert (below[0, :pad] == luma[-1, 0]).all()


def test_side_has_its_bar_over_the_whole_width():
    screen, luma = drawn(640, 360, layout="side", opacity=0.0)
    bar = bar_of("the Red circle 2", width=1288, room=144 - 36, size=19)
    assert luma.shape == (360 + bar.height_px + 36, 1288)
    seen = explanation()
    [only] = plan_passes(seen, RenderOptions(), CLOCK)
    wanted = screen.canvas.sprite(bar.image(only.schedules[0].subjects[0])).y
    np.testing.assert_array_equal(luma[360 : 360 + bar.height_px], wanted)


def test_side_panes_are_at_least_120_px_wide():
    screen, _ = drawn(34, 400, layout="side")
    assert screen.canvas.width == 2 * 120 + GAP_PX


@pytest.mark.parametrize("layout", ["overlay", "side"])
def test_the_heat_of_the_shown_word_is_over_the_picture(layout):
    _, plain = drawn(640, 360, layout=layout, opacity=0.0)
    _, heated = drawn(640, 360, layout=layout, opacity=1.0)
    right = slice(None) if layout == "overlay" else slice(648, None)
    assert (heated[:360, right] < WHITE - 10).all()
    if layout == "side":
        np.testing.assert_array_equal(heated[:360, :640], plain[:360, :640])


def test_a_grid_has_the_whole_answer_unlit_below():
    screen, luma = drawn(640, 360, layout="grid", opacity=0.0)
    bar = bar_of("the Red circle 2", width=1288, room=176 - 44, size=23, has_choices=False)
    top = 44 + 360
    assert luma.shape == (top + bar.height_px + 44, 1288)
    wanted = screen.canvas.sprite(bar.image(NO_SUBJECT)).y
    np.testing.assert_array_equal(luma[top : top + bar.height_px], wanted)


def test_the_tiles_of_a_grid_leave_room_for_the_bar():
    screen, _ = drawn(1080, 1920, layout="grid")
    # (1080 - 176 - 44) * 9 / 16 = 483.75, so 482 px.
    assert screen.canvas.width == 2 * 482 + GAP_PX


def test_a_grid_of_one_narrow_tile_has_the_minimum_width():
    context = made(34, 200, layout="grid")
    assert build_screen(explanation("red", ("red",)), context).canvas.width == 240


@pytest.mark.parametrize(
    ("count", "warnings"), [(48, ()), (49, ("the grid shows 48 of 49 words",))]
)
def test_a_grid_has_at_most_48_tiles(count, warnings):
    words = tuple(f"w{index}" for index in range(count))
    screen = build_screen(explanation(" ".join(words), words), made(640, 360, layout="grid"))
    assert screen.warnings == warnings
    assert sum(hasattr(each, "_geometry") for each in screen.elements) == 48


def test_a_grid_of_an_empty_answer_has_one_tile():
    screen = build_screen(explanation(" ", ()), made(640, 360, layout="grid"))
    assert screen.canvas.width == 640
    assert screen.warnings == ()


def test_labels_of_tiles_are_left_of_the_energy_curves():
    screen, luma = drawn(640, 360, layout="grid")
    label = draw_label("circle", width=640 - 256, height=44)
    np.testing.assert_array_equal(luma[:44, 648 : 648 + 384], screen.canvas.sprite(label).y)


@pytest.mark.parametrize(
    ("size", "pane", "columns", "room", "bar_size"),
    [
        ((640, 360), (640, 360), 2, 180, 18),  # half the height of the picture
        ((640, 200), (640, 200), 1, 150, 18),
        ((1080, 1920), (452, 806), 2, 403, 15),  # (1080 - 44 - 230) * 9 / 16 = 453.4
    ],
)
def test_compared_runs_have_a_strip_and_a_bar_below_each_picture(
    size, pane, columns, room, bar_size
):
    context = made(*size, opacity=0.0)
    runs = [explanation(), explanation(LONG, ("word",))]
    turns = tuple(schedule_turns(each, context.look, CLOCK) for each in runs)
    screen = compare_screen(runs, ["first", "second"], context)
    _, luma = show(screen, [Pass(turns)], *size, 1)
    width, height = pane
    bars = [
        bar_of(each.answer, width=width, room=room, size=bar_size, has_scale=False) for each in runs
    ]
    tallest = max(bar.height_px for bar in bars)
    assert tallest == bars[1].height_px > bars[0].height_px
    cell = 44 + height + 36 + tallest
    rows = 2 // columns
    row, pad, small = (38, 10, 16) if columns == 2 else (34, 8, 15)
    assert luma.shape == (
        rows * (cell + GAP_PX) - GAP_PX + row,
        columns * (width + GAP_PX) - GAP_PX,
    )
    for index, bar in enumerate(bars):
        y, x = (index * (cell + GAP_PX), 0) if columns == 1 else (0, index * (width + GAP_PX))
        got = luma[y : y + cell, x : x + width]
        label = draw_label(("first", "second")[index], width=width, height=44)
        np.testing.assert_array_equal(got[:44], screen.canvas.sprite(label).y)
        assert (got[44 : 44 + height] == WHITE).all()
        cursor = 2 * int((width - 2) / 4)
        assert (got[44 + height : 44 + height + 36, cursor : cursor + 2] == WHITE).all()
        wanted = screen.canvas.sprite(bar.image(turns[index].subjects[-1])).y
        top = 44 + height + 36
        np.testing.assert_array_equal(got[top : top + bar.height_px], wanted)
    clock_row, clock_x = expected_row(luma.shape[1], row, pad=pad, small=small)
    np.testing.assert_array_equal(luma[-row:, clock_x:], clock_row[:, clock_x:])


def test_compared_panes_are_at_least_as_wide_as_a_bar():
    context = made(34, 400)
    screen = compare_screen([explanation()] * 2, ["a", "b"], context)
    assert screen.canvas.width == 2 * 240 + GAP_PX
