"""Tables of a batch that are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tam_video.batch.jobs import ItemError, Outcome
from tam_video.batch.ledger import open_ledger
from tam_video.batch.storage import FolderStorage
from tam_video.batch.summary import safe_cell, write_csv, write_parquet, write_summary

KEYS = [f"{n:064x}" for n in range(3)]


@pytest.fixture
def batch(tmp_path):
    storage = FolderStorage(tmp_path / "out")
    storage.acquire("ledger")
    storage.begin({})
    ledger = open_ledger(storage, "ledger")
    done = Outcome(KEYS[0], run="a-0", answer="=cmd|' /C calc'!A0", maps="x", num_warnings=1)
    failed = Outcome(KEYS[1], error=ItemError("VideoOpenError", "@no <b>", "look"))
    ledger.append([done, failed], ids=["+x", "b"])
    extras = [{"ward": -5, "answer": "old"}, {"ward": "-0.5"}, {"=x": {"k": [1]}}]
    rows = tmp_path / "rows.jsonl"
    lines = [
        {"key": key, "id": id_, "video": f"{id_}.mp4", "question": "?", "extra": extra}
        for key, id_, extra in zip(KEYS, ("+x", "b", "c"), extras, strict=True)
    ]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return storage, ledger, rows


def table(rows, ledger, reader):
    path = rows.with_name("table.csv")
    write_csv(path, rows, ledger)
    return list(reader(io.StringIO(path.read_text(), newline="")))


def test_table_has_all_items_in_order(batch):
    _, ledger, rows = batch
    records = table(rows, ledger, csv.DictReader)
    assert [row["status"] for row in records] == ["done", "failed", "missing"]
    assert records[0]["run"] == "runs/a-0"
    assert records[1]["error_type"] == "VideoOpenError"
    assert [row["ward"] for row in records] == ["-5", "-0.5", ""]
    assert records[0]["item_answer"] == "old"
    assert records[2]["'=x"] == '{"k": [1]}'


def test_no_cell_is_a_formula(batch):
    _, ledger, rows = batch
    for row in table(rows, ledger, csv.reader):
        for cell in row:
            assert not cell.startswith(("=", "+", "@", "\t", "\r"))


@given(st.text(max_size=12))
def test_any_text_is_safe_and_can_be_recovered(text):
    cell = safe_cell(text)
    assert cell in (text, f"'{text}")
    if cell == text and text.strip()[:1] in ("=", "+", "-", "@"):
        float(text)


def test_parquet_keeps_texts_unchanged(batch):
    from pyarrow import parquet

    _, ledger, rows = batch
    assert write_parquet(rows.with_name("t.parquet"), rows, ledger)
    records = parquet.read_table(rows.with_name("t.parquet")).to_pylist()
    assert records[0]["answer"] == "=cmd|' /C calc'!A0"
    assert records[0]["num_warnings"] == 1
    assert records[2]["status"] == "missing"


def test_files_are_written_and_named_by_shard(batch):
    storage, ledger, rows = batch
    files = write_summary(storage, ledger, rows, shard=(2, 3))
    names = {name: path.rpartition("/")[2] for name, path in files.items()}
    assert names == {
        "csv": "summary.2-of-3.csv",
        "failed": "failed.2-of-3.jsonl",
        "parquet": "summary.2-of-3.parquet",
        "index": "index.2-of-3.html",
    }
    (line,) = (storage.folder / "failed.2-of-3.jsonl").read_text().splitlines()
    assert json.loads(line)["id"] == "b"
