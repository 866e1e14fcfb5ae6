"""Packets with exact durations, and files that exist only when they are complete."""

from __future__ import annotations

import os
from fractions import Fraction
from types import SimpleNamespace

import av
import pytest

from tam_video.errors import EncodeError
from tam_video.video.muxing import FrameEncoder, open_mp4, replacing

TICK = Fraction(1, 100)


class Stream:
    """An encoder that holds back `delay` packets."""

    def __init__(self, delay):
        self.delay, self.held, self.time_bases = delay, [], set()

    def encode(self, frame):
        if frame is None:
            out, self.held = self.held, []
            return out
        self.time_bases.add(frame.time_base)
        self.held.append(SimpleNamespace(pts=frame.pts, duration=None))
        out = self.held[: max(0, len(self.held) - self.delay)]
        self.held = self.held[len(out) :]
        return out


def encoded(times, *, end=None, delay=0, **options):
    muxed, stream = [], Stream(delay)
    encoder = FrameEncoder(SimpleNamespace(mux_one=muxed.append), stream, tick=TICK, **options)
    for pts in times:
        encoder.encode(SimpleNamespace(), pts)
    encoder.finish(end)
    assert stream.time_bases <= {TICK}
    assert encoder.num_frames == len(times)
    return [(packet.pts, packet.duration) for packet in muxed]


@pytest.mark.parametrize("delay", [0, 1, 3, 9])
def test_a_frame_lasts_until_the_next_one(delay):
    expected = [(0, 3), (3, 7), (10, 1), (11, 5)]
    assert encoded([0, 3, 10, 11], end=16, delay=delay) == expected


@pytest.mark.parametrize(("end", "last"), [(None, 4), (10, 4), (9, 4), (11, 1), (25, 15)])
def test_the_last_frame_ends_where_it_should_or_lasts_as_long_as_the_previous_one(end, last):
    assert encoded([0, 6, 10], end=end) == [(0, 6), (6, 4), (10, last)]


def test_a_single_frame_lasts_as_long_as_the_default():
    assert encoded([5]) == [(5, 1)]
    assert encoded([5], default_duration=40) == [(5, 40)]
    assert encoded([5], end=8, default_duration=40) == [(5, 3)]


def test_times_that_do_not_increase_are_moved_by_one_tick():
    assert encoded([4, 4, 2, 9], end=10) == [(4, 1), (5, 1), (6, 3), (9, 1)]


def test_a_packet_waits_for_the_next_frame():
    muxed = []
    encoder = FrameEncoder(SimpleNamespace(mux_one=muxed.append), Stream(0), tick=TICK)
    assert (encoder.num_frames, encoder.pts) == (0, 0)
    encoder.encode(SimpleNamespace(), 2)
    assert (encoder.num_frames, encoder.pts, muxed) == (1, 2, [])
    encoder.encode(SimpleNamespace(), 7)
    assert (encoder.num_frames, encoder.pts) == (2, 7)
    assert [(packet.pts, packet.duration) for packet in muxed] == [(2, 5)]


def test_the_temporary_file_is_hidden_beside_the_other_and_of_this_process(tmp_path):
    with replacing(tmp_path / "a.mp4") as partial:
        assert partial == tmp_path / f".a.mp4.{os.getpid()}.partial"
        partial.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_full_disk_is_an_encode_error_that_names_the_file(tmp_path):
    with (
        pytest.raises(EncodeError, match=r"^cannot write a\.mp4: .*No space left") as caught,
        open_mp4(tmp_path / "a.mp4"),
    ):
        raise OSError(28, "No space left on device")
    assert isinstance(caught.value.__cause__, OSError)
    assert list(tmp_path.iterdir()) == []


def test_other_errors_pass_and_leave_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), open_mp4(tmp_path / "a.mp4"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_options_reach_the_muxer_beside_the_index_first(tmp_path):
    path = tmp_path / "a.mp4"
    with open_mp4(path, video_track_timescale="12345") as output:
        stream = output.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        encoder = FrameEncoder(output, stream, tick=Fraction(1, 25))
        encoder.encode(av.VideoFrame(16, 16, "yuv420p"), 0)
        encoder.finish(None)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as container:
        assert container.streams.video[0].time_base == Fraction(1, 12345)
