"""The ledger survives kills, torn lines and full disks, and says each thing once."""

from __future__ import annotations

import errno
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tam_video.batch.jobs import ItemError, Outcome
from tam_video.batch.ledger import open_ledger, shard_label
from tam_video.batch.storage import FolderStorage
from tam_video.errors import ConfigError, ExportError, OutputExistsError

KEYS = [f"{n:064x}" for n in range(9)]
DONE = Outcome(KEYS[0], run="clip-0", answer='ünï "x"\n', maps="ab", num_warnings=2)
FAILED = Outcome(KEYS[1], error=ItemError("VideoOpenError", "no", "look"))


@pytest.fixture
def storage(tmp_path):
    made = FolderStorage(tmp_path / "out")
    made.acquire("ledger")
    made.begin({})
    made.release()
    return made


def test_appended_results_are_read_back(storage):
    ledger = open_ledger(storage, "ledger")
    ledger.append([DONE, FAILED], ids=["a", "b"])
    for log in (ledger, open_ledger(storage, "ledger")):
        assert log.status(DONE.key) == "done"
        assert log.outcome(DONE.key) == DONE
        assert log.outcome(FAILED.key) == FAILED
        assert log.status(KEYS[5]) is None
        with pytest.raises(KeyError):
            log.outcome(KEYS[5])


def test_lines_are_the_same_in_every_run(storage):
    ledger = open_ledger(storage, "ledger")
    ledger.append([DONE], ids=["a"])
    record = json.loads((storage.folder / "ledger.jsonl").read_text())
    assert set(record) == {"id", "key", "status", "run", "answer", "maps", "num_warnings"}


@given(cut=st.integers(1, 200))
def test_torn_last_line_is_cut_off_and_the_others_stay(tmp_path_factory, cut):
    storage = FolderStorage(tmp_path_factory.mktemp("ledger"))
    storage.acquire("ledger")
    storage.begin({})
    ledger = open_ledger(storage, "ledger")
    ledger.append([DONE], ids=["a"])
    path = storage.folder / "ledger.jsonl"
    first = path.read_bytes()
    ledger.append([FAILED], ids=["b"])
    whole = path.read_bytes()
    path.write_bytes(whole[: max(len(first), len(whole) - cut)])
    again = open_ledger(storage, "ledger")
    assert again.status(DONE.key) == "done"
    assert path.read_bytes() == first
    again.append([FAILED], ids=["b"])
    assert path.read_bytes() == whole
    assert open_ledger(storage, "ledger").outcome(FAILED.key) == FAILED


def test_damaged_lines_are_left_out_and_counted(storage, caplog):
    ledger = open_ledger(storage, "ledger")
    ledger.append([DONE], ids=["a"])
    path = storage.folder / "ledger.jsonl"
    bad = [b"\x00\xff", b"{}", b'{"key": "zz", "status": "done"}', b"[]", b'{"key": 7}']
    path.write_bytes(b"\n".join(bad) + b"\n" + path.read_bytes())
    again = open_ledger(storage, "ledger")
    assert again.num_damaged == len(bad)
    assert again.outcome(DONE.key) == DONE
    assert "can't be read" in caplog.text


def test_last_line_of_a_key_counts(storage):
    ledger = open_ledger(storage, "ledger")
    ledger.append([Outcome(DONE.key, error=FAILED.error)], ids=["a"])
    ledger.append([DONE], ids=["a"])
    assert open_ledger(storage, "ledger").status(DONE.key) == "done"
    ledger.lose(DONE.key)
    assert ledger.status(DONE.key) is None
    assert open_ledger(storage, "ledger").status(DONE.key) is None


def test_each_shard_writes_one_file_and_reads_all(storage):
    one, two = (shard_label("ledger", (n, 2)) for n in (1, 2))
    open_ledger(storage, one).append([DONE], ids=["a"])
    open_ledger(storage, two).append([FAILED], ids=["b"])
    for label in (one, two, "ledger"):
        log = open_ledger(storage, label)
        assert (log.outcome(DONE.key), log.outcome(FAILED.key)) == (DONE, FAILED)


