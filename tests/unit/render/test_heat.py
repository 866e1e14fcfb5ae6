import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from render_cases import map_at

from tam_video.render.canvas import RGB, to_yuv
from tam_video.render.heat import HeatBlender, HeatField, heat_tables, mark_unseen, render_still
from tam_video.render.overlay import (
    COLORMAPS,
    TimeWindow,
    color_table,
    upsample,
)
from tam_video.types import View
from tam_video.video.planes import Planes, planes_of_rgb, rgb_of_planes

ALWAYS = TimeWindow(-1e9, 1e9)


def picture(seed, height=6, width=8, step=2):
    rng = np.random.default_rng(seed)
    y = rng.integers(16, 236, (height, width), dtype=np.uint8)
    u, v = rng.integers(16, 241, (2, height // step, width // step), dtype=np.uint8)
    return Planes(y, u, v)


def blank(like):
    return Planes(np.empty_like(like.y), np.empty_like(like.u), np.empty_like(like.v))


def slow_blend(planes, heat, colormap, opacity, threshold, matrix):
    """Pixel by pixel, in floats; a colour sample takes the mean heat of its pixels."""
    colors = to_yuv(color_table(colormap), matrix)
    step, out = planes.step, []
    for channel, plane in enumerate((planes.y, planes.u, planes.v)):
        size = 1 if channel == 0 else step
        result = np.zeros(plane.shape)
        for y, x in np.ndindex(plane.shape):
            cell = heat[y * size : (y + 1) * size, x * size : (x + 1) * size]
            level = int(np.floor(cell.mean() + 0.5))
            share = opacity * level / 255 if level / 255 >= threshold else 0.0
            result[y, x] = (1 - share) * plane[y, x] + share * colors[level, channel]
        out.append(result)
    return out


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 99),
    arrays(np.uint8, (6, 8)),
    st.sampled_from(COLORMAPS),
    st.sampled_from([0.0, 0.3, 0.6, 1.0]),
    st.sampled_from([0.0, 0.4]),
    st.sampled_from([(RGB, 1), (1, 1), (1, 2), (6, 2), (9, 2)]),
)
def test_blending_planes_equals_the_reference_implementation(
    seed, heat, colormap, opacity, threshold, planes
):
    matrix, step = planes
    source = picture(seed, step=step)
    out = blank(source)
    tables = heat_tables(colormap, opacity, threshold, matrix)
    HeatBlender(tables, step=step).blend(source, heat, out=out)
    wanted = slow_blend(source, heat, colormap, opacity, threshold, matrix)
    np.testing.assert_allclose(out.y, wanted[0], atol=2.0)
    if threshold == 0:  # the mean of four may round to either side of a threshold
        np.testing.assert_allclose(out.u, wanted[1], atol=2.5)
        np.testing.assert_allclose(out.v, wanted[2], atol=2.5)


@pytest.mark.parametrize("opacity", [0.0, 0.6])
def test_cold_leaves_the_picture_as_it_is(opacity):
    source = picture(0)
    out = blank(source)
    tables = heat_tables("turbo", opacity, 0.0, 1)
    HeatBlender(tables, step=2).blend(source, np.zeros((6, 8), np.uint8), out=out)
    for before, after in ((source.y, out.y), (source.u, out.u), (source.v, out.v)):
        np.testing.assert_array_equal(before, after)


def test_heat_below_the_threshold_is_not_drawn():
    source = picture(0)
    out = blank(source)
    heat = np.full((6, 8), 100, np.uint8)
    heat[:, 4:] = 110
    tables = heat_tables("turbo", 1.0, 105 / 255, 1)
    HeatBlender(tables, step=2).blend(source, heat, out=out)
    np.testing.assert_array_equal(out.y[:, :4], source.y[:, :4])
    assert (out.y[:, 4:] != source.y[:, 4:]).any()


def test_one_blender_follows_heat_that_changes():
    source, blender = picture(1), HeatBlender(heat_tables("turbo", 1.0, 0.0, 1), step=2)
    results = []
    for level in (0, 255, 0):
        out = blank(source)
        blender.blend(source, np.full((6, 8), level, np.uint8), out=out)
        results.append(out.y)
    np.testing.assert_array_equal(results[0], results[2])
    assert (results[0] != results[1]).any()


@settings(max_examples=30, deadline=None)
@given(arrays(np.float32, (3, 2, 3), elements=st.floats(0, 1, width=32)), st.floats(-1, 5))
def test_a_field_equals_the_map_of_the_moment(maps, seconds):
    slots = np.array([0.0, 1.0, 3.0])
    field = HeatField(maps, slots, ALWAYS, View(), 12, 8)
    got = field.at(seconds)
    wanted = upsample(map_at(maps, slots, seconds), width=12, height=8)
    assert np.abs(got.astype(int) - wanted).max() <= 255 / 24 + 2  # half a step of the fade


