import numpy as np
import pytest

from tam_video.render.marks import draw_box, draw_contours, line_px
from tam_video.render.theme import LIT
from tam_video.video.planes import planes_of_rgb, rgb_of_planes


def gray(height=120, width=160, step=2):
    return planes_of_rgb(np.full((height, width, 3), 100, np.uint8), matrix=1, step=step)


def changed(planes):
    rgb = rgb_of_planes(planes, matrix=1).astype(int)
    return rgb, np.abs(rgb - 100).max(axis=2) > 20


@pytest.mark.parametrize("step", [1, 2])
def test_a_box_is_drawn_on_its_edges_and_not_inside(step):
    planes = gray(step=step)
    draw_box(planes, (40, 30, 100, 90), matrix=1)
    rgb, drawn = changed(planes)
    ys, xs = np.nonzero(drawn)
    assert (xs.min(), ys.min(), xs.max(), ys.max()) == pytest.approx((40, 30, 99, 89), abs=2)
    assert not drawn[40:80, 50:90].any()
    assert np.abs(rgb[60, 40:44] - LIT).min(axis=0).max() < 90


@pytest.mark.parametrize("box", [(-50, -50, 500, 500), (150, 110, 160, 120), (0, 0, 1, 1)])
def test_a_box_at_the_border_is_seen(box):
    planes = gray()
    draw_box(planes, box, matrix=1)
    assert changed(planes)[1].any()


def test_a_contour_runs_around_what_is_hot():
    down, across = np.mgrid[:120, :160]
    heat = np.clip(255 - 5 * np.hypot(down - 60, across - 80), 0, 255).astype(np.uint8)
    planes = gray()
    draw_contours(planes, heat, level=0.5, matrix=1)
    ys, xs = np.nonzero(changed(planes)[1])
    radius = np.hypot(ys - 60, xs - 80)
    assert 25.5 * 0.85 < radius.min() <= radius.max() < 25.5 * 1.15


def test_nothing_hot_has_no_contour():
    planes = gray()
    draw_contours(planes, np.zeros((120, 160), np.uint8), level=0.5, matrix=1)
    assert not changed(planes)[1].any()


def test_lines_grow_with_the_picture():
    assert [line_px(*size) for size in ((2, 2), (320, 240), (1280, 720))] == [1, 1, 3]


@pytest.mark.parametrize("step", [1, 2])
def test_a_box_in_the_middle_has_equal_sides_in_every_plane(step):
    planes = gray(step=step)
    draw_box(planes, (40, 30, 120, 90), matrix=1)
    for plane in (planes.y, planes.u, planes.v):
        np.testing.assert_allclose(plane.astype(int), plane[:, ::-1], atol=8)


def test_a_box_has_its_line_on_the_first_pixels_inside():
    planes = gray()
    draw_box(planes, (40, 30, 120, 90), matrix=1)
    row, column = planes.y[60], planes.y[:, 80]
    for line, start, end in ((row, 40, 120), (column, 30, 90)):
        for light in (line[start : start + 2], line[end - 2 : end]):
            assert (light > 130).all()
        for dark in (line[start - 1], line[start + 2], line[end - 3], line[end]):
            assert dark < 60
