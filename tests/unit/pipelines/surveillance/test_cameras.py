"""Inputs sorted into files and cameras."""

import pytest

from tam_video.errors import ConfigError
from tam_video.pipelines.surveillance.cameras import find_cameras, plain_name


def test_the_files_of_a_folder_have_one_camera_and_single_files_their_own(tmp_path):
    for name in ("yard/1.mp4", "yard/2.mp4", "gate.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    cameras = find_cameras([f"{tmp_path}/yard", f"{tmp_path}/*.mp4", f"{tmp_path}/yard/1.mp4"])
    assert [(each.camera, each.path.name) for each in cameras.files] == [
        ("yard", "1.mp4"),
        ("yard", "2.mp4"),
        ("gate", "gate.mp4"),
    ]
    assert all(each.segment is None and each.started is None for each in cameras.files)


def test_names_of_cameras_contain_no_password():
    cameras = find_cameras(["rtsp://u:secret@host/a?key=1", "rtsp://host/a", "udp://@:5000"])
    assert list(cameras.streams) == ["host_a", "host_a-2", "5000"]
    assert cameras.files == ()


def test_a_missing_input_is_an_error_only_if_no_input_exists(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    cameras = find_cameras([f"{tmp_path}/a.mp4", f"{tmp_path}/none"])
    assert list(cameras.failed) == [f"{tmp_path}/none"]
    with pytest.raises(ConfigError, match="does not exist"):
        find_cameras([f"{tmp_path}/none"])


def test_stores_are_refused():
    with pytest.raises(ConfigError, match="neither a file nor"):
        find_cameras(["s3://bucket/a.mp4"])


@pytest.mark.parametrize("text", ["../..", "", "a/b", ".hidden", "é ✓", "x" * 999])
def test_names_are_safe_file_names(text):
    name = plain_name(text)
    assert name
    assert not name.startswith(".")
    assert "/" not in name
    assert len(name) <= 48
