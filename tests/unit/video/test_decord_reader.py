"""When decord may read, and who reads otherwise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from odd_clips import ClipFolder, read_number

from tam_video.errors import VideoDecodeError, VideoOpenError
from tam_video.types import ByteArray
from tam_video.video import open_video
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
