"""What may be opened, which stream is read, and how library errors come out."""

from __future__ import annotations

import inspect
import os
from pathlib import Path

import av
import pytest
from odd_clips import X264, ClipFolder, encode, ffmpeg

from tam_video.errors import TamVideoError, UnknownNameError, VideoDecodeError, VideoOpenError
from tam_video.video import ReadLimits, open_video
from tam_video.video.container import av_errors

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
