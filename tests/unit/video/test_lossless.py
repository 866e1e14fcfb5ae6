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


def packets_of(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.time_base, [p for p in container.demux(stream) if p.size]


def test_every_twelfth_frame_is_a_keyframe_and_no_frame_is_reordered(tmp_path):
    frames = np.random.default_rng(2).integers(0, 256, (26, 16, 16, 3), dtype=np.uint8)
    write(tmp_path / "a.mp4", frames, [n / 25 for n in range(26)], time_base=Fraction(1, 25))
    time_base, packets = packets_of(tmp_path / "a.mp4")
    assert time_base == Fraction(1, 25)
    assert [p.pts for p in packets] == [p.dts for p in packets] == list(range(26))
    assert [n for n, p in enumerate(packets) if p.is_keyframe] == [0, 12, 24]
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "gbrp"


@pytest.mark.parametrize(
    ("time_base", "denominator"),
    [
        (Fraction(1001, 30000), 30000),
        (Fraction(1, 1_000_000), 1_000_000),
        (Fraction(1, 1_000_001), 1_000_000),
    ],
)
def test_the_clock_is_that_of_the_source_down_to_microseconds(tmp_path, time_base, denominator):
    frames = np.zeros((2, 16, 16, 3), np.uint8)
    write(tmp_path / "a.mp4", frames, [0.0, 0.2], time_base=time_base)
    assert packets_of(tmp_path / "a.mp4")[0] == Fraction(1, denominator)


@pytest.mark.parametrize(("end", "last_ticks"), [(5.5, 30), (5.2, 1), (4.0, 1), (5.22, 2)])
def test_the_last_frame_ends_on_the_clock_of_the_frames(tmp_path, end, last_ticks):
    frames = np.zeros((2, 16, 16, 3), np.uint8)
    write(tmp_path / "a.mp4", frames, [5.0, 5.2], time_base=Fraction(1, 100), end=end)
    _, packets = packets_of(tmp_path / "a.mp4")
    assert [p.pts for p in packets] == [0, 20]
    assert [p.duration for p in packets] == [20, last_ticks]


def test_the_message_names_the_file_without_frames(tmp_path):
    with pytest.raises(EncodeError, match=r"cannot write a\.mp4: there are no frames"):
        write(tmp_path / "a.mp4", np.empty((0, 8, 8, 3), np.uint8), [], time_base=Fraction(1, 25))
