"""Line numbers of the keys of a TOML text, which `tomllib` does not keep.

A statement is the shortest run of lines that is valid TOML by itself, so `tomllib` finds its end
and the grammar is not implemented here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and list indices from the top of a document to a value."""

_CLOSING = ("]", "}", '"""', "'''")
_MAX_TRIES = 100  # after this, line numbers are given up, so that no text is slow


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, of each key, table and list entry; of long values the first line.

    Args:
        text: a whole document that `tomllib` reads.
    """
    result: dict[KeyPath, int] = {}
    num_tables: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for line, statement, parsed in _statements(text):
        is_header = statement.lstrip().startswith("[")
        if is_header:
            table = _table_path(parsed, num_tables)
        for path in (table,) if is_header else _paths(parsed, table):
            result.setdefault(path, line)
    return result


def line_of(path: KeyPath, lines: Mapping[KeyPath, int]) -> int | None:
    """Return the line of a key or of the closest table around it; None for the document."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    lines = text.replace("\r\n", "\n").split("\n")
    start, tries = 0, 0
    for number, line in enumerate(lines):
        if number > start and not any(mark in line for mark in _CLOSING):
            continue
        statement = "\n".join(lines[start : number + 1])
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            tries += 1
            if tries > _MAX_TRIES:
                return
            continue
        if parsed:
            yield start + 1, statement, parsed
        start, tries = number + 1, 0


def _table_path(header: Mapping[str, Any], num_tables: dict[KeyPath, int]) -> KeyPath:
    """Return the path of a header's table, in a list of tables that of the last one."""
    path: KeyPath = ()
    value: Any = header
    while isinstance(value, Mapping) and value:
        ((key, value),) = value.items()
        path = (*path, key)
        if isinstance(value, list):
            num_tables[path] = num_tables.get(path, 0) + 1
            value = value[0]
        if path in num_tables:
            path = (*path, num_tables[path] - 1)
    return path


def _paths(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    """Yield every path below a value."""
    pairs = value.items() if isinstance(value, Mapping) else ()
    for key, each in enumerate(value) if isinstance(value, list) else pairs:
        yield (*path, key)
        yield from _paths(each, (*path, key))
