"""What is wrong with a preset, in words: which key, what was found, what is allowed."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from tam_video.pipelines.toml_lines import KeyPath

_LONGEST_VALUE = 60
_ALLOWED: Mapping[str, str] = {
    "bool_type": "true or false",
    "dict_type": "a table",
    "float_type": "a number",
    "frozen_set_type": "a list",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a table",
    "path_type": "a path in quotes",
    "set_type": "a list",
    "string_type": "a text in quotes",
    "tuple_type": "a list",
}
_BOUNDS: Mapping[str, str] = {
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "less than {lt:g}",
    "less_than_equal": "{le:g} or less",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "a text like {pattern}",
    "string_too_short": "a text of at least {min_length} character(s)",
    "string_too_long": "a text of at most {max_length} character(s)",
    "too_long": "at most {max_length} of them",
    "too_short": "at least {min_length} of them",
}


def told_problems(
    errors: Sequence[ErrorDetails], data: Mapping[str, Any], model: type[BaseModel]
) -> dict[KeyPath, str]:
    """What is wrong with each key, `nan` and `inf` among it; the empty path is the whole.

    Args:
        errors: what pydantic found.
        data: what was checked.
        model: what it was checked against.
    """
    by_path: dict[KeyPath, list[ErrorDetails]] = {path: [] for path in _not_finite(data)}
    for error in errors:
        by_path.setdefault(_path_in(data, error), []).append(error)
    return {path: _told(path, found, data, model) for path, found in by_path.items()}


def dotted(path: KeyPath) -> str:
    """A path as a person writes it: `run.previews[1]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part.isascii() and part.replace("-", "_").isidentifier()
            text += ("." if text else "") + (part if plain else json.dumps(part))
    return text


def shown(value: Any) -> str:
    """A value as TOML writes it, shortened."""
    if isinstance(value, Mapping):
        text = "a table"
    elif isinstance(value, float):
        text = str(value)
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def known_keys(model: type[BaseModel]) -> Iterator[KeyPath]:
    """The path of every field, those of tables in it too."""
    for name, field in model.model_fields.items():
        yield (name,)
        inner = table_model(field.annotation)
        if inner is not None:
            yield from ((name, *path) for path in known_keys(inner))


def _not_finite(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Where `nan` and `inf` stand, which TOML can write."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path
    pairs = value.items() if isinstance(value, Mapping) else ()
    for key, each in enumerate(value) if isinstance(value, list | tuple) else pairs:
        yield from _not_finite(each, (*path, key))


def _path_in(data: Mapping[str, Any], error: ErrorDetails) -> KeyPath:
    """An error's place without what pydantic adds: names of the types that were tried."""
    value: Any = data
    path: KeyPath = ()
    for part in error["loc"]:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return (*path, part) if error["type"] == "missing" else path
        path = (*path, part)
    return path


def _told(
    path: KeyPath, errors: Sequence[ErrorDetails], data: Mapping[str, Any], model: type[BaseModel]
) -> str:
    kinds = {error["type"] for error in errors}
    if "missing" in kinds:
        return "missing"
    if "extra_forbidden" in kinds:
        return f"unknown key; {_suggestion(path, model)}"
    if "value_error" in kinds or not path:
        return " ".join(dict.fromkeys(map(_own_words, errors)))
    value: Any = data
    for part in path:
        value = value[part]
    allowed = " or ".join(dict.fromkeys(map(_allowed, errors)))
    if isinstance(value, float) and not math.isfinite(value):
        allowed = "a finite number"
    return f"found {shown(value)}, allowed: {allowed}"


def _allowed(error: ErrorDetails) -> str:
    kind = error["type"]
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**error.get("ctx", {}))
    return _ALLOWED.get(kind) or _own_words(error)


def _own_words(error: ErrorDetails) -> str:
    return error["msg"].removeprefix("Value error, ")


def _suggestion(path: KeyPath, model: type[BaseModel]) -> str:
    """The known key that was probably meant: in the same table, else in another one."""
    plain = tuple(part for part in path if isinstance(part, str))
    table, name = plain[:-1], plain[-1]
    known = list(known_keys(model))
    beside = {str(each[-1]): each for each in known if each[:-1] == table}
    elsewhere = {str(each[-1]): each for each in reversed(known)}
    same = {name: elsewhere[name]} if name in elsewhere else {}
    for place, likeness in ((beside, 0.6), (same, 1.0), (elsewhere, 0.85)):
        close = difflib.get_close_matches(name, place, n=1, cutoff=likeness)
        if close:
            return f"did you mean {dotted(place[close[0]])}?"
    return f"known here: {', '.join(sorted(beside))}" if beside else "there is no such table"


def table_model(annotation: Any) -> type[BaseModel] | None:
    """The model of a table, or of a list of tables."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := table_model(each))), None)
