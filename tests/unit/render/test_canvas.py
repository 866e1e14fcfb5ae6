import numpy as np
import pytest

from tam_video.render.canvas import Canvas, Rect, even, part, to_yuv, yuv_of
from tam_video.render.overlay import color_table
from tam_video.render.theme import BACKGROUND, LIT, WHITE, mix
from tam_video.video.planes import planes_of_rgb, rgb_of_planes


@pytest.mark.parametrize("matrix", [1, 4, 5, 6, 7, 9])
def test_colours_are_what_the_converter_of_frames_makes_of_them(matrix):
    table = color_table("turbo")[::5]
    picture = np.repeat(table[:, None], 2, axis=1)
    planes = planes_of_rgb(picture, matrix=matrix, step=1)
    got = np.rint(to_yuv(table, matrix))
    for channel, plane in enumerate((planes.y, planes.u, planes.v)):
        np.testing.assert_allclose(got[:, channel], plane[: len(table), 0], atol=1)


def test_black_white_and_gray_have_no_colour():
    assert yuv_of((0, 0, 0), 1) == (16, 128, 128)
    assert yuv_of(WHITE, 6) == (235, 128, 128)
    assert yuv_of((128, 128, 128), 9)[1:] == (128, 128)


@pytest.mark.parametrize("step", [1, 2])
def test_sprites_stand_where_they_are_pasted(step):
    canvas = Canvas(20, 12, matrix=1, step=step)
    canvas.paste(canvas.sprite(np.full((4, 6, 3), LIT, np.uint8)), 8, 2)
    canvas.fill(Rect(0, 10, 2, 2), WHITE)
    shown = rgb_of_planes(canvas.drawn.planes, matrix=1).astype(int)
    expected = np.full((12, 20, 3), BACKGROUND)
    expected[2:6, 8:14] = LIT
    expected[10:, :2] = WHITE
    assert np.abs(shown - expected).max() <= 3


def test_a_part_is_a_view():
    canvas = Canvas(8, 8, matrix=1)
    region = canvas.region(Rect(2, 4, 4, 2))
    region.y[:] = 99
    region.u[:] = 55
    assert (canvas.drawn.planes.y[4:6, 2:6] == 99).all()
    assert (canvas.drawn.planes.u[2, 1:3] == 55).all()
    assert part(region, Rect(2, 0, 2, 2)).y.shape == (2, 2)


@pytest.mark.parametrize("numbers", [(1, 0, 2, 2), (0, 0, 3, 2), (0, -2, 2, 2)])
def test_odd_places_are_a_programming_mistake(numbers):
    with pytest.raises(ValueError, match="even"):
        Rect(*numbers)


def test_even_numbers_and_mixed_colours():
    assert [even(value) for value in (-3, 0, 1.2, 5.1, 7)] == [2, 2, 2, 6, 8]
    assert mix((0, 0, 0), (255, 100, 10), 0.5) == (128, 50, 5)
