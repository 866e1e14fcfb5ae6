"""Frames in another size: beside reading them whole and resizing them afterwards."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from odd_clips import ClipFolder, read_number

from tam_video.video import open_video
from tam_video.video.reader import ScalingReader, VideoReader, read_scaled


class Unscaling:
    """A reader without a way to scale."""

    def __init__(self, reader: VideoReader) -> None:
        self.info, self.timeline, self.read = reader.info, reader.timeline, reader.read


@pytest.mark.parametrize(
    "name", ["h264_b", "rot90", "rot270", "vp9", "odd_444", "odd_vp9", "mirrored_rot90"]
)
@pytest.mark.parametrize("can_scale", [True, False])
def test_frames_are_those_of_the_source_made_smaller(
    name: str, can_scale: bool, clips: ClipFolder
) -> None:
    with open_video(clips.path(name)) as video:
        assert isinstance(video, ScalingReader)
        height, width = 2 * video.info.height // 3, video.info.width // 2
        reader = video if can_scale else Unscaling(video)
        batch = read_scaled(reader, [30, 3, 3], height=height, width=width)
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
        same = read_scaled(video, [5], **size).frames
        assert np.abs(same.astype(float) - video.read([5]).frames).mean() < 2


def test_frames_that_are_not_there_are_refused(clips: ClipFolder) -> None:
    with open_video(clips.path("h264_b")) as video:
        for reader in (video, Unscaling(video)):
            with pytest.raises(IndexError):
                read_scaled(reader, [999], height=40, width=40)
