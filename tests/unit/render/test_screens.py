from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from render_cases import explanation

from tam_video.render.canvas import Rect
from tam_video.render.context import RenderContext
from tam_video.render.elements import FrameState
from tam_video.render.options import RenderOptions
from tam_video.render.panes import GAP_PX
from tam_video.render.schedule import ClipClock, Pass, plan_passes, schedule_turns
from tam_video.render.screens import build_screen, compare_screen
from tam_video.types import VideoInfo
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
