from fractions import Fraction

import av
import numpy as np
import pytest

from tam_video.errors import EncodeError
from tam_video.video.lossless import write_lossless
from tam_video.video.reader import open_video


def write(path, frames, times, *, time_base, end=None):
    height, width = frames.shape[1:3]
    return write_lossless(
        path,
        [(t, rgb) for t, rgb in zip(times, frames, strict=True)],
        width=width,
        height=height,
        time_base=time_base,
        end_seconds=times[-1] + 0.1 if end is None and len(times) else end or 0.0,
    )


@pytest.mark.parametrize("size", [(1, 1), (17, 31), (64, 48)])
def test_pixels_and_times_come_back_as_they_were(tmp_path, size):
    frames = np.random.default_rng(0).integers(0, 256, (9, *size, 3), dtype=np.uint8)
    ticks = np.cumsum([0, 1, 33333, 40001, 7, 90000, 33333, 33333, 12])
    times = [float(Fraction(int(each), 10**6)) for each in ticks]
    path = tmp_path / "a.mp4"
    assert write(path, frames, times, time_base=Fraction(1, 10**6), end=times[-1] + 0.5) == 9
    with open_video(path) as reader:
        assert np.array_equal(reader.read(range(9)).frames, frames)
        assert reader.timeline.pts_seconds.tolist() == times
        assert reader.info.duration_seconds == pytest.approx(times[-1] + 0.5, abs=1e-6)
        assert np.array_equal(reader.read([7]).frames[0], frames[7])


def test_the_first_frame_is_time_0_and_the_same_frames_make_the_same_bytes(tmp_path):
    frames = np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    for name in ("a.mp4", "b.mp4"):
        write(tmp_path / name, frames, [5.0, 5.04, 5.08], time_base=Fraction(1, 25))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    with open_video(tmp_path / "a.mp4") as reader:
        assert reader.timeline.pts_seconds.tolist() == [0, 0.04, 0.08]


def test_nothing_is_left_where_there_is_no_frame(tmp_path):
    with pytest.raises(EncodeError):
        write(tmp_path / "a.mp4", np.empty((0, 8, 8, 3), np.uint8), [], time_base=Fraction(1, 25))
    assert list(tmp_path.iterdir()) == []


def test_pixels_keep_their_aspect(tmp_path):
    frames = np.zeros((2, 20, 30, 3), np.uint8)
    times = [(0.0, frames[0]), (0.5, frames[1])]
    for name, aspect in (("a.mp4", Fraction(1)), ("b.mp4", Fraction(4, 3))):
        write_lossless(
            tmp_path / name,
            times,
            width=30,
            height=20,
            time_base=Fraction(1, 30),
            end_seconds=1.0,
            pixel_aspect=aspect,
        )
        with av.open(str(tmp_path / name)) as container:
            assert container.streams.video[0].sample_aspect_ratio == aspect
