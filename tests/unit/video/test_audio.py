"""Which audio packets are copied, when, and at what times."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import pytest
from av.error import InvalidDataError

from tam_video.video import audio
from tam_video.video.audio import AudioCopy, open_audio

TICK = Fraction(1, 10)


class Output:
    """Notes (stream, dts, pts) of what is written."""

    def __init__(self):
        self.packets = []

    def add_stream_from_template(self, stream):
        return f"copy of {stream.index}"

    def mux_one(self, packet):
        self.packets.append((packet.stream, packet.dts, packet.pts))


def sound(index, *, codec="aac", start_time=None):
    context = codec and SimpleNamespace(name=codec)
    return SimpleNamespace(index=index, codec_context=context, start_time=start_time)


def packet(stream, pts, dts="same", *, size=5):
    dts = pts if dts == "same" else dts
    return SimpleNamespace(stream=stream, pts=pts, dts=dts, size=size, time_base=TICK)


class Source:
    """Packets of audio streams, and an error after them."""

    def __init__(self, streams, packets, error=None):
        self.streams = SimpleNamespace(audio=streams)
        self.packets, self.error, self.demuxed = packets, error, []

    def demux(self, *streams):
        self.demuxed.append(streams)
        yield from self.packets
        if self.error:
            raise self.error


@pytest.fixture(autouse=True)
def all_but_pcm(monkeypatch):
    def holds(stream):
        return stream.codec_context is not None and stream.codec_context.name != "pcm_u8"

    monkeypatch.setattr(audio, "_mp4_holds", holds)


def test_packets_are_copied_up_to_a_time_and_the_next_one_waits():
    stream, output = sound(1), Output()
    copy = AudioCopy(Source([stream], [packet(stream, n) for n in range(5)]), output)
    copy.copy_until(-0.1, shift=Fraction(0))
    assert output.packets == []
    copy.copy_until(0.2, shift=Fraction(0))
    assert output.packets == [("copy of 1", n, n) for n in range(3)]
    copy.copy_until(float("inf"), shift=Fraction(0))
    assert output.packets == [("copy of 1", n, n) for n in range(5)]
    copy.copy_until(float("inf"), shift=Fraction(0))
    assert len(output.packets) == 5
    assert copy.start_seconds is None
    assert copy.warnings == []


def test_times_are_shifted_and_missing_ones_stay_missing():
    stream, output = sound(1), Output()
    packets = [packet(stream, 53, 51), packet(stream, None, 54)]
    copy = AudioCopy(Source([stream], packets), output)
    copy.copy_until(5.35, shift=Fraction(5))
    assert output.packets == [("copy of 1", 1, 3)]
    copy.copy_until(5.4, shift=Fraction(126, 25))  # 50.4 ticks
    assert output.packets[1] == ("copy of 1", 4, None)


def test_the_start_is_that_of_the_stream_or_of_its_first_packet():
    for start_time, pts, dts, expected in [
        (7, 3, 2, 0.7),
        (0, 3, 2, 0.0),
        (None, 3, 2, 0.3),
        (None, None, 2, 0.2),
    ]:
        stream = sound(1, start_time=start_time)
        copy = AudioCopy(Source([stream], [packet(stream, pts, dts)]), Output())
        assert copy.start_seconds == pytest.approx(expected)


def test_empty_packets_and_those_without_a_decoding_time_are_left_out():
    stream, output = sound(1), Output()
    packets = [packet(stream, 0, None), packet(stream, 1, size=0), packet(stream, 2)]
    AudioCopy(Source([stream], packets), output).copy_until(1e9, shift=Fraction(0))
    assert output.packets == [("copy of 1", 2, 2)]


def test_streams_that_mp4_cannot_hold_are_left_out_with_a_warning():
    streams = [sound(1, codec="pcm_u8"), sound(2), sound(3, codec=None)]
    source, output = Source(streams, [packet(streams[1], 4)]), Output()
    copy = AudioCopy(source, output)
    copy.copy_until(1e9, shift=Fraction(0))
    assert output.packets == [("copy of 2", 4, 4)]
    assert source.demuxed == [(streams[1],)]
    assert copy.warnings == [
        "audio left out: MP4 can't hold pcm_u8 without re-encoding",
        "audio left out: MP4 can't hold unknown without re-encoding",
    ]


def test_damage_ends_the_audio_with_a_warning():
    stream, output = sound(1), Output()
    error = InvalidDataError(1, "Invalid data found")
    copy = AudioCopy(Source([stream], [packet(stream, 0)], error), output)
    copy.copy_until(1e9, shift=Fraction(0))
    assert output.packets == [("copy of 1", 0, 0)]
    (warning,) = copy.warnings
    assert warning.startswith("audio ends early: the source is damaged (")
    assert "Invalid data found" in warning


@pytest.mark.parametrize("streams", [[], [sound(1, codec="pcm_u8")]])
def test_without_audio_nothing_is_read(streams):
    source = Source(streams, [])
    copy = AudioCopy(source, Output())
    assert copy.start_seconds is None
    copy.copy_until(1e9, shift=Fraction(0))
    assert source.demuxed == []


def test_no_source_is_silent():
    with open_audio(None, Output()) as copy:
        assert (copy.start_seconds, copy.warnings) == (None, [])
        copy.copy_until(1e9, shift=Fraction(1))
