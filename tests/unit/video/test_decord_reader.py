"""When decord may read, and who reads otherwise."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from odd_clips import ClipFolder, read_number

from tam_video.errors import MissingDependencyError, VideoDecodeError, VideoOpenError
from tam_video.types import ByteArray
from tam_video.video import decord_reader, open_video
from tam_video.video.decord_reader import DecordReader, decord_errors


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("edit_list", "counts 48 frames instead of 38"),
        ("start5_mp4", "other frame times"),
        ("mirrored_rot90", "mirrored"),
    ],
)
def test_disagreement_makes_pyav_read(name: str, words: str, clips: ClipFolder) -> None:
    with open_video(clips.path(name), reader="decord") as video:
        assert any(words in warning for warning in video.warnings)


def test_ordinary_files_are_read_by_decord_itself(clips: ClipFolder) -> None:
    with open_video(clips.path("hevc"), reader="decord") as video:
        assert video.warnings == ()
        assert read_number(video.read([43]).frames[0]) == 43


def test_library_errors_become_ours(clips: ClipFolder) -> None:
    from decord import DECORDError

    path = clips.path("h264_b")
    with pytest.raises(VideoOpenError, match=r"h264_b\.mp4"), decord_errors(path):
        raise DECORDError("broken")
    with pytest.raises(VideoDecodeError) as caught, decord_errors(path, frame_index=3):
        raise RuntimeError("broken")
    assert caught.value.frame_index == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rgb: rgb[:-2], "another frame size"),
        (lambda rgb: np.pad(rgb, ((0, 2), (0, 0), (0, 0))), "another frame size"),
        (lambda rgb: np.where(rgb < 128, rgb + 2, rgb - 2).astype(np.uint8), ""),
        (lambda rgb: np.where(rgb < 128, rgb + 3, rgb - 3).astype(np.uint8), "another first frame"),
    ],
)
def test_a_first_frame_that_differs_makes_pyav_read(
    change: Callable[[ByteArray], ByteArray], words: str, clips: ClipFolder, monkeypatch
) -> None:
    path = clips.path("hevc")
    with open_video(path) as video:
        first = change(video.read([0]).frames[0])
    monkeypatch.setattr(DecordReader, "_forward", lambda self, _: iter([(0, first)]))
    with open_video(path, reader="decord") as video:
        assert [words in warning for warning in video.warnings] == [True] * bool(words)


class Other:
    """A clip as decord sees it: the times of its frames, moved by some part of a frame."""

    def __init__(self, path: Path, *, moved: float = 0.0, fewer: int = 0) -> None:
        with open_video(path) as video:
            self.times = video.timeline.pts_seconds[: len(video.timeline) - fewer].copy()
        self.times[-1] += moved

    def __len__(self) -> int:
        return len(self.times)

    def get_frame_timestamp(self, indices: range) -> list[tuple[float, float]]:
        return [(float(self.times[index]), 99.0) for index in indices]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, []),
        ({"moved": 0.0099}, []),
        ({"moved": -0.0099}, []),
        ({"moved": 0.0101}, ["decord gives other frame times: PyAV reads the file instead"]),
        ({"moved": -0.0101}, ["decord gives other frame times: PyAV reads the file instead"]),
        (
            {"fewer": 1},
            ["decord counts 47 frames instead of 48: PyAV reads the file instead"],
        ),
    ],
)
def test_times_may_differ_by_a_quarter_of_a_frame(
    facts: dict[str, Any], words: list[str], clips: ClipFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clips.path("hevc")
    with open_video(path) as video:
        first = video.read([0]).frames[0]
    monkeypatch.setattr(decord_reader, "_open", lambda path: Other(path, **facts))
    monkeypatch.setattr(DecordReader, "_forward", lambda self, _: iter([(0, first)]))
    with open_video(path, reader="decord") as video:
        assert list(video.warnings) == words


@pytest.mark.parametrize(("name", "quarter"), [("one_frame", 0.25), ("two_frames", 0.01)])
def test_a_single_frame_may_differ_by_a_quarter_of_a_second(
    name: str, quarter: float, clips: ClipFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clips.path(name)
    with open_video(path) as video:
        first = video.read([0]).frames[0]
    monkeypatch.setattr(DecordReader, "_forward", lambda self, _: iter([(0, first)]))
    for moved, num_warnings in ((0.96 * quarter, 0), (1.04 * quarter, 1)):
        monkeypatch.setattr(decord_reader, "_open", lambda path, m=moved: Other(path, moved=m))
        with open_video(path, reader="decord") as video:
            assert len(video.warnings) == num_warnings


@pytest.mark.parametrize(
    ("name", "feature"),
    [
        ("av1", "AV1"),
        ("gif", "GIF"),
        ("mpegts", "mpegts"),
        ("h264_b_avi", "files without reliable frame times"),
    ],
)
def test_the_message_names_what_decord_gets_wrong(
    name: str, feature: str, clips: ClipFolder
) -> None:
    path = clips.path(name)
    with pytest.raises(VideoOpenError) as caught:
        open_video(path, reader="decord")
    assert caught.value.message == f"{path.name}: decord is not reliable for {feature}"
    assert caught.value.hint == "read it with --reader pyav"


def test_frames_are_decoded_once_from_the_start(
    clips: ClipFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counted:
        """Frames that hold their number; it counts what it decodes."""

        num_decoded = 0

        def next(self) -> Any:
            frame = np.full((2, 2, 3), Counted.num_decoded, np.uint8)
            Counted.num_decoded += 1
            return SimpleNamespace(asnumpy=lambda: frame)

    with open_video(clips.path("hevc"), reader="decord") as video:
        assert isinstance(video, DecordReader)
        monkeypatch.setattr(decord_reader, "_open", lambda path: Counted())
        values = [(index, int(rgb.max())) for index, rgb in video._forward([0, 1, 5, 9])]
    assert values == [(0, 0), (1, 1), (5, 5), (9, 9)]
    assert Counted.num_decoded == 10


def test_a_frame_that_decord_cannot_decode_is_named(
    clips: ClipFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ending:
        num_left = 4

        def next(self) -> Any:
            if not Ending.num_left:
                raise StopIteration
            Ending.num_left -= 1
            return SimpleNamespace(asnumpy=lambda: np.zeros((120, 160, 3), np.uint8))

    with open_video(clips.path("hevc"), reader="decord") as video:
        monkeypatch.setattr(decord_reader, "_open", lambda path: Ending())
        with pytest.raises(VideoDecodeError, match="decord can't decode frame 6") as caught:
            video.read([3, 6])
    assert caught.value.frame_index == 6


def test_closing_closes_both_readers(clips: ClipFolder) -> None:
    with open_video(clips.path("mirrored_rot90"), reader="decord") as video:
        assert isinstance(video, DecordReader)
        inner = video._pyav
        video.read([0])
    for reader in (video, inner):
        with pytest.raises(ValueError, match="closed"):
            reader.read([0])


def test_warnings_of_pyav_follow(clips: ClipFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_video(clips.path("mirrored_rot90"), reader="decord") as video:
        assert isinstance(video, DecordReader)
        video._pyav._warn("a page is missing")
        assert video.warnings == (
            "decord ignores that the frames are mirrored: PyAV reads the file instead",
            "a page is missing",
        )
        assert np.array_equal(video.read([7]).frames, video._pyav.read([7]).frames)


def test_without_decord_the_error_says_how_to_get_it(
    clips: ClipFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "decord", None)
    with pytest.raises(MissingDependencyError, match="the decord reader needs decord") as caught:
        open_video(clips.path("hevc"), reader="decord")
    assert "decord" in caught.value.hint
