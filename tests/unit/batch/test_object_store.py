"""The output of a batch in a store, here in memory; test_batch_s3 runs batches in one."""

from __future__ import annotations

import json

import pytest

from tam_video.batch.object_store import StoreStorage, open_storage
from tam_video.batch.storage import FolderStorage
from tam_video.errors import ConfigError, ExportError, OutputExistsError
from tam_video.export.manifest import new_run_folder, read_manifest
from tam_video.workspace.workspace import WorkspaceKind

OTHER = WorkspaceKind("other work", "other.json", own=())


def clear(system):
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.fixture
def system():
    """The file system `memory://`."""
    import fsspec

    system = fsspec.filesystem("memory")
    clear(system)
    yield system
    clear(system)


@pytest.fixture
def storage(system):
    made = StoreStorage("memory://b/out/")
    yield made
    made.release()


def a_run(storage, text="x"):
    folder = storage.work_folder("ledger") / "run"
    with new_run_folder(folder) as inside:
        (inside / "explanation.json").write_text(text)
        (inside / "maps.npz").write_text("maps")
        (inside / "z.txt").write_text("z")
    return folder


def names(system, folder="/b/out"):
    return sorted(path.removeprefix(f"{folder}/") for path in system.find(folder))


def test_the_kind_of_storage_follows_from_the_address(system, tmp_path):
    assert type(open_storage("memory://b")) is StoreStorage
    assert open_storage(f"file://{tmp_path}").folder == tmp_path
    assert type(open_storage(tmp_path)) is FolderStorage
    with pytest.raises(ConfigError):
        open_storage("nowhere://b")


def test_a_storage_is_of_a_batch_unless_another_kind_is_named(system, tmp_path):
    for base in ("memory://b", str(tmp_path)):
        for storage, document in (
            (open_storage(f"{base}/batch"), {"batch_version": 1}),
            (open_storage(f"{base}/other", OTHER), {}),
        ):
            storage.acquire("ledger")
            storage.begin({})
            name = "batch.json" if document else "other.json"
            assert json.loads(storage.read_file(name)) == document
            storage.release()


def test_only_an_empty_prefix_or_that_of_a_batch_is_used(system, storage):
    storage.acquire("ledger")
    system.pipe_file("/b/other/notes.txt", b"mine")  # outside the prefix
    storage.acquire("ledger")
    system.pipe_file("/b/out/notes.txt", b"mine")
    with pytest.raises(OutputExistsError, match="memory://b/out is not empty and holds no batch"):
        storage.acquire("ledger")
    storage.begin({})
    storage.acquire("ledger")


def test_the_identity_is_recorded_once_and_compared(system, storage):
    assert storage.begin({"seed": 0}) == {"seed": 0}
    assert json.loads(system.cat_file("/b/out/batch.json")) == {"batch_version": 1, "seed": 0}
    system.pipe_file("/b/out/batch.json", b'{"seed": 0,  "batch_version": 1}')
    assert storage.begin({"seed": 0}) == {"seed": 0}
    assert system.cat_file("/b/out/batch.json") == b'{"seed": 0,  "batch_version": 1}'
    with pytest.raises(OutputExistsError, match=r"memory://b/out holds .* other settings: seed"):
        storage.begin({"seed": 1})
    with pytest.raises(ConfigError, match="can't overwrite memory://b/out"):
        storage.begin({"seed": 0}, force=True)


def test_objects_are_read_written_and_named_below_the_prefix(system, storage, tmp_path):
    assert storage.read_file("a.txt") is None
    storage.write("a.txt", b"one")
    storage.write("a.txt", b"two")
    assert storage.read_file("a.txt") == b"two"
    (tmp_path / "b.txt").write_text("three")
    assert storage.put_file(tmp_path / "b.txt", "c.txt") == "memory://b/out/c.txt"
    assert names(system) == ["a.txt", "c.txt"]
    assert storage.read_file("c.txt") == b"three"


def test_a_run_is_published_with_its_manifest_last_and_fetched_whole(system, storage, monkeypatch):
    order, put = [], type(system).put_file

    def recorded(self, source, target, **options):
        order.append(target.rpartition("/")[2])
        put(self, source, target, **options)

    monkeypatch.setattr(type(system), "put_file", recorded)
    folder = a_run(storage)
    storage.publish(folder, "a-1")
    assert order[-1] == "manifest.json"
    assert sorted(order[:-1]) == ["explanation.json", "maps.npz", "z.txt"]
    assert not folder.exists()
    assert names(system, "/b/out/runs/a-1") == sorted(order)
    fetched = storage.fetch_run("a-1")
    assert sorted(path.name for path in fetched.iterdir()) == sorted(order)
    assert (fetched / "explanation.json").read_text() == "x"
    assert sorted(read_manifest(fetched)) == ["explanation.json", "maps.npz", "z.txt"]
    assert fetched.parent == storage.local
    assert fetched != storage.fetch_run("a-1")


