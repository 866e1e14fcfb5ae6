"""Rows of manifests; what becomes of them is in test_items."""

from __future__ import annotations

import pytest

from tam_video.batch.manifests import manifest_rows
from tam_video.errors import ConfigError


def read(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    return list(manifest_rows(str(tmp_path / name)))


def kinds(rows):
    return [row.message if isinstance(row, ConfigError) else dict(row) for row in rows]


def test_lines_of_json_are_rows_errors_or_blank(tmp_path):
    content = b'\xef\xbb\xbf{"video": "a"}\n\n  \r\n{"video": "b"\n[1]\n"x"\n{"video": "\xc3\xa9"}'
    rows = read(tmp_path, "x.jsonl", content)
    wrong, other = "not valid JSON", "not a JSON object"
    assert kinds(rows) == [{"video": "a"}, wrong, other, other, {"video": "é"}]
    assert all(row.hint for row in rows if isinstance(row, ConfigError))


@pytest.mark.parametrize("name", ["x.jsonl", "x.ndjson", "x.txt"])
def test_other_suffixes_are_lines_of_json(tmp_path, name):
    assert read(tmp_path, name, b'{"a": 1}\n') == [{"a": 1}]


def test_a_line_may_have_16_mib(tmp_path, monkeypatch):
    monkeypatch.setattr("tam_video.batch.manifests._LONGEST_LINE", 1 << 21)
    longest = b'{"a": "%s"}' % (b"x" * ((1 << 21) - 10))
    assert len(longest) == (1 << 21) - 1
    assert len(read(tmp_path, "x.jsonl", longest + b"\n" + longest)) == 2
    with pytest.raises(ConfigError, match="has a line longer than 2 MiB"):
        read(tmp_path, "x.jsonl", longest + b" ")


def test_rows_of_csv_have_the_cells_of_the_first_line(tmp_path):
    rows = read(tmp_path, "X.CSV", b"video,question\na,1\nb\nc,2,3\nd,4\n")
    wrong = "the number of cells differs from that of the first line"
    one, two = {"video": "a", "question": "1"}, {"video": "d", "question": "4"}
    assert kinds(rows) == [one, wrong, wrong, two]


@pytest.mark.parametrize("column", ["video", "videos", "conversation"])
def test_csv_needs_a_column_that_names_videos(tmp_path, column):
    assert read(tmp_path, "x.csv", f"{column}\nx\n".encode()) == [{column: "x"}]
    for content in (b"", b"question\nx\n"):
        with pytest.raises(ConfigError, match="has no column 'video'"):
            read(tmp_path, "x.csv", content)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b'video\n"a', "is not a valid CSV file"),
        ("x.csv", b"video\n\xff", "is not a valid CSV file"),
        ("x.parquet", b"PAR1", "is not a valid parquet file"),
    ],
)
def test_a_damaged_file_is_an_error_of_the_manifest(tmp_path, name, content, message):
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, name, content)


def test_a_missing_manifest_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"can't read .*none\.csv: No such file"):
        list(manifest_rows(str(tmp_path / "none.csv")))
    with pytest.raises(ConfigError, match=r"can't read memory://none\.csv"):
        list(manifest_rows("memory://none.csv"))


def test_manifests_are_read_from_addresses(tmp_path):
    import fsspec

    system = fsspec.filesystem("memory")
    system.pipe_file("/m/x.csv", b"video\na\n")
    assert list(manifest_rows("memory://m/x.csv")) == [{"video": "a"}]
    system.rm_file("/m/x.csv")
    (tmp_path / "x.csv").write_bytes(b"video\nb\n")
    assert list(manifest_rows(f"file://{tmp_path}/x.csv")) == [{"video": "b"}]
