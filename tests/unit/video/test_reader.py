"""The door to the readers stays light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tam_video.errors import VideoOpenError
from tam_video.video import Timeline
from tam_video.video.reader import (
    ReadLimits,
    checked_indices,
    checked_path,
    checked_range,
    is_dicom,
)


def test_importing_the_package_loads_no_decoding_library() -> None:
    code = (
        "import sys, tam_video.video, tam_video.samplers;"
        "print(sorted({'av', 'decord', 'cv2', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_timeline_needs_a_flag_for_each_time() -> None:
    with pytest.raises(ValueError, match=r"\[N\]"):
        Timeline(np.zeros(3), np.zeros(2, np.bool_))


def test_ranges_end_with_the_video() -> None:
    assert checked_range(2, None, num_frames=5) == range(2, 5)
    assert checked_range(5, 5, num_frames=5) == range(5, 5)
    for start, stop in ((-1, 2), (3, 2), (0, 6)):
        with pytest.raises(IndexError):
            checked_range(start, stop, num_frames=5)


def test_a_timeline_has_one_axis() -> None:
    with pytest.raises(ValueError, match=r"\[N\]"):
        Timeline(np.zeros((3, 1)), np.zeros((3, 1), np.bool_))
    assert len(Timeline(np.zeros(3), np.zeros(3, np.bool_))) == 3


def test_limits_are_twice_8k_two_days_and_a_week() -> None:
    limits = ReadLimits()
    assert 2 * 7680 * 4320 < limits.max_pixels == 67_108_864
    assert limits.max_frames == 10_000_000
    assert limits.max_seconds == 7 * 24 * 3600


def test_a_file_at_its_limits_is_read_and_one_above_is_not() -> None:
    limits = ReadLimits(max_pixels=50, max_frames=9)
    limits.check("a.mp4", 5, 10, 9)
    with pytest.raises(VideoOpenError, match=r"a\.mp4 declares 3x17 pixels") as caught:
        limits.check("a.mp4", 3, 17, 9)
    assert caught.value.hint == "the limit is 50 pixels per frame"
    with pytest.raises(VideoOpenError, match=r"a\.mp4 declares 10 frames") as caught:
        limits.check("a.mp4", 5, 10, 10)
    assert caught.value.hint == "the limit is 9 frames; cut the video first"


@pytest.mark.parametrize(
    ("data", "is_one"),
    [
        (bytes(128) + b"DICM", True),
        (b"x" * 128 + b"DICM more", True),
        (bytes(127) + b"DICM", False),
        (bytes(129) + b"DICM", False),
        (bytes(128) + b"DICN", False),
        (b"DICM", False),
        (b"", False),
    ],
)
def test_dicom_has_its_prefix_after_128_bytes(tmp_path: Path, data: bytes, is_one: bool) -> None:
    (tmp_path / "a").write_bytes(data)
    assert is_dicom(tmp_path / "a") is is_one
    assert is_dicom(tmp_path / "none") is False
    assert is_dicom(tmp_path) is False


def test_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert checked_path("a.mp4") == tmp_path / "a.mp4"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("none.mp4", "none.mp4 does not exist", "check the path"),
        ("http://h/x.mp4", "http://h/x.mp4 does not exist", "only local files are read"),
        ("folder", "folder is a folder", "pass the path of one video file"),
        ("empty.mp4", "empty.mp4 is empty", "copy or download the file again"),
        ("a\0b", "a file name can't hold a NUL character", "check the path"),
    ],
)
def test_other_paths_are_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str, hint: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.mp4").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VideoOpenError) as caught:
        checked_path(name)
    assert caught.value.message == message
    assert hint in caught.value.hint


def test_frame_numbers_are_integers_in_one_list() -> None:
    checked = checked_indices([4, 0, 4], num_frames=5)
    assert (checked.tolist(), checked.dtype) == ([4, 0, 4], np.int64)
    assert checked_indices(np.array([1], np.uint8), num_frames=2).dtype == np.int64
    for wrong in ([], [[1]], 3):
        with pytest.raises(ValueError, match="non-empty list of frame numbers"):
            checked_indices(wrong, num_frames=5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be integers"):
        checked_indices([1.0], num_frames=5)  # type: ignore[list-item]
    for outside in ([5], [0, -1]):
        with pytest.raises(IndexError, match=r"0\.\.4"):
            checked_indices(outside, num_frames=5)


def test_a_range_outside_the_video_is_named() -> None:
    with pytest.raises(IndexError, match=r"frames 2\.\.6 are not within 0\.\.5"):
        checked_range(2, 6, num_frames=5)
    assert checked_range(0, 5, num_frames=5) == range(5)
