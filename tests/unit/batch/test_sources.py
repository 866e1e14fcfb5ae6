"""Which sources may be opened, and how files and stores are read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tam_video.batch.sources import (
    SourcePolicy,
    fetch,
    file_system,
    fingerprint,
    is_remote,
    protocol,
    store_errors,
)
from tam_video.errors import ConfigError, MissingDependencyError, VideoOpenError
from tam_video.video.source import file_fingerprint


@pytest.fixture
def store():
    """Files of the store `memory://`."""
    import fsspec

    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.mark.parametrize(
    ("source", "expected"),
    [("a/b.mp4", None), ("/a.mp4", None), ("C:/a", None), ("s3://b/k", "s3"), ("S3+X://b", "s3+x"),
     ("file:///a", "file"), ("1a://b", None), ("see s3://b", None)],
)  # fmt: skip
def test_the_protocol_is_the_scheme_of_an_address(source, expected):
    assert protocol(source) == expected
    assert is_remote(source) == (expected not in (None, "file"))


def test_paths_become_absolute_and_addresses_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    policy = SourcePolicy(frozenset({"s3"}), root=tmp_path)
    assert policy.checked("a.mp4") == str(tmp_path / "a.mp4")
    assert policy.checked(f"file://{tmp_path}/a.mp4") == str(tmp_path / "a.mp4")
    assert policy.checked("s3://bucket/key") == "s3://bucket/key"
    assert SourcePolicy().checked("/elsewhere/a.mp4") == "/elsewhere/a.mp4"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("/elsewhere/a.mp4", "not below the root"),
        ("../a.mp4", "not below the root"),
        ("a\0.mp4", "NUL"),
        ("https://host/a.mp4", "only local files"),
        ("s3://bucket/zip::key", "only local files"),
    ],
)
def test_other_sources_are_refused(source, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    policy = SourcePolicy(frozenset({"s3"}), root=tmp_path)
    with pytest.raises(VideoOpenError, match=message) as caught:
        policy.checked(source)
    assert caught.value.hint


def test_a_link_out_of_the_root_is_refused(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path)
    with pytest.raises(VideoOpenError, match="not below the root"):
        SourcePolicy(root=tmp_path / "root").checked(str(tmp_path / "root" / "link" / "a.mp4"))


@pytest.mark.parametrize("size", [1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_a_file_has_one_fingerprint_on_disk_and_in_a_store(store, tmp_path, size):
    data = bytes(range(251)) * (size // 251 + 1)
    (tmp_path / "a.mp4").write_bytes(data[:size])
    store.pipe_file("/b/a.mp4", data[:size])
    expected = file_fingerprint(tmp_path / "a.mp4")
    assert fingerprint(str(tmp_path / "a.mp4")) == fingerprint("memory://b/a.mp4") == expected


def test_a_file_stays_where_it_is_and_one_of_a_store_is_copied(store, tmp_path):
    store.pipe_file("/b/a.mp4", b"pixels")
    assert fetch("/x/a.mp4", tmp_path) == Path("/x/a.mp4")
    assert list(tmp_path.iterdir()) == []
    copy = fetch("memory://b/a.mp4", tmp_path)
    assert (copy, copy.read_bytes()) == (tmp_path / "a.mp4", b"pixels")


def test_what_a_store_does_not_have_cannot_be_opened(store, tmp_path):
    for read in (fingerprint, lambda source: fetch(source, tmp_path)):
        with pytest.raises(VideoOpenError, match="memory://b/none can't be read"):
            read("memory://b/none")
    with pytest.raises(VideoOpenError):
        fingerprint(str(tmp_path / "none.mp4"))


@pytest.mark.parametrize(
    ("error", "reason"),
    [(OSError(5, "Input/output error"), "Input/output error"), (ValueError("odd"), "odd"),
     (RuntimeError(), "RuntimeError")],
)  # fmt: skip
def test_errors_of_a_store_name_their_reason(error, reason):
    with (
        pytest.raises(VideoOpenError, match=f"s3://b can't be read: {reason}$"),
        store_errors("s3://b"),
    ):
        raise error


@pytest.mark.parametrize(
    ("address", "module", "package"),
    [("s3://b/k", "s3fs", "'tam-video[s3]'"), ("gs://b/k", "gcsfs", "'tam-video[gcs]'"),
     ("gcs://b/k", "gcsfs", "'tam-video[gcs]'")],
)  # fmt: skip
def test_a_missing_package_is_named(address, module, package, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError) as caught:
        file_system(address)
    assert caught.value.hint == f"pip install {package}"


def test_an_unknown_store_is_a_config_error():
    with pytest.raises(ConfigError, match="nowhere://b"):
        file_system("nowhere://b")
