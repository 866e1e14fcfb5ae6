"""Read the rows of a manifest (JSON lines, CSV or Parquet) from a file or an object store.

Files are read row by row. An invalid line of JSON is returned as an error in its place; a damaged
CSV or parquet file is an error of the whole manifest.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from tam_video.batch.sources import file_system, is_remote
from tam_video.errors import ConfigError, optional_import

_LONGEST_LINE = 1 << 24  # bytes
_ROWS_AT_ONCE = 1024


def manifest_rows(source: str) -> Iterator[Mapping[str, Any] | ConfigError]:
    """Yield the rows of a manifest; its suffix selects the format.

    Raises:
        ConfigError: it cannot be read.
        MissingDependencyError: parquet without pyarrow.
    """
    kind = PurePosixPath(source).suffix.lower()
    read = {".csv": _csv_rows, ".parquet": _parquet_rows}.get(kind, _json_rows)
    with _opened(source) as file:
        yield from read(file, source)


@contextmanager
def _opened(source: str) -> Iterator[BinaryIO]:
    """Open a manifest and raise operating system errors as `ConfigError`."""
    try:
        if is_remote(source):
            system, path = file_system(source)
            with system.open(path, "rb") as raw, io.BufferedReader(raw) as file:
                yield file
        else:
            with open(source.removeprefix("file://"), "rb") as file:  # noqa: PTH123  a text
                yield file
    except OSError as exc:
        raise ConfigError(
            f"can't read {source}: {exc.strerror or exc}", hint="check the path"
        ) from exc


def _json_rows(file: BinaryIO, source: str) -> Iterator[Mapping[str, Any] | ConfigError]:
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            raise ConfigError(f"{source} has a line longer than {_LONGEST_LINE >> 20} MiB")
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            yield ConfigError("not valid JSON", hint="one JSON object per line, UTF-8")
            continue
        is_row = isinstance(row, dict)
        yield row if is_row else ConfigError("not a JSON object", hint='{"video": ...}')


def _csv_rows(file: BinaryIO, source: str) -> Iterator[Mapping[str, Any] | ConfigError]:
    try:
        with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text, strict=True)
            if not {"video", "videos", "conversation"} & set(reader.fieldnames or ()):
                raise ConfigError(
                    f"{source} has no column 'video'",
                    hint="the first line must name the columns, such as id,video,question",
                )
            for row in reader:
                if None in row or None in row.values():
                    yield ConfigError("the number of cells differs from that of the first line")
                else:
                    yield row
    except (csv.Error, UnicodeDecodeError) as exc:
        raise ConfigError(
            f"{source} is not a valid CSV file: {exc}", hint="save the file as UTF-8"
        ) from exc


def _parquet_rows(file: BinaryIO, source: str) -> Iterator[Mapping[str, Any] | ConfigError]:
    with optional_import("parquet needs pyarrow", install="'tam-video[parquet]'"):
        import pyarrow as arrow
        from pyarrow import parquet
    try:
        table = parquet.ParquetFile(file)
        for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE):
            yield from cast("list[dict[str, Any]]", batch.to_pylist())
    except (arrow.ArrowException, ValueError, OSError) as exc:
        raise ConfigError(f"{source} is not a valid parquet file: {exc}") from exc