def test_a_field_hands_out_the_same_heat_until_it_changes():
    maps = np.random.default_rng(0).random((2, 2, 2), dtype=np.float32)
    field = HeatField(maps, np.array([0.0, 10.0]), TimeWindow(-1, 11), View(), 8, 8)
    assert field.at(5.0) is field.at(5.01)
    assert field.at(-0.5) is field.at(0.0)
    assert field.at(5.0) is not field.at(9.0)
    assert field.at(12.0) is None


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("view", [View(0.25, 0, 0.75, 1), View(-0.2, 0.25, 1.2, 2.0)])
def test_what_was_not_seen_is_marked_as_in_rgb(view, step):
    rgb = np.full((32, 48, 3), (200, 120, 60), np.uint8)
    marked = mark_unseen(planes_of_rgb(rgb, matrix=1, step=step), view, matrix=1)
    got = rgb_of_planes(marked, matrix=1).astype(int)
    wanted = render_still(rgb, np.zeros((1, 1), np.float32), view=view)
    assert np.abs(got - wanted).max() <= 6
    whole = planes_of_rgb(rgb, matrix=1)
    assert mark_unseen(whole, View(), matrix=1) is whole


def test_a_still_marks_the_pixels_that_the_model_did_not_see_and_no_others():
    frame = np.full((60, 100, 3), 200, dtype=np.uint8)
    marked = render_still(frame, np.zeros((1, 1), np.float32), view=View(0.2, 0.0, 0.8, 1.0))
    np.testing.assert_array_equal(marked[:, 20:80], frame[:, 20:80])
    for outside in (marked[:, :20], marked[:, 80:]):
        assert set(np.unique(outside)) == {60, 110}  # dimmed, and lines on it
    assert (frame == 200).all()


@pytest.mark.parametrize("view", [View(), View(-0.1, 0.0, 1.2, 1.0)])
def test_a_still_without_heat_is_the_frame(view):
    frame = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    still = render_still(frame, np.zeros((2, 3), np.float32), view=view, opacity=1.0)
    np.testing.assert_array_equal(still, frame)


def test_a_still_of_a_crop_has_its_heat_in_the_crop():
    frame = np.full((40, 80, 3), 100, dtype=np.uint8)
    view = View(0.25, 0.0, 0.75, 1.0)
    still = render_still(frame, np.ones((2, 2), np.float32), view=view, opacity=1.0)
    hot = color_table("turbo")[255]
    np.testing.assert_array_equal(still[:, 20:60], np.broadcast_to(hot, (40, 40, 3)))
    assert (np.ptp(still[:, :20].astype(int), axis=2) == 0).all()


def test_a_still_of_odd_size_is_the_blend_of_frame_and_colour():
    frame = np.random.default_rng(1).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    cells = np.full((2, 2), 0.5, np.float32)
    still = render_still(frame, cells, colormap="viridis", opacity=0.8)
    level = int(upsample(cells, width=9, height=7)[0, 0])
    alpha = 0.8 * level / 255
    wanted = (1 - alpha) * frame + alpha * color_table("viridis")[level]
    np.testing.assert_allclose(still, wanted, atol=2)


def test_a_still_is_hot_in_the_hot_cell_and_leaves_the_frame_unchanged():
    frame = np.zeros((20, 20, 3), dtype=np.uint8)
    still = render_still(frame, np.array([[0, 0], [0, 1]], dtype=np.float32), opacity=1.0)
    assert still[:5, :5].max() == 0
    np.testing.assert_array_equal(still[-1, -1], color_table("turbo")[255])
    assert (frame == 0).all()


@pytest.mark.parametrize(("gap", "steps"), [(0.25, 3), (0.5, 6), (9.0, 16), (0.01, 1)])
def test_heat_fades_twelve_times_a_second_and_sixteen_times_between_slots(gap, steps):
    maps = np.stack([np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32)])
    field = HeatField(maps, np.array([0.0, gap]), ALWAYS, View(), 2, 2)
    levels = [int(field.at(seconds)[0, 0]) for seconds in np.linspace(0, gap, 1001)]
    assert levels == sorted(levels)
    np.testing.assert_allclose(sorted(set(levels)), 255 * np.arange(steps + 1) / steps, atol=1)


def test_a_field_keeps_the_heat_of_three_slots():
    maps = np.random.default_rng(0).random((9, 2, 2), dtype=np.float32)
    field = HeatField(maps, np.arange(9.0), ALWAYS, View(), 8, 8)
    for seconds in range(9):
        field.at(float(seconds))
        assert len(field._slots) <= 3
