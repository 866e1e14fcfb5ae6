"""What may be opened, which stream is read, and how library errors come out."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from odd_clips import X264, ClipFolder, encode, ffmpeg

from tam_video.errors import (
    NoVideoStreamError,
    TamVideoError,
    UnknownNameError,
    VideoDecodeError,
    VideoOpenError,
)
from tam_video.video import ReadLimits, open_video
from tam_video.video import container as container_module
from tam_video.video.container import NEVER, av_errors, frame_rate, list_packets, open_stream

AV_ERRORS = [
    kind
    for _, kind in inspect.getmembers(av.error, inspect.isclass)
    if issubclass(kind, av.FFmpegError)
]


@pytest.mark.parametrize("kind", AV_ERRORS)
@pytest.mark.parametrize(("opening", "ours"), [(True, VideoOpenError), (False, VideoDecodeError)])
def test_every_error_of_the_library_becomes_ours(
    kind: type[av.FFmpegError], opening: bool, ours: type[TamVideoError]
) -> None:
    with pytest.raises(ours) as caught, av_errors(Path("clip.mp4"), opening=opening):
        raise kind(1, "it broke", "clip.mp4")
    assert "clip.mp4" in caught.value.message
    assert caught.value.hint
    assert isinstance(caught.value.__cause__, kind)


def test_too_many_pixels_are_refused_before_decoding(clips: ClipFolder) -> None:
    with pytest.raises(VideoOpenError, match=r"160x120|pixels|opened"):
        open_video(clips.path("h264_b"), limits=ReadLimits(max_pixels=160 * 120 - 1))
    with open_video(clips.path("h264_b"), limits=ReadLimits(max_pixels=160 * 120)) as video:
        assert video.info.num_frames == 48


def test_too_many_frames_are_refused(clips: ClipFolder) -> None:
    with pytest.raises(VideoOpenError, match="declares 48 frames"):
        open_video(clips.path("h264_b"), limits=ReadLimits(max_frames=47))


@pytest.mark.parametrize("address", ["http://example.invalid/a.mp4", "rtsp://host/x", "file:///x"])
def test_addresses_are_never_fetched(address: str) -> None:
    with pytest.raises(VideoOpenError) as caught:
        open_video(address)
    assert "local files" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["-", "pipe:0", "concat:a.mp4|b.mp4", "-i", "subfile:,,:x", "a\0b"]
)
def test_odd_names_are_only_ever_file_names(name: str) -> None:
    with pytest.raises(VideoOpenError):
        open_video(name)


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoOpenError, match="regular file"):
        open_video(tmp_path / "pipe.mp4")


def test_unknown_reader_names_are_reported(clips: ClipFolder) -> None:
    with pytest.raises(UnknownNameError) as caught:
        open_video(clips.path("h264_b"), reader="decrod")
    assert "decord" in caught.value.hint


def test_the_largest_stream_is_read_where_none_is_the_default(tmp_path: Path) -> None:
    encode(tmp_path / "small.mp4", *X264, numbers=range(3))
    encode(tmp_path / "large.mp4", *X264, numbers=range(5), width=192, height=144)
    inputs = ("-i", tmp_path / "small.mp4", "-i", tmp_path / "large.mp4")
    keep = ("-map", "0:v", "-map", "1:v", "-c", "copy", "-disposition:v:0", "0")
    ffmpeg(*inputs, *keep, "-disposition:v:1", "0", tmp_path / "both.mkv")
    with open_video(tmp_path / "both.mkv") as video:
        assert (video.info.width, video.info.num_frames) == (192, 5)


def test_the_limit_of_frames_is_kept_where_the_file_does_not_declare_them(
    clips: ClipFolder,
) -> None:
    path = clips.path("mpegts")  # declares no number of frames
    with pytest.raises(VideoOpenError, match="has more than 47 frames"):
        open_video(path, limits=ReadLimits(max_frames=47))
    with open_video(path, limits=ReadLimits(max_frames=48)) as video:
        assert video.info.num_frames == 48


@pytest.mark.parametrize(("max_seconds", "is_read"), [(1.88, True), (1.87, False)])
def test_the_limit_of_the_length_is_from_the_first_to_the_last_frame(
    max_seconds: float, is_read: bool, clips: ClipFolder
) -> None:
    path, limits = clips.path("start5_mp4"), ReadLimits(max_seconds=max_seconds)
    if is_read:
        with open_video(path, limits=limits) as video:
            assert video.info.num_frames == 48
    else:
        with pytest.raises(VideoOpenError, match="lasts 2 seconds") as caught:
            open_video(path, limits=limits)
        assert caught.value.hint == "the limit is 1.87 seconds; cut the video first"


@pytest.mark.parametrize(
    ("declared", "num_frames", "seconds", "expected"),
    [
        (Fraction(25), 50, Fraction(2), Fraction(25)),
        (Fraction(2001, 80), 50, Fraction(2), Fraction(2001, 80)),  # 1 / 2000 above
        (Fraction(1999, 80), 50, Fraction(2), Fraction(1999, 80)),
        (Fraction(2002, 80), 50, Fraction(2), Fraction(25)),
        (Fraction(1998, 80), 50, Fraction(2), Fraction(25)),
        (None, 7, Fraction(2), Fraction(7, 2)),
        (Fraction(30), 1, Fraction(0), Fraction(30)),
        (None, 1, Fraction(0), Fraction(25)),
    ],
)
def test_the_declared_rate_is_used_if_it_is_near_the_measured_one(
    declared: Fraction | None, num_frames: int, seconds: Fraction, expected: Fraction
) -> None:
    for names in (("average_rate", "guessed_rate"), ("guessed_rate", "average_rate")):
        stream: Any = SimpleNamespace(**{names[0]: declared, names[1]: None})
        assert frame_rate(stream, num_frames=num_frames, seconds=seconds) == expected


def test_the_average_rate_goes_before_the_guessed_one() -> None:
    stream: Any = SimpleNamespace(average_rate=Fraction(24), guessed_rate=Fraction(50))
    assert frame_rate(stream, num_frames=1, seconds=Fraction(0)) == 24


def test_packets_are_listed_again_only_after_a_change(tmp_path: Path, clips: ClipFolder) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(clips.path("h264_b").read_bytes())
    limits = ReadLimits()
    first = list_packets(path, limits=limits)
    assert list_packets(path, limits=limits) is first
    path.write_bytes(clips.path("two_frames").read_bytes())
    assert len(list_packets(path, limits=limits).pts) == 2
    assert len(first.pts) == 48


def test_the_table_lists_packets_in_decoding_order(clips: ClipFolder) -> None:
    path = clips.path("h264_b")
    table = list_packets(path, limits=ReadLimits())
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    assert table.pts.tolist() == [p.pts for p in packets]
    assert table.sizes.tolist() == [p.size for p in packets]
    assert table.durations.tolist() == [p.duration for p in packets]
    assert np.flatnonzero(table.is_keyframe).tolist() == [0, 24]
    assert table.is_shown.all()
    assert (table.has_times, table.is_cut) == (True, False)
    assert NEVER == -(2**63)


def packet(pts: int | None, dts: int | None = None, **facts: Any) -> SimpleNamespace:
    given = {"size": 5, "duration": 1, "is_keyframe": pts == 0, "is_discard": False}
    given |= {"is_corrupt": False, "content": b"\x10"}
    made = type("Packet", (SimpleNamespace,), {"__bytes__": lambda self: self.content})
    return made(pts=pts, dts=pts if dts is None else dts, **given | facts)  # type: ignore[no-any-return]


def listed(
    monkeypatch: pytest.MonkeyPatch,
    *packets: Any,
    codec: str = "h264",
    format_name: str = "mov",
    error: Exception | None = None,
    limits: ReadLimits | None = None,
) -> container_module.PacketTable:
    """The table of packets that are written down."""

    def demux(_: Any) -> Iterator[Any]:
        yield from packets
        if error is not None:
            raise error

    opened = SimpleNamespace(demux=demux, format=SimpleNamespace(name=format_name))
    stream = SimpleNamespace(codec_context=SimpleNamespace(name=codec), time_base=Fraction(1, 10))
    monkeypatch.setattr(
        container_module, "open_stream", lambda *_args, **_options: nullcontext((opened, stream))
    )
    container_module._packets.cache_clear()
    try:
        return list_packets(Path(__file__), limits=limits or ReadLimits())
    finally:
        container_module._packets.cache_clear()


def test_empty_packets_and_a_truncated_last_one_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = listed(monkeypatch, packet(0), packet(1, size=0), packet(2), packet(3, is_corrupt=True))
    assert table.pts.tolist() == [0, 2]
    assert table.is_cut
    table = listed(monkeypatch, packet(0), packet(1, is_corrupt=True), packet(2))
    assert table.pts.tolist() == [0, 1, 2]  # the decoder judges damage inside
    assert not table.is_cut


def test_hidden_packets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    table = listed(monkeypatch, packet(0), packet(1, is_discard=True), packet(2))
    assert table.is_shown.tolist() == [True, False, True]
    assert table.has_times


@pytest.mark.parametrize(("first_byte", "is_shown"), [(0x10, True), (0x31, True), (0x0F, False)])
def test_vp8_packets_say_whether_they_are_shown(
    monkeypatch: pytest.MonkeyPatch, first_byte: int, is_shown: bool
) -> None:
    facts = {"content": bytes([first_byte, 0xEF if is_shown else 0xFF])}
    table = listed(monkeypatch, packet(0), packet(1, **facts), codec="vp8")
    assert table.is_shown.tolist() == [True, is_shown]
    assert listed(monkeypatch, packet(0), packet(1, **facts), codec="vp9").is_shown.all()


@pytest.mark.parametrize(
    ("packets", "format_name", "has_times"),
    [
        ([packet(0), packet(2, 1), packet(1, 2)], "mov", True),
        ([packet(0), packet(2, 1), packet(1, 2)], "avi", False),
        ([packet(0), packet(1), packet(2)], "avi", True),
        ([packet(0), packet(1), packet(1)], "mov", False),
        ([packet(0), packet(None), packet(2)], "mov", False),
        ([packet(0), packet(None, is_discard=True), packet(2)], "mov", True),
        ([packet(0), packet(2, is_discard=True), packet(2)], "mov", True),
        ([packet(1), packet(0)], "mov", False),  # the first is no keyframe
    ],
)
def test_times_are_used_if_they_are_stored_and_distinct(
    monkeypatch: pytest.MonkeyPatch, packets: list[Any], format_name: str, has_times: bool
) -> None:
    table = listed(monkeypatch, *packets, format_name=format_name)
    assert table.has_times is has_times
    assert table.pts.tolist() == [NEVER if p.pts is None else p.pts for p in packets]


def test_a_missing_duration_is_0(monkeypatch: pytest.MonkeyPatch) -> None:
    table = listed(monkeypatch, packet(0, duration=None), packet(1, duration=3))
    assert table.durations.tolist() == [0, 3]


def test_a_file_is_read_up_to_the_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    error = av.error.InvalidDataError(1, "damaged")
    assert listed(monkeypatch, packet(0), packet(1), error=error).pts.tolist() == [0, 1]
    with pytest.raises(NoVideoStreamError, match="has no frames") as caught:
        listed(monkeypatch, error=error)
    assert caught.value.hint == "the file may be truncated"
    with pytest.raises(NoVideoStreamError, match="has no frames"):
        listed(monkeypatch, packet(0, is_discard=True))


def test_a_stream_that_appears_in_the_middle_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VideoDecodeError, match="a new stream starts in the middle") as caught:
        listed(monkeypatch, packet(0), error=IndexError("tuple index out of range"))
    assert "re-encode" in caught.value.hint


def test_packets_without_times_have_no_length(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = ReadLimits(max_seconds=0.3)
    assert not listed(monkeypatch, packet(None), limits=limits).has_times
    listed(monkeypatch, packet(0), packet(None), packet(3), limits=limits)
    with pytest.raises(VideoOpenError, match="lasts 0 seconds"):
        listed(monkeypatch, packet(4), packet(0), packet(2), limits=limits)


NOTHING = Disposition(0)


def stream_of(
    width: int, height: int, *, index: int, flags: Disposition = NOTHING
) -> SimpleNamespace:
    return SimpleNamespace(width=width, height=height, index=index, disposition=flags)


def chosen(*streams: Any, format_name: str = "mov") -> Any:
    opened: Any = SimpleNamespace(
        streams=SimpleNamespace(video=list(streams)), format=SimpleNamespace(name=format_name)
    )
    return container_module._best_stream(opened, Path("a.mov"))


def test_the_default_stream_goes_before_the_largest_and_the_first_of_equal_ones() -> None:
    small, large, equal = (
        stream_of(8, 8, index=0),
        stream_of(20, 10, index=1),
        stream_of(10, 20, index=2),
    )
    assert chosen(small, large, equal) is large
    assert chosen(small, equal, large) is large
    assert chosen(stream_of(8, 8, index=0, flags=Disposition.default), large).index == 0
    assert chosen(stream_of(0, 8, index=0), stream_of(8, 0, index=1), small) is small


@pytest.mark.parametrize(
    "flag", [Disposition.attached_pic, Disposition.timed_thumbnails, Disposition.still_image]
)
def test_pictures_beside_a_film_are_no_film(flag: Disposition) -> None:
    cover, film = stream_of(99, 99, index=0, flags=flag), stream_of(8, 8, index=1)
    assert chosen(cover, film) is film
    with pytest.raises(NoVideoStreamError, match=r"a\.mov has no video stream"):
        chosen(cover)


def test_a_stream_without_a_decoder_is_named_as_such() -> None:
    with pytest.raises(NoVideoStreamError, match="a video stream that can't be decoded") as caught:
        chosen(SimpleNamespace(disposition=Disposition(0)))
    assert caught.value.hint == "use a playable video file"
    with pytest.raises(NoVideoStreamError) as caught:
        chosen(stream_of(0, 0, index=0), format_name="webp_pipe")
    assert "animated WebP" in caught.value.hint


def test_an_error_without_a_text_is_named_by_its_kind() -> None:
    with pytest.raises(VideoDecodeError, match="PermissionError"), av_errors(Path("a.mp4")):
        raise PermissionError
    with pytest.raises(ZeroDivisionError), av_errors(Path("a.mp4")):
        raise ZeroDivisionError


def test_frames_are_decoded_by_as_many_threads_as_wanted(clips: ClipFolder) -> None:
    for options, count in (({}, 1), ({"threads": 3}, 3)):
        with open_stream(clips.path("h264_b"), limits=ReadLimits(), **options) as (opened, stream):
            assert stream.codec_context.thread_count == count
            assert stream.codec_context.thread_type.name == "AUTO"
            assert opened.format.name.startswith("mov")
