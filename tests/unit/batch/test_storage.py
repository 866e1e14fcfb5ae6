"""Run folders appear whole, and what is damaged is made again."""

from __future__ import annotations

import shutil

import pytest

from tam_video.batch.storage import FolderStorage
from tam_video.errors import ExportError
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
