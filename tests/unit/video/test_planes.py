"""YUV planes: what comes out of a reader, and the ways there and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_clips import ODD_CLIPS, ClipFolder

from tam_video.video.planes import (
    DrawnFrame,
    Planes,
    matrix_of,
    pad_to_even,
    planes_of_rgb,
    rgb_of_planes,
)
from tam_video.video.reader import open_video

TURNED = ["rot90", "rot180", "rot270", "mirrored", "mirrored_rot90", "odd_444", "odd_vp9"]
KINDS = ["h264_b", "h264_10bit", "mjpeg_avi", "gray", "gif", "mpegts", "interlaced", "start5_mkv"]


def smooth(height: int, width: int) -> np.ndarray:
    """A picture whose colour changes slowly, so that shared colour samples lose little."""
    down, across = np.arange(height)[:, None], np.arange(width)
    channels = (40 + down + 0 * across, 60 + across + 0 * down, 90 + (down + across) // 2)
    return np.stack(channels, axis=2).astype(np.uint8)


@pytest.mark.parametrize("name", [*TURNED, *KINDS])
def test_planes_show_what_the_rgb_frames_show(clips: ClipFolder, name: str) -> None:
    clip = ODD_CLIPS[name]
    with open_video(clips.path(name)) as video:
        matrix = matrix_of(video.info.color_space, width=clip.width, height=clip.height)
        pairs = zip(video.frames(), video.planes(matrix=matrix), strict=True)
        for frame, stored in pairs:
            assert (stored.index, stored.pts_seconds) == (frame.index, frame.pts_seconds)
            wanted = pad_to_even(frame.rgb).astype(int)
            got = rgb_of_planes(stored.planes, matrix=matrix).astype(int)
            assert got.shape == wanted.shape
            dithered = name == "gif"  # one colour next to the other: shared samples mix them
            assert np.abs(got - wanted).mean() < (16 if dithered else 3)


@pytest.mark.parametrize("reader", ["pyav", "decord"])
def test_every_reader_gives_planes(clips: ClipFolder, reader: str) -> None:
    with open_video(clips.path("h264_b"), reader=reader) as video:
        stored = list(video.planes(matrix=6))
    assert [each.index for each in stored] == list(range(48))
    assert {each.planes.step for each in stored} == {2}


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 5, 6, 9]), st.sampled_from([1, 2])
)
def test_colours_come_back_from_any_matrix(height: int, width: int, matrix: int, step: int) -> None:
    rgb = smooth(height, width)
    planes = planes_of_rgb(rgb, matrix=matrix, step=step)
    assert (planes.width % 2, planes.height % 2, planes.step) == (0, 0, step)
    back = rgb_of_planes(planes, matrix=matrix)[:height, :width].astype(int)
    assert np.abs(back - rgb).max() <= 5


def test_a_drawn_frame_is_the_encoders_own_memory() -> None:
    drawn = DrawnFrame(30, 10)
    planes_of_rgb(smooth(10, 30), matrix=1).copy_to(drawn.planes)
    stored = drawn.frame.to_ndarray()
    np.testing.assert_array_equal(stored[:10], drawn.planes.y)
    drawn.planes.y[:] = 77
    assert (drawn.frame.to_ndarray()[:10] == 77).all()


@pytest.mark.parametrize(
    ("space", "width", "height", "matrix"),
    [
        ("bt709", 64, 48, 1),
        ("bt601", 1920, 1080, 6),
        ("bt2020", 64, 48, 9),
        ("rgb", 64, 48, 6),
        ("rgb", 1280, 48, 1),
        ("", 64, 720, 1),
    ],
)
def test_the_matrix_is_the_sources_or_the_usual_one(
    space: str, width: int, height: int, matrix: int
) -> None:
    assert matrix_of(space, width=width, height=height) == matrix


def test_copying_keeps_to_its_part() -> None:
    target = planes_of_rgb(np.zeros((8, 8, 3), np.uint8), matrix=1)
    source = planes_of_rgb(np.full((4, 4, 3), 255, np.uint8), matrix=1)
    part = Planes(target.y[2:6, 2:6], target.u[1:3, 1:3], target.v[1:3, 1:3])
    source.copy_to(part)
    assert (target.y[2:6, 2:6] == 235).all()
    assert (target.y == 235).sum() == 16
