from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tam_video.errors import UnknownNameError
from tam_video.render.overlay import (
    COLORMAPS,
    blend,
    color_table,
    explained_window,
    map_at,
    render_still,
    upsample,
)
from tam_video.types import Explanation, TokenGrid, VideoInfo

unit_floats = st.floats(0.0, 1.0, width=32)


def explanation(times, slots):
    grid = TokenGrid(len(slots), 1, 1, slots)
    nothing = np.zeros((0, *grid.shape), dtype=np.float32)
    info = VideoInfo(Path("clip.mp4"), 10, 8, 8, average_fps=1, duration_seconds=10.0)
    times = np.array(times, dtype=np.float64)
    return Explanation(
        info=info,
        indices=np.arange(len(times)),
        pts_seconds=times,
        conversation=(),
        answer="",
        tokens=(),
        words=(),
        grid=grid,
        maps=nothing,
        word_maps=nothing,
        text_scores=np.zeros((0, 0), dtype=np.float32),
    )


def slow_map_at(maps, slots, seconds):
    if seconds <= slots[0]:
        return maps[0]
    for before in range(len(slots) - 1):
        start, end = slots[before], slots[before + 1]
        if start <= seconds < end:
            share = (seconds - start) / (end - start)
            return (1 - share) * maps[before] + share * maps[before + 1]
    return maps[-1]


def slow_upsample(cells, width, height):
    rows, columns = cells.shape
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            v = min(max((y + 0.5) * rows / height - 0.5, 0), rows - 1)
            u = min(max((x + 0.5) * columns / width - 0.5, 0), columns - 1)
            top, left = int(v), int(u)
            low, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            a, b = v - top, u - left
            upper = (1 - b) * cells[top, left] + b * cells[top, right]
            lower = (1 - b) * cells[low, left] + b * cells[low, right]
            out[y, x] = (1 - a) * upper + a * lower
    return 255 * out


def slow_blend(frame, heat, table, opacity):
    out = np.zeros(frame.shape)
    for y, x in np.ndindex(heat.shape):
        alpha = opacity * heat[y, x] / 255
        out[y, x] = (1 - alpha) * frame[y, x] + alpha * table[heat[y, x]]
    return out


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.float32, (4, 2, 3), elements=unit_floats),
    st.lists(st.integers(0, 90), min_size=4, max_size=4, unique=True).map(sorted),
    st.floats(-20, 120),
)
def test_interpolation_equals_the_slow_twin(maps, slots, seconds):
    got = map_at(maps, np.array(slots), seconds)
    np.testing.assert_allclose(got, slow_map_at(maps, slots, seconds), atol=1e-5)


def test_interpolation_hits_the_slots_and_their_middle():
    maps = np.arange(3, dtype=np.float32).reshape(3, 1, 1) / 2
    slots = np.array([1.0, 2.0, 4.0])
    got = [float(map_at(maps, slots, at)[0, 0]) for at in (0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 9.0)]
    assert got == pytest.approx([0, 0, 0.25, 0.5, 0.75, 1, 1])


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=unit_floats),
    st.integers(5, 23),
    st.integers(4, 19),
)
def test_upsampling_equals_the_slow_twin(cells, width, height):
    got = upsample(cells, width=width, height=height)
    assert got.shape == (height, width)
    np.testing.assert_allclose(got, slow_upsample(cells, width, height), atol=0.8)


def test_heat_lies_over_its_own_cell():
    cells = np.zeros((3, 4), dtype=np.float32)
    cells[1, 2] = 1.0
    heat = upsample(cells, width=40, height=30)
    ys, xs = np.nonzero(heat == heat.max())
    assert (ys.mean(), xs.mean()) == (14.5, 24.5)
    assert heat[:5].max() == 0
    assert heat[:, :15].max() == 0


def test_values_outside_0_to_1_and_nan_do_no_harm():
    cells = np.array([[np.nan, -3.0, 5.0]], dtype=np.float32)
    np.testing.assert_array_equal(upsample(cells, width=3, height=1), [[0, 0, 255]])


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.uint8, (3, 4, 3)),
    arrays(np.uint8, (3, 4)),
    st.sampled_from(COLORMAPS),
    st.sampled_from([0.0, 0.3, 0.6, 1.0]),
)
def test_blending_equals_the_slow_twin(frame, heat, colormap, opacity):
    got = blend(frame, heat, colormap=colormap, opacity=opacity)
    wanted = slow_blend(frame, heat, color_table(colormap), opacity)
    np.testing.assert_allclose(got, wanted, atol=2.0)


def test_cold_is_transparent():
    frame = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    heat = np.zeros((7, 9), dtype=np.uint8)
    np.testing.assert_array_equal(blend(frame, heat, opacity=1.0), frame)


def test_the_frame_is_not_changed_in_place():
    frame = np.full((4, 4, 3), 9, dtype=np.uint8)
    blend(frame, np.full((4, 4), 255, dtype=np.uint8))
    assert (frame == 9).all()


def test_tables_are_rgb_and_run_from_cold_to_hot():
    turbo, jet = color_table("turbo"), color_table("jet")
    assert turbo.shape == (256, 3)
    assert jet[0].argmax() == 2
    assert jet[-1].argmax() == turbo[-1].argmax() == 0
    for name in ("inferno", "cividis", "viridis"):
        brightness = color_table(name).astype(int).sum(axis=1)
        assert brightness[-1] > brightness[128] > brightness[0]


def test_an_unknown_colormap_names_the_close_ones():
    with pytest.raises(UnknownNameError) as caught:
        color_table("turbor")
    assert "turbo" in caught.value.hint


def test_a_still_shows_heat_where_the_map_is_hot():
    frame = np.zeros((20, 20, 3), dtype=np.uint8)
    still = render_still(frame, np.array([[0, 0], [0, 1]], dtype=np.float32), opacity=1.0)
    assert still[:5, :5].max() == 0
    np.testing.assert_allclose(still[-1, -1], color_table("turbo")[255], atol=1)


def test_window_reaches_half_a_slot_beyond_the_slots():
    seen = explanation([4.0, 4.5, 5.0, 5.5], ((0, 1), (2, 3)))
    window = explained_window(seen, clip_start_seconds=0.0, clip_end_seconds=20.0)
    assert (window.start_seconds, window.end_seconds) == (3.75, 5.75)
    assert 3.75 in window
    assert 5.8 not in window


def test_window_takes_in_an_end_of_the_clip_that_is_less_than_a_slot_away():
    seen = explanation([0.5, 1.5, 2.5], ((0,), (1,), (2,)))
    window = explained_window(seen, clip_start_seconds=-0.4, clip_end_seconds=3.4)
    assert (window.start_seconds, window.end_seconds) == (-0.4, 3.4)


def test_window_of_one_frame_is_the_whole_clip():
    seen = explanation([2.0, 2.0], ((0, 1),))
    window = explained_window(seen, clip_start_seconds=0.0, clip_end_seconds=9.0)
    assert window.start_seconds <= 0.0
    assert window.end_seconds >= 9.0


def test_window_of_one_slot_covers_its_frames():
    seen = explanation([4.0, 5.0], ((0, 1),))
    window = explained_window(seen, clip_start_seconds=0.0, clip_end_seconds=20.0)
    assert (window.start_seconds, window.end_seconds) == (3.5, 5.5)
