import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

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


def test_the_fingerprint_is_that_of_the_size_and_both_ends():
    for size in (1, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 5):
        data = np.random.default_rng(size).bytes(size)
        parts = str(size).encode() + data[:MIB] + data[max(MIB, size - MIB) :]
        read = fingerprint_of(size, lambda start, end, data=data: data[start:end])
        assert read == hashlib.sha256(parts).hexdigest()


def test_the_same_file_with_other_times_needs_permission_and_has_a_warning(explained):
    shifted = explained.pts_seconds + np.linspace(0, COPY_SECONDS / 2, len(explained.pts_seconds))
    (warning,) = check_source(replace(explained, pts_seconds=shifted), allow_other=True).warnings
    assert warning == f"{SAMPLE.name} is not the file that was explained"


def test_tolerances_are_a_microsecond_and_two_milliseconds():
    assert (SAME_SECONDS, COPY_SECONDS) == (1e-6, 2e-3)


def test_no_videos_at_all_mean_the_explained_ones():
    assert moved_videos((), 3) == [None, None, None]
    assert moved_videos(["a.mp4", SAMPLE], 2) == [Path("a.mp4"), SAMPLE]


def test_permission_holds_for_every_input(explained, other_film):
    with pytest.raises(RunFolderError):
        check_sources([explained], other_film)
    (source,) = check_sources([explained], other_film, allow_other=True)
    assert source.warnings


def test_the_times_of_all_frames_are_returned(explained, other_film):
    with open_video(SAMPLE) as reader:
        times = reader.timeline.pts_seconds
    for source in (
        check_source(explained),
        check_source(replace(explained, fingerprint=None)),
        check_source(explained, other_film, allow_other=True),
    ):
        np.testing.assert_allclose(source.frame_seconds, times, atol=1e-4)
