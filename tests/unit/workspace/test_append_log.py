"""Append-only logs: complete lines survive a kill at any byte."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tam_video.errors import ExportError
from tam_video.workspace.append_log import AppendLog, json_line

RECORDS = st.lists(
    st.dictionaries(st.text(max_size=6), st.text(max_size=12) | st.integers(), max_size=3),
    min_size=1,
    max_size=6,
)


def read(log):
    return [record for _, record in log.records(dict)]


@given(records=RECORDS, data=st.data())
def test_a_log_that_was_cut_at_any_byte_keeps_its_complete_lines(tmp_path_factory, records, data):
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    log = AppendLog(path, repair=True)
    ends = [0]
    for record in records:
        log.append([json_line(record)])
        ends.append(path.stat().st_size)
    size = data.draw(st.integers(0, ends[-1]))
    os.truncate(path, size)
    num_complete = sum(end <= size for end in ends[1:])

    assert read(AppendLog(path)) == records[:num_complete]
    assert path.stat().st_size == size  # a reader changes nothing
    repaired = AppendLog(path, repair=True)
    assert read(repaired) == records[:num_complete]
    assert path.stat().st_size == ends[num_complete]

    start = repaired.append([json_line(record) for record in records])
    assert read(AppendLog(path)) == [*records[:num_complete], *records]
    assert json.loads(repaired.read(start)) == records[0]


@given(parts=st.lists(st.binary(max_size=20).filter(lambda part: b"\n" not in part), max_size=8))
def test_invalid_lines_are_counted_and_skipped(tmp_path_factory, parts):
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    good = json_line({"key": "value"})
    path.write_bytes(b"".join(line + b"\n" for line in (*parts, good)))
    log = AppendLog(path)
    records = read(log)
    assert records[-1] == {"key": "value"}
    assert len(records) + log.num_damaged == len(parts) + 1
    assert read(log) == records  # the count starts again
    assert len(records) + log.num_damaged == len(parts) + 1


def test_a_missing_file_has_no_lines_and_is_not_created(tmp_path):
    log = AppendLog(tmp_path / "log.jsonl", repair=True)
    assert read(log) == []
    assert not log.path.exists()


@pytest.mark.parametrize("operation", ["append", "scan"])
def test_a_symbolic_link_is_refused(tmp_path, operation):
    victim = tmp_path / "victim"
    victim.write_text("precious\nand torn")
    (tmp_path / "log.jsonl").symlink_to(victim)
    log = AppendLog(tmp_path / "log.jsonl", repair=True)
    with pytest.raises(ExportError):
        log.append([b"{}"]) if operation == "append" else list(log.scan())
    assert victim.read_text() == "precious\nand torn"
