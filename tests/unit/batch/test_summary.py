"""Tables of a batch that are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import sys

import pytest
from constructed import make_explanation, moving_maps
from hypothesis import given
from hypothesis import strategies as st

from tam_video.batch.jobs import ItemError, Outcome
from tam_video.batch.ledger import open_ledger
from tam_video.batch.storage import FolderStorage
from tam_video.batch.summary import (
    COLUMNS,
    INDEXED_RUNS,
    safe_cell,
    write_csv,
    write_parquet,
    write_summary,
)
from tam_video.export.manifest import new_run_folder

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
        {"key": key, "id": id_, "video": f"{id_}.mp4", "question": "ü?", "extra": extra}
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


def indexed(storage):
    text = (storage.folder / "index.html").read_text()
    return [name for name in ("a-0", "a-1", "a-2") if name in text]


def test_the_page_lists_the_first_finished_runs(batch, monkeypatch):
    storage, ledger, rows = batch
    for number in range(3):
        with new_run_folder(storage.folder / "runs" / f"a-{number}") as folder:
            make_explanation(moving_maps()).save(folder / "inner")
            for path in (folder / "inner").iterdir():
                path.rename(folder / path.name)
            (folder / "inner").rmdir()
            (folder / "manifest.json").unlink()
    outcomes = [Outcome(key, run=f"a-{number}") for number, key in enumerate(KEYS)]
    ledger.append(outcomes, ids="abc")
    write_summary(storage, ledger, rows)
    assert indexed(storage) == ["a-0", "a-1", "a-2"]
    monkeypatch.setattr("tam_video.batch.summary.INDEXED_RUNS", 2)
    write_summary(storage, ledger, rows)
    assert indexed(storage) == ["a-0", "a-1"]
    monkeypatch.undo()
    (storage.folder / "runs" / "a-1" / "explanation.json").unlink()
    write_summary(storage, ledger, rows)
    assert indexed(storage) == ["a-0", "a-2"]
    assert INDEXED_RUNS == 2000


def test_failed_rows_are_written_as_json_lines(batch):
    storage, ledger, rows = batch
    write_summary(storage, ledger, rows)
    (line,) = (storage.folder / "failed.jsonl").read_text("utf-8").splitlines()
    assert '"question": "ü?"' in line
    assert json.loads(line) == {
        "id": "b",
        "status": "failed",
        "video": "b.mp4",
        "question": "ü?",
        "answer": None,
        "run": None,
        "num_warnings": None,
        "profile": None,
        "verdict": None,
        "error_type": "VideoOpenError",
        "error": "@no <b>",
        "hint": "look",
        "ward": "-0.5",
    }


def test_columns_are_fixed_then_in_order_of_appearance(batch):
    _, ledger, rows = batch
    header, first, *_ = table(rows, ledger, csv.reader)
    assert header == [*COLUMNS, "ward", "item_answer", "'=x"]
    assert first == [
        *("'+x", "done", "'+x.mp4", "ü?", "'=cmd|' /C calc'!A0", "runs/a-0", "1"),
        *("", "", "", "", "", "-5", "old", ""),
    ]


@pytest.mark.parametrize(
    ("value", "cell"),
    [(None, ""), (True, True), (-5, -5), (0.5, 0.5), ("-5", "-5"), ("+1.5e-3", "+1.5e-3"),
     (".5", ".5"), ("-1-1", "'-1-1"), ("  =x", "'  =x"), ("|x", "'|x"), ("%x", "'%x"),
     ("\tx", "'\tx"), ("\uff1dx", "'\uff1dx"), ("a=b", "a=b"), ([1, "ü"], '[1, "ü"]'), ("", "")],
)  # fmt: skip
def test_cells_are_guarded(value, cell):
    assert safe_cell(value) == cell


def test_parquet_has_types_and_only_texts_and_counts(batch):
    import pyarrow as arrow
    from pyarrow import parquet

    _, ledger, rows = batch
    write_parquet(rows.with_name("t.parquet"), rows, ledger)
    table = parquet.read_table(rows.with_name("t.parquet"))
    kinds = {field.name: field.type for field in table.schema}
    assert kinds.pop("num_warnings") == arrow.int64()
    assert set(kinds.values()) == {arrow.string()}
    first, _, third = table.to_pylist()
    assert (first["ward"], first["item_answer"], first["error"]) == ("-5", "old", None)
    assert third["=x"] == '{"k": [1]}'


def test_tables_are_written_without_pyarrow(batch, monkeypatch):
    storage, ledger, rows = batch
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert not write_parquet(rows.with_name("t.parquet"), rows, ledger)
    assert sorted(write_summary(storage, ledger, rows)) == ["csv", "failed", "index"]
    assert write_summary(storage, ledger, rows)["csv"] == str(storage.folder / "summary.csv")
