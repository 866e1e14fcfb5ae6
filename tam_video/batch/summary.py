"""Write the summary files of a batch: tables, a list of failed items, and an HTML page.

All texts are untrusted: those that a spreadsheet would interpret as a formula are quoted.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from tam_video.batch.ledger import ResultLog, shard_label
from tam_video.batch.object_store import Storage
from tam_video.batch.storage import RUNS, FolderStorage
from tam_video.errors import RunFolderError
from tam_video.export.plain_text import writable
from tam_video.workspace.files import wrap_os_errors

COLUMNS = (
    *("id", "status", "video", "question", "answer", "run", "num_warnings"),
    *("profile", "verdict"),
    *("error_type", "error", "hint"),
)
INDEXED_RUNS = 2000
_ROWS_AT_ONCE = 1024
_COUNT = "num_warnings"
_LONE = "backslashreplace"  # for lone surrogates, of file names that are not UTF-8
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
# First characters of a formula, after spaces too, with the full-width forms of some programs.
_FORMULA = re.compile(r"\s*[=+\-@|%＝＋－＠]|[\t\r\n]")


def summary_rows(rows: Path, ledger: ResultLog) -> Iterator[dict[str, Any]]:
    """Yield one table row per item, in the order of the items.

    Args:
        rows: file of the plan with a line for each item.
        ledger: the results; an item without one is "missing".
    """
    with rows.open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            extra = {_extra_name(key): value for key, value in record["extra"].items()}
            own = {name: record[name] for name in ("id", "video", "question")}
            yield {**dict.fromkeys(COLUMNS), **own, **_result(record["key"], ledger), **extra}


def _result(key: str, ledger: ResultLog) -> dict[str, Any]:
    status = ledger.status(key)
    if status is None:
        return {"status": "missing"}
    outcome = ledger.outcome(key)
    error = outcome.error
    if error is not None:
        reason = {"error_type": error.type, "error": error.message, "hint": error.hint}
        return {"status": status, **reason}
    run = f"{RUNS}/{outcome.run}"
    return {
        "status": status,
        "answer": outcome.answer,
        "run": run,
        _COUNT: outcome.num_warnings,
        "profile": outcome.profile,
        "verdict": outcome.verdict,
    }


def _extra_name(key: str) -> str:
    return f"item_{key}" if key in COLUMNS else key


def write_csv(path: Path, rows: Path, ledger: ResultLog) -> None:
    """Write the table as CSV; escape cells that a spreadsheet would run as formulas."""
    names = _all_columns(rows)
    with path.open("w", encoding="utf-8", errors=_LONE, newline="") as file:
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writerow({name: safe_cell(name) for name in names})
        for row in summary_rows(rows, ledger):
            writer.writerow({name: safe_cell(value) for name, value in row.items()})


def safe_cell(value: Any) -> Any:
    """Return a value as a CSV cell that no spreadsheet interprets as a formula.

    Source: OWASP, "CSV Injection". Differs: a plain number keeps its sign.
    """
    if value is None or isinstance(value, bool | int | float):
        return "" if value is None else value
    text = _as_text(value)
    if _NUMBER.fullmatch(text):
        return text
    return f"'{text}" if _FORMULA.match(text) else text


def write_parquet(path: Path, rows: Path, ledger: ResultLog) -> bool:
    """Write the table as Parquet; return False if pyarrow is not installed."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        return False
    names = _all_columns(rows)
    types = {writable(name): arrow.int64() if name == _COUNT else arrow.string() for name in names}
    schema = arrow.schema(list(types.items()))
    source = summary_rows(rows, ledger)
    with parquet.ParquetWriter(path, schema) as writer:
        while part := list(islice(source, _ROWS_AT_ONCE)):
            cells = [
                {writable(name): _parquet_cell(name, row.get(name)) for name in names}
                for row in part
            ]
            writer.write_table(arrow.Table.from_pylist(cells, schema))
    return True


def write_failed(path: Path, rows: Path, ledger: ResultLog) -> None:
    """Write the rows of failed items as JSON lines."""
    with path.open("w", encoding="utf-8", errors=_LONE) as file:
        for row in summary_rows(rows, ledger):
            if row["status"] == "failed":
                file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def write_summary(
    storage: Storage, ledger: ResultLog, rows: Path, *, shard: tuple[int, int] | None = None
) -> dict[str, str]:
    """Write the tables, the failed items and the page. Return the files' addresses by kind.

    The tables of a `shard` are made next to `rows`, see `summary_rows`.

    Raises:
        OutputError: one cannot be written.
    """
    stem = shard_label("summary", shard)
    paths = {
        "csv": rows.with_name(f"{stem}.csv"),
        "failed": rows.with_name(f"{shard_label('failed', shard)}.jsonl"),
        "parquet": rows.with_name(f"{stem}.parquet"),
    }
    with wrap_os_errors(rows.parent):
        write_csv(paths["csv"], rows, ledger)
        write_failed(paths["failed"], rows, ledger)
        if not write_parquet(paths["parquet"], rows, ledger):
            del paths["parquet"]
    files = {name: storage.put_file(path, path.name) for name, path in paths.items()}
    if isinstance(storage, FolderStorage):
        files |= _write_page(storage, ledger, rows, stem)
    return files


def _write_page(
    storage: FolderStorage, ledger: ResultLog, rows: Path, stem: str
) -> Mapping[str, str]:
    """Write `index.html`, which lists only the first runs of a large batch."""
    from tam_video.report.index import index_row, write_index

    runs: dict[Path, None] = {}
    for row in summary_rows(rows, ledger):
        if row["status"] == "done":
            runs[storage.folder / row["run"]] = None
        if len(runs) == INDEXED_RUNS:
            break
    readable = []
    for run in runs:
        with suppress(RunFolderError):
            index_row(run, run.name)
            readable.append(run)
    name = f"index{stem.removeprefix('summary')}.html"
    return {"index": str(write_index(readable, storage.folder / name, force=True))}


def _all_columns(rows: Path) -> list[str]:
    """Return the fixed columns, then the extra columns of all items in order of appearance."""
    names = dict.fromkeys(COLUMNS)
    with rows.open(encoding="utf-8") as file:
        for line in file:
            names |= dict.fromkeys(_extra_name(key) for key in json.loads(line)["extra"])
    return list(names)


def _parquet_cell(name: str, value: Any) -> Any:
    return value if name == _COUNT or value is None else writable(_as_text(value))


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
