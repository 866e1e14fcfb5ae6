"""Run folders appear whole, and what is damaged is made again."""

from __future__ import annotations

import shutil

import pytest

from tam_video.batch.storage import FolderStorage
from tam_video.errors import ExportError, OutputExistsError
from tam_video.export.manifest import new_run_folder, verify_run


@pytest.fixture
def storage(tmp_path):
    made = FolderStorage(tmp_path / "out")
    made.acquire("ledger")
    made.begin({})
    made.release()
    return made


def a_run(storage, text="x"):
    folder = storage.work_folder("ledger") / "run"
    with new_run_folder(folder) as inside:
        (inside / "explanation.json").write_text(text)
    return folder


def test_published_run_is_complete_and_listed(storage):
    storage.publish(a_run(storage), "a-1")
    assert set(storage.published()) == {"a-1"}
    assert verify_run(storage.fetch_run("a-1"), hashes=True)
    assert storage.fetch_run("a-2") is None


def test_the_first_of_two_stays(storage):
    storage.publish(a_run(storage, "first"), "a-1")
    storage.publish(a_run(storage, "second"), "a-1")
    assert (storage.folder / "runs" / "a-1" / "explanation.json").read_text() == "first"


@pytest.mark.parametrize("harm", ["cut", "manifest", "gone", "link"])
def test_a_damaged_run_is_replaced(storage, tmp_path, harm):
    storage.publish(a_run(storage, "first"), "a-1")
    run = storage.folder / "runs" / "a-1"
    if harm == "cut":
        (run / "explanation.json").write_text("")
    elif harm == "manifest":
        (run / "manifest.json").write_text("[")
    elif harm == "gone":
        (run / "explanation.json").unlink()
    else:
        shutil.move(run, tmp_path / "elsewhere")
        run.symlink_to(tmp_path / "elsewhere")
    assert storage.fetch_run("a-1") is None
    storage.publish(a_run(storage, "second"), "a-1")
    assert (storage.fetch_run("a-1") / "explanation.json").read_text() == "second"
    if harm == "link":
        assert (tmp_path / "elsewhere" / "explanation.json").read_text() == "first"


def test_folders_of_a_killed_run_are_cleared_by_the_next_of_the_same_label(storage):
    mine, other = storage.work_folder("ledger"), storage.work_folder("ledger.2-of-2")
    storage.acquire("ledger")
    assert not mine.exists()
    assert other.exists()


def test_unwritable_output_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="can't write"):
        FolderStorage(tmp_path / "file" / "out").acquire("ledger")


def test_the_identity_is_begun_after_the_lock_and_may_be_begun_again(tmp_path):
    storage = FolderStorage(tmp_path / "out")
    with pytest.raises(RuntimeError, match="lock"):
        storage.begin({})
    storage.release()  # nothing to release
    storage.acquire("ledger")
    assert storage.begin({"seed": 0}) == {"seed": 0}
    assert storage.begin({"seed": 0}) == {"seed": 0}
    assert (tmp_path / "out" / "runs").is_dir()
    with pytest.raises(OutputExistsError, match="seed"):
        storage.begin({"seed": 1})
    (tmp_path / "out" / "ledger.jsonl").write_text("")
    assert storage.begin({"seed": 1}, force=True) == {"seed": 1}
    assert not (tmp_path / "out" / "ledger.jsonl").exists()
    storage.release()


def test_the_address_is_as_the_user_wrote_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage = FolderStorage("out")
    assert (storage.address, storage.folder) == ("out", tmp_path / "out")


def test_files_are_read_and_moved_into_the_batch(storage, tmp_path):
    assert storage.read_file("a.txt") is None
    assert storage.read_file("runs") is None
    made = storage.work_folder("ledger") / "x"
    made.write_text("new")
    (storage.folder / "a.txt").write_text("old")
    assert storage.put_file(made, "a.txt") == str(storage.folder / "a.txt")
    assert storage.read_file("a.txt") == b"new"
    assert not made.exists()


def test_work_folders_are_new_and_in_the_batch(storage):
    folders = {storage.work_folder("ledger") for _ in range(9)}
    assert len(folders) == 9
    assert {folder.parent for folder in folders} == {storage.folder / ".work" / "ledger"}


def test_logs_of_other_shards_exclude_the_own(storage):
    for name in ("ledger", "ledger.1-of-2", "ledger.2-of-2", "failed"):
        (storage.folder / f"{name}.jsonl").write_text("x")
    (storage.folder / "ledger.txt").write_text("x")
    for own, others in (
        ("ledger.1-of-2", ["ledger.2-of-2.jsonl", "ledger.jsonl"]),
        ("ledger", ["ledger.1-of-2.jsonl", "ledger.2-of-2.jsonl"]),
    ):
        assert storage.log(own).path == storage.folder / f"{own}.jsonl"
        assert [log.path.name for log in storage.other_logs(own)] == others


def test_published_runs_are_checked_by_sizes_or_hashes(storage, tmp_path):
    for name in ("a", "b", "c", "d"):
        storage.publish(a_run(storage, "text"), name)
    runs = storage.folder / "runs"
    (runs / "b" / "explanation.json").write_text("tex")
    (runs / "c" / "explanation.json").write_text("TEXT")
    shutil.move(runs / "d", tmp_path / "d")
    (runs / "d").symlink_to(tmp_path / "d")
    assert set(storage.published()) == {"a", "c"}
    assert set(storage.published(hashes=True)) == {"a"}
    assert storage.fetch_run("c") is None


def test_a_second_intact_run_is_removed_and_a_damaged_one_is_moved_away(storage):
    storage.publish(a_run(storage), "a")
    again = a_run(storage)
    storage.publish(again, "a")
    assert not again.exists()
    for _ in range(2):
        (storage.folder / "runs" / "a" / "explanation.json").write_text("harm")
        third = a_run(storage)
        storage.publish(third, "a")
        names = [path.name for path in third.parent.iterdir()]
        assert [name.partition("-")[0] for name in names] == ["run.damaged"]
    assert [path.name for path in (storage.folder / "runs").iterdir()] == ["a"]