def test_runs_without_a_manifest_or_with_other_bytes_are_no_results(system, storage):
    assert storage.fetch_run("a-1") is None
    for name in ("a-1", "a-2", "a-3"):
        storage.publish(a_run(storage), name)
    assert sorted(storage.published()) == ["a-1", "a-2", "a-3"]
    system.rm_file("/b/out/runs/a-2/manifest.json")
    system.pipe_file("/b/out/runs/a-3/z.txt", b"y")  # of the same size
    assert sorted(storage.published()) == ["a-1", "a-3"]
    assert sorted(storage.published(hashes=True)) == ["a-1"]
    assert storage.fetch_run("a-2") is None
    assert storage.fetch_run("a-3") is None


def test_work_folders_are_local_and_gone_after_release(storage):
    folders = {storage.work_folder("ledger") for _ in range(3)}
    assert len(folders) == 3
    assert all(folder.is_dir() and folder.parent == storage.local for folder in folders)
    storage.release()
    assert not storage.local.exists()
    storage.release()


def segments(system):
    return {
        name.rpartition(".jsonl")[0][-5:]: system.cat_file(f"/b/out/{name}")
        for name in names(system)
    }


def test_a_log_grows_in_segments_of_256_lines(system, storage):
    log = storage.log("ledger")
    assert log.append([b"%d" % n for n in range(250)]) == 0
    assert log.append([b"x"] * 6) == len(b"".join(b"%d\n" % n for n in range(250)))
    assert {name: data.count(b"\n") for name, data in segments(system).items()} == {"00000": 256}
    log.append([b"y"])
    log.append([b"z"])
    assert segments(system)["00001"] == b"y\nz\n"
    assert segments(system)["00000"].endswith(b"x\nx\n")
    log.append([b"w"] * 300)  # appended at once: never split
    log.append([b"v"])
    assert {name: data.count(b"\n") for name, data in segments(system).items()} == {
        "00000": 256,
        "00001": 2,
        "00002": 300,
        "00003": 1,
    }
    assert log.read(log.append([b"last"])) == b"last"


def test_a_log_that_begins_with_many_lines_has_no_empty_segment(system, storage):
    storage.log("ledger").append([b"x"] * 300)
    assert list(segments(system)) == ["00000"]


def test_a_segment_that_cannot_be_written_leaves_the_log_unchanged(system, storage, monkeypatch):
    log = storage.log("ledger")
    log.append([b"a"])
    with monkeypatch.context() as patch:
        patch.setattr(type(system), "pipe_file", lambda *args, **options: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            log.append([b"b"])
    log.append([b"c"])
    assert segments(system) == {"00000": b"a\nc\n"}
    assert log.path.read_bytes() == b"a\nc\n"


def test_the_logs_of_all_processes_are_read_and_those_of_other_kinds_are_not(system, storage):
    two = StoreStorage("memory://b/out")
    storage.log("ledger").append([b"1"])
    storage.log("ledger").append([b"2"])  # of a later process of the same label
    two.log("ledger.1-of-2").append([b"3"])
    two.log("tries").append([b"4"])
    for each in (storage, two):
        lines = [line for log in each.other_logs("ledger.2-of-2") for _, line in log.scan()]
        assert sorted(lines) == [b"1", b"2", b"3"]
        assert {log.path.parent for log in each.other_logs("ledger")} == {each.local}
    two.release()


@pytest.mark.parametrize("error", [OSError("down"), ValueError("down"), RuntimeError("down")])
def test_errors_of_the_store_name_the_address(system, storage, monkeypatch, error):
    def fail(*args, **options):
        raise error

    for name in ("exists", "pipe_file", "put_file", "glob"):
        monkeypatch.setattr(type(system), name, fail)
    folder = storage.work_folder("ledger")
    (folder / "a").write_text("x")
    calls = (
        lambda: storage.acquire("ledger"),
        lambda: storage.read_file("a"),
        lambda: storage.write("a", b""),
        lambda: storage.put_file(folder / "a", "a"),
        lambda: storage.publish(folder, "a-1"),
        lambda: storage.fetch_run("a-1"),
        lambda: list(storage.published()),
        lambda: storage.other_logs("ledger"),
    )
    for call in calls:
        with pytest.raises(ExportError, match="can't use memory://b/out: down") as caught:
            call()
        assert caught.value.hint
