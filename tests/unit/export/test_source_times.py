from dataclasses import replace

import numpy as np
import pytest
from constructed import make_explanation, moving_maps, with_input

from tam_video.errors import RunFolderError, VideoOpenError
from tam_video.export.source_times import source_frame_seconds
from tam_video.video.reader import open_video
from tam_video.video.source import file_fingerprint


def explained(path):
    """Every fourth frame of a clip was sampled."""
    with open_video(path) as video:
        info, times = video.info, video.timeline.pts_seconds
    indices = np.arange(0, 48, 4)
    seen = make_explanation(moving_maps(), info=info)
    fingerprint = file_fingerprint(path)
    return with_input(
        seen, indices=indices, pts_seconds=times[indices], fingerprint=fingerprint
    ), times


@pytest.mark.parametrize("name", ["vfr_mp4", "start5_mp4", "rot90"])
def test_times_are_read_from_the_file(clips, name):
    seen, times = explained(clips.path(name))
    found = source_frame_seconds(seen)
    assert np.array_equal(found.frame_seconds, times)
    assert found.warnings == ()


def test_without_the_file_times_are_estimated_and_it_is_said(clips, tmp_path):
    seen, times = explained(clips.path("vfr_mp4"))
    gone = with_input(seen, info=replace(seen.info, path=tmp_path / "gone.mp4"))
    found = source_frame_seconds(gone)
    assert "can't be read" in found.warnings[0]
    assert np.array_equal(found.frame_seconds[seen.indices], seen.pts_seconds)
    # Within the gaps of this clip of a variable rate a frame is off by its own irregularity.
    assert np.abs(found.frame_seconds - times).max() < 0.045
    assert np.array_equal(source_frame_seconds(gone, seen.info.path).frame_seconds, times)


def test_another_video_in_its_place_is_not_believed(clips):
    seen, _ = explained(clips.path("vfr_mp4"))
    other = clips.path("h264_b")
    moved = with_input(seen, info=replace(seen.info, path=other))
    assert "another video now" in source_frame_seconds(moved).warnings[0]
    with pytest.raises(RunFolderError, match="frames differ"):
        source_frame_seconds(seen, other)
    with pytest.raises(VideoOpenError):
        source_frame_seconds(seen, other.with_name("gone.mp4"))
