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
    explanation = make_explanation(moving_maps(), info=info)
    fingerprint = file_fingerprint(path)
    return with_input(
        explanation, indices=indices, pts_seconds=times[indices], fingerprint=fingerprint
    ), times


@pytest.mark.parametrize("name", ["vfr_mp4", "start5_mp4", "rot90"])
def test_times_are_read_from_the_file(clips, name):
    explanation, times = explained(clips.path(name))
    source = source_frame_seconds(explanation)
    assert np.array_equal(source.frame_seconds, times)
    assert source.warnings == ()


def test_without_the_file_times_are_estimated_with_a_warning(clips, tmp_path):
    explanation, times = explained(clips.path("vfr_mp4"))
    gone = with_input(explanation, info=replace(explanation.info, path=tmp_path / "gone.mp4"))
    source = source_frame_seconds(gone)
    assert "can't be read" in source.warnings[0]
    assert np.array_equal(source.frame_seconds[explanation.indices], explanation.pts_seconds)
    # Within the gaps of this clip of a variable rate a frame is off by its own irregularity.
    assert np.abs(source.frame_seconds - times).max() < 0.045
    assert np.array_equal(source_frame_seconds(gone, explanation.info.path).frame_seconds, times)


def test_times_of_another_video_at_the_path_are_not_used(clips):
    explanation, _ = explained(clips.path("vfr_mp4"))
    other = clips.path("h264_b")
    moved = with_input(explanation, info=replace(explanation.info, path=other))
    assert "another video now" in source_frame_seconds(moved).warnings[0]
    with pytest.raises(RunFolderError, match="frames differ"):
        source_frame_seconds(explanation, other)
    with pytest.raises(VideoOpenError):
        source_frame_seconds(explanation, other.with_name("gone.mp4"))
