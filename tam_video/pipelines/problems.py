"""Write messages for invalid keys of a preset, with line, value and allowed values.

`tomllib` does not keep lines: a statement is the shortest run of lines that is valid TOML by
itself, so `tomllib` finds its end and the grammar is not implemented here.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and list indices from the top of a document to a value."""

_LONGEST_VALUE = 60
_CLOSING = ("]", "}", '"""', "'''")
_MAX_TRIES = 100  # after this, line numbers are given up, so that no text is slow


def list_problems(
    errors: Sequence[ErrorDetails], data: Mapping[str, Any], model: type[BaseModel]
) -> dict[KeyPath, str]:
    """Return a message for each invalid key.

    Args:
        errors: errors of pydantic.
        data: the values that were checked.
        model: the model they were checked against.

    Returns:
        Path of the key -> message; the empty path stands for the document.
    """
    by_path: dict[KeyPath, list[ErrorDetails]] = {}
    for error in errors:
        by_path.setdefault(_path_of(data, error), []).append(error)
    return {path: _message(path, each, data, model) for path, each in by_path.items()}


def dotted(path: KeyPath) -> str:
    """Format a key path as text, such as `run.previews[1]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part.isascii() and part.replace("-", "_").isidentifier()
            text += ("." if text else "") + (part if plain else json.dumps(part))
    return text


def format_value(value: Any) -> str:
    """Format a value as TOML, shortened if it is long."""
    if isinstance(value, Mapping):
        text = "a table"
    elif isinstance(value, float):
        text = str(value)
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def known_keys(model: type[BaseModel]) -> Iterator[KeyPath]:
    """Yield the path of every field, including the fields of nested tables."""
    for name, field in model.model_fields.items():
        yield (name,)
        inner = table_model(field.annotation)
        if inner is not None:
            yield from ((name, *path) for path in known_keys(inner))


def table_model(annotation: Any) -> type[BaseModel] | None:
    """Return the pydantic model that a field type contains, or None if it contains none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for each in get_args(annotation) if (model := table_model(each))), None)


def _path_of(data: Mapping[str, Any], error: ErrorDetails) -> KeyPath:
    """Return the path of the key with an error, without the type names that pydantic appends."""
    value: Any = data
    path: KeyPath = ()
    for part in error["loc"]:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return (*path, part) if error["type"] == "missing" else path
        path = (*path, part)
    return path


def _message(
    path: KeyPath, errors: Sequence[ErrorDetails], data: Mapping[str, Any], model: type[BaseModel]
) -> str:
    kinds = {error["type"] for error in errors}
    if "missing" in kinds:
        return "missing"
    if "extra_forbidden" in kinds:
        return f"unknown key; {_suggestion(path, model)}"
    texts = [error["msg"].removeprefix("Value error, ") for error in errors]
    if "value_error" in kinds or not path:
        return " ".join(dict.fromkeys(texts))
    value: Any = data
    for part in path:
        value = value[part]
    allowed = " or ".join(dict.fromkeys(text.removeprefix("Input should be ") for text in texts))
    is_plain = all(text.startswith("Input should be ") for text in texts)
    return f"found {format_value(value)}{', allowed' if is_plain else ''}: {allowed}"


def _suggestion(path: KeyPath, model: type[BaseModel]) -> str:
    """Return a hint with the most similar known key, preferably from the same table."""
    plain = tuple(part for part in path if isinstance(part, str))
    table, name = plain[:-1], plain[-1]
    known = list(known_keys(model))
    siblings = {str(each[-1]): each for each in known if each[:-1] == table}
    others = {str(each[-1]): each for each in reversed(known)}
    same = {name: others[name]} if name in others else {}
    for candidates, cutoff in ((siblings, 0.6), (same, 1.0), (others, 0.85)):
        close = difflib.get_close_matches(name, candidates, n=1, cutoff=cutoff)
        if close:
            return f"did you mean {dotted(candidates[close[0]])}?"
    return f"known here: {', '.join(sorted(siblings))}" if siblings else "there is no such table"


def key_lines(text: str) -> dict[KeyPath, int]:
    """Map each key, table and list entry to its first line number, counted from 1.

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
    """Return the line of a key or of the closest enclosing table, or None if neither has a line."""
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
    """Return the path of the table that a header opens. [[name]] opens the next entry of a list."""
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
    """Yield the path of every key and list entry in a value, at any depth."""
    pairs = value.items() if isinstance(value, Mapping) else ()
    for key, each in enumerate(value) if isinstance(value, list) else pairs:
        yield (*path, key)
        yield from _paths(each, (*path, key))
