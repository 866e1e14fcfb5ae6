"""Clips of folders, globs and stores; those of local folders as items are in test_items."""

from __future__ import annotations

import pytest

from tam_video.batch.clips import SUFFIXES, find_clips, has_clip_suffix
from tam_video.errors import ConfigError, VideoOpenError


@pytest.fixture
def system():
    """The file system `memory://`."""
    import fsspec

    system = fsspec.filesystem("memory")
    system.store.clear()
    for name in ("b/in/b.mp4", "b/in/a.MKV", "b/in/sub/c.png", "b/in/notes.txt", "b/other.mp4"):
        system.pipe_file(f"/{name}", b"x")
    yield system
    system.store.clear()


def test_clips_of_a_store_are_those_below_the_prefix(system):
    inside = [("a.MKV", "memory:///b/in/a.MKV"), ("b.mp4", "memory:///b/in/b.mp4")]
    inside.append(("sub/c.png", "memory:///b/in/sub/c.png"))
    assert find_clips("memory://b/in") == inside
    assert find_clips("memory://b/in/") == inside


def test_a_glob_in_a_store_and_a_single_object(system):
    assert find_clips("memory://b/in/*.mp4") == [("/b/in/b.mp4", "memory:///b/in/b.mp4")]
    assert find_clips("memory://b/in/b.mp4") == [("/b/in/b.mp4", "memory:///b/in/b.mp4")]
    for nothing in ("memory://b/none", "memory://b/in/*.avi", "memory://b/in/notes.txt"):
        with pytest.raises(ConfigError, match="contains no videos or images"):
            find_clips(nothing)


def test_errors_of_a_store_are_reported(system, monkeypatch):
    def fail(*args, **options):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(type(system), "find", fail)
    with pytest.raises(VideoOpenError, match="memory://b/in can't be read: Input/output error"):
        find_clips("memory://b/in")


@pytest.mark.parametrize(("name", "expected"), [("a.mp4", True), ("a.MOV", True), ("a.dcm", True),
                         ("a.txt", False), ("mp4", False), ("a.mp4.part", False)])  # fmt: skip
def test_clips_are_recognised_by_their_suffix(tmp_path, name, expected):
    assert has_clip_suffix(tmp_path / name) == expected
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in SUFFIXES)


def test_the_caller_decides_which_files_are_clips(tmp_path):
    for name in ("a.mp4", "b.seg", "sub/c.seg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "d.seg").mkdir()

    def is_clip(path):
        return path.suffix == ".seg"

    names = [("b.seg", str(tmp_path / "b.seg")), ("sub/c.seg", str(tmp_path / "sub" / "c.seg"))]
    assert find_clips(str(tmp_path), is_clip=is_clip) == names
    assert find_clips(f"file://{tmp_path}", is_clip=is_clip) == names
    assert find_clips(f"{tmp_path}/*", is_clip=is_clip) == names[:1]
    # A file that is named by its path is a clip whatever its name.
    assert find_clips(str(tmp_path / "a.mp4"), is_clip=is_clip) == [
        ("a.mp4", str(tmp_path / "a.mp4"))
    ]
    with pytest.raises(ConfigError, match="does not exist"):
        find_clips(str(tmp_path / "none"))


def test_names_of_a_glob_begin_after_its_fixed_folders(tmp_path):
    for name in ("x1/a.mp4", "x2/deep/b.mp4", ".x3/c.mp4", "x[1].mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [name for name, _ in find_clips(f"{tmp_path}/x?/*.mp4")] == ["x1/a.mp4"]
    assert [name for name, _ in find_clips(f"{tmp_path}/*/**/*.mp4")] == [
        "x1/a.mp4",
        "x2/deep/b.mp4",
    ]
    assert [name for name, _ in find_clips(f"{tmp_path}/x2/deep/*")] == ["b.mp4"]
    # A file whose name looks like a glob.
    assert [name for name, _ in find_clips(f"{tmp_path}/x[1].mp4")] == ["x[1].mp4"]


def test_hidden_files_are_skipped_below_a_hidden_folder_that_is_named(tmp_path):
    for name in (".in/a.mp4", ".in/.b.mp4", ".in/.c/d.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [name for name, _ in find_clips(str(tmp_path / ".in"))] == ["a.mp4"]
