"""Frames in another size: beside reading them whole and resizing them afterwards."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from odd_clips import ClipFolder, read_number

from tam_video.types import FrameBatch
from tam_video.video import open_video
from tam_video.video.av_reader import PyAvReader
from tam_video.video.reader import VideoReader


def read_scaled(video: VideoReader, indices: list[int], *, by: str, **size: int) -> FrameBatch:
    """Frames scaled by the PyAV reader, or one by one as any other reader scales them."""
    kind = PyAvReader if by == "swscale" else VideoReader
    return kind.read_scaled(video, indices, **size)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["h264_b", "rot90", "rot270", "vp9", "odd_444", "odd_vp9", "mirrored_rot90"]
)
@pytest.mark.parametrize("by", ["swscale", "cv2"])
def test_frames_are_those_of_the_source_made_smaller(name: str, by: str, clips: ClipFolder) -> None:
    with open_video(clips.path(name)) as video:
        assert isinstance(video, PyAvReader)
        height, width = 2 * video.info.height // 3, video.info.width // 2
        batch = read_scaled(video, [30, 3, 3], by=by, height=height, width=width)
        whole = video.read([30, 3, 3])
    assert batch.frames.shape == (3, height, width, 3)
    assert batch.frames.dtype == np.uint8
    assert [read_number(frame) for frame in batch.frames] == [30, 3, 3]
    np.testing.assert_array_equal(batch.indices, whole.indices)
    np.testing.assert_array_equal(batch.pts_seconds, whole.pts_seconds)
    assert batch.info == whole.info
    for small, large in zip(batch.frames, whole.frames, strict=True):
        slow = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
        assert np.abs(small.astype(float) - slow).mean() < 4


def test_the_own_size_changes_next_to_nothing(clips: ClipFolder) -> None:
    with open_video(clips.path("h264_b")) as video:
        size = {"height": video.info.height, "width": video.info.width}
        same = video.read_scaled([5], **size).frames
        assert np.abs(same.astype(float) - video.read([5]).frames).mean() < 2


def test_frames_that_are_not_there_are_refused(clips: ClipFolder) -> None:
    with open_video(clips.path("h264_b")) as video:
        for by in ("swscale", "cv2"):
            with pytest.raises(IndexError):
                read_scaled(video, [999], by=by, height=40, width=40)
