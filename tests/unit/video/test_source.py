import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_runs import SAMPLE, make_explanation

from tam_video.errors import ConfigError, RunFolderError, VideoOpenError
from tam_video.video.reader import open_video
from tam_video.video.source import (
    COPY_SECONDS,
    SAME_SECONDS,
    check_source,
    check_sources,
    file_fingerprint,
    fingerprint_of,
    moved_videos,
)
from tam_video.video.writer import write_video

MIB = 1 << 20


@pytest.fixture(scope="module")
def explained():
    return make_explanation().inputs[0]


def write_film(path, *, changed=lambda rgb: rgb, delay_seconds=0.0):
    """The sample with changed frames at the same times."""
    with open_video(SAMPLE) as reader:
        frames = [
            (frame.pts_seconds + delay_seconds * (frame.index > 0), changed(frame.rgb))
            for frame in reader.frames(0, None)
        ]
        info = reader.info
    write_video(
        path, iter(frames), width=info.width, height=info.height, average_fps=info.average_fps
    )
    return path


@pytest.fixture(scope="module")
def other_film(tmp_path_factory):
    """Another film with the same number of frames, size and times."""
    path = tmp_path_factory.mktemp("films") / "other.mp4"
    return write_film(path, changed=lambda rgb: 255 - rgb[:, ::-1])


def test_the_explained_file_is_accepted_wherever_it_is(explained, tmp_path):
    source = check_source(explained)
    assert (source.path, source.warnings) == (SAMPLE, ())
    assert len(source.frame_seconds) == explained.info.num_frames
    copy = shutil.copy(SAMPLE, tmp_path / "renamed.mp4")
    assert check_source(explained, copy).warnings == ()


def test_another_film_of_equal_length_is_refused(explained, other_film):
    with pytest.raises(RunFolderError, match="is not the video that was explained") as caught:
        check_source(explained, other_film)
    assert caught.value.exit_code == 1
    assert "--allow-other-video" in caught.value.hint


def test_another_film_is_accepted_with_permission_and_a_warning(explained, other_film):
    source = check_source(explained, other_film, allow_other=True)
    assert source.warnings == ("other.mp4 is not the file that was explained",)


@pytest.mark.parametrize("allow_other", [False, True])
def test_another_number_or_size_of_frames_is_always_refused(clips, explained, allow_other):
    with pytest.raises(RunFolderError, match="its frames differ"):
        check_source(explained, clips.path("h264_b"), allow_other=allow_other)


def test_a_missing_file_is_an_input_error(explained):
    with pytest.raises(VideoOpenError):
        check_source(explained, SAMPLE.with_name("none.mp4"))


def test_a_run_without_a_fingerprint_is_compared_by_its_frames(explained, other_film):
    old = replace(explained, fingerprint=None)
    for path in (SAMPLE, other_film):
        (warning,) = check_source(old, path).warnings
        assert "stores no fingerprint" in warning


@pytest.mark.parametrize(
    ("shift", "allow_other", "is_accepted"),
    [
        (0.5 * SAME_SECONDS, False, True),
        (2 * SAME_SECONDS, False, False),
        (0.5 * COPY_SECONDS, True, True),
        (2 * COPY_SECONDS, True, False),
    ],
)
def test_times_have_one_tolerance(explained, shift, allow_other, is_accepted):
    shifted = explained.pts_seconds + np.linspace(0, shift, len(explained.pts_seconds))
    moved = replace(explained, pts_seconds=shifted)
    if is_accepted:
        assert check_source(moved, allow_other=allow_other).path == SAMPLE
    else:
        with pytest.raises(RunFolderError, match="its frames differ"):
            check_source(moved, allow_other=allow_other)


def test_every_input_needs_its_video(explained):
    assert moved_videos(None, 2) == [None, None]
    assert moved_videos(str(SAMPLE), 1) == [SAMPLE]
    with pytest.raises(ConfigError, match="1 videos are given, but there are 2 inputs"):
        moved_videos(SAMPLE, 2)
    sources = check_sources([explained, explained], [SAMPLE, SAMPLE])
    assert [source.path for source in sources] == [SAMPLE, SAMPLE]


@given(
    size=st.integers(1, 4 * MIB),
    place=st.floats(0, 1),
)
def test_a_fingerprint_depends_on_the_size_and_both_ends(size, place):
    def fingerprint(data):
        return fingerprint_of(len(data), lambda start, end: bytes(data[start:end]))

    data, at = bytearray(size), int(place * (size - 1))
    before = fingerprint(data)
    assert fingerprint(data) == before
    assert fingerprint(data + b"\0") != before
    data[at] = 1
    is_read = at < MIB or at >= size - MIB
    assert (fingerprint(data) != before) == is_read


def test_a_file_has_the_fingerprint_of_its_bytes(tmp_path):
    data = bytes(range(256)) * 12000
    (tmp_path / "v").write_bytes(data)
    expected = fingerprint_of(len(data), lambda start, end: data[start:end])
    assert file_fingerprint(tmp_path / "v") == expected
