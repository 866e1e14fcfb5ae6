"""When decord may read, and who reads otherwise."""

from __future__ import annotations

import pytest
from odd_clips import ClipFolder, read_number

from tam_video.errors import VideoDecodeError, VideoOpenError
from tam_video.video import open_video
from tam_video.video.decord_reader import decord_errors


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