@pytest.mark.parametrize("own_is_done", [True, False])
def test_the_own_line_of_a_key_counts_over_those_of_other_shards(storage, own_is_done):
    failed = Outcome(DONE.key, error=FAILED.error)
    own, other = (DONE, failed) if own_is_done else (failed, DONE)
    open_ledger(storage, "ledger.1-of-2").append([own], ids=["a"])
    open_ledger(storage, "ledger.2-of-2").append([other], ids=["a"])
    assert open_ledger(storage, "ledger.1-of-2").outcome(DONE.key) == own
    assert open_ledger(storage, "ledger.2-of-2").outcome(DONE.key) == other
    open_ledger(storage, "ledger.1-of-2").lose(DONE.key)
    assert open_ledger(storage, "ledger.1-of-2").status(DONE.key) is None


def test_the_torn_line_of_another_shard_is_left_alone(storage):
    path = storage.folder / "ledger.2-of-2.jsonl"
    path.write_bytes(b'{"key": "00')
    open_ledger(storage, "ledger.1-of-2")
    assert path.read_bytes() == b'{"key": "00'


def test_full_disk_leaves_the_log_unchanged(storage, monkeypatch):
    ledger = open_ledger(storage, "ledger")
    ledger.append([DONE], ids=["a"])
    before = (storage.folder / "ledger.jsonl").read_bytes()
    write, calls = os.write, []

    def half(handle, data):
        if calls:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        calls.append(1)
        return write(handle, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(ExportError, match="No space left"):
        ledger.append([FAILED], ids=["b"])
    monkeypatch.undo()
    assert (storage.folder / "ledger.jsonl").read_bytes() == before
    assert ledger.status(FAILED.key) is None


def test_a_link_in_place_of_the_ledger_is_not_followed(storage, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (storage.folder / "ledger.jsonl").symlink_to(victim)
    with pytest.raises(ExportError):
        open_ledger(storage, "ledger").append([DONE], ids=["a"])
    assert victim.read_text() == "precious"


def test_two_processes_do_not_share_a_ledger(storage):
    storage.acquire("ledger")
    other = FolderStorage(storage.folder)
    with pytest.raises(ConfigError, match="another process"):
        other.acquire("ledger")
    other.acquire("ledger.1-of-2")
    storage.release()
    other.acquire("ledger")
    other.release()


def test_batch_killed_before_its_settings_were_written_starts_again(storage):
    (storage.folder / ".batch.json.x1").write_text("{")
    (storage.folder / "batch.json").unlink()
    storage.acquire("ledger")
    storage.begin({})
    storage.release()
    assert (storage.folder / "batch.json").is_file()


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="not empty"):
        FolderStorage(tmp_path).acquire("ledger")
    with pytest.raises(OutputExistsError, match="not a folder"):
        FolderStorage(tmp_path / "notes.txt").acquire("ledger")


def test_only_lines_of_this_process_are_fresh(storage):
    open_ledger(storage, "ledger.2-of-2").append([FAILED], ids=["b"])
    ledger = open_ledger(storage, "ledger")
    ledger.append([DONE], ids=["a"])
    assert ledger.is_fresh(DONE.key)
    assert not ledger.is_fresh(FAILED.key)
    assert not ledger.is_fresh(KEYS[5])
    again = open_ledger(storage, "ledger")
    assert not again.is_fresh(DONE.key)
    again.append([FAILED], ids=["b"])
    assert again.is_fresh(FAILED.key)
    assert not again.is_fresh(DONE.key)


def test_labels_name_the_shard():
    assert shard_label("ledger", None) == "ledger"
    assert shard_label("summary", (2, 8)) == "summary.2-of-8"


def test_nothing_is_warned_of_without_damage(storage, caplog):
    open_ledger(storage, "ledger").append([DONE], ids=["a"])
    assert open_ledger(storage, "ledger").num_damaged == 0
    assert caplog.text == ""
