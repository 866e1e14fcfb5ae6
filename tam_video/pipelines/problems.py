"""Error messages of presets: which key, what was found, what is allowed."""

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


def list_problems(
    errors: Sequence[ErrorDetails], data: Mapping[str, Any], model: type[BaseModel]
) -> dict[KeyPath, str]:
    """Return the message of each wrong key, including `nan` and `inf`.

    Args:
        errors: errors of pydantic.
        data: the values that were checked.
        model: the model they were checked against.

    Returns:
        Path of the key -> message; the empty path stands for the document.
    """
    by_path: dict[KeyPath, list[ErrorDetails]] = {path: [] for path in _not_finite(data)}
    for error in errors:
        by_path.setdefault(_path_of(data, error), []).append(error)
    return {path: _message(path, each, data, model) for path, each in by_path.items()}


def dotted(path: KeyPath) -> str:
    """Return a path as text: `run.previews[1]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part.isascii() and part.replace("-", "_").isidentifier()
            text += ("." if text else "") + (part if plain else json.dumps(part))
    return text


def format_value(value: Any) -> str:
    """Return a value as TOML, shortened."""
    if isinstance(value, Mapping):
        text = "a table"
    elif isinstance(value, float):
        text = str(value)
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def known_keys(model: type[BaseModel]) -> Iterator[KeyPath]:
    """Yield the path of every field, including those of tables."""
    for name, field in model.model_fields.items():
        yield (name,)
        inner = table_model(field.annotation)
        if inner is not None:
            yield from ((name, *path) for path in known_keys(inner))


def table_model(annotation: Any) -> type[BaseModel] | None:
    """Return the model of a table or of a list of tables; None for other types."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for each in get_args(annotation) if (model := table_model(each))), None)


def _not_finite(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the paths of `nan` and `inf`, which JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path
    pairs = value.items() if isinstance(value, Mapping) else ()
    for key, each in enumerate(value) if isinstance(value, list | tuple) else pairs:
        yield from _not_finite(each, (*path, key))


def _path_of(data: Mapping[str, Any], error: ErrorDetails) -> KeyPath:
    """Return the path of an error, without the types of a union that pydantic appends."""
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
    if isinstance(value, float) and not math.isfinite(value):
        texts = ["Input should be a finite number"]
    allowed = " or ".join(dict.fromkeys(text.removeprefix("Input should be ") for text in texts))
    is_plain = all(text.startswith("Input should be ") for text in texts)
    return f"found {format_value(value)}{', allowed' if is_plain else ''}: {allowed}"


def _suggestion(path: KeyPath, model: type[BaseModel]) -> str:
    """Return the known key that was probably meant, preferably of the same table."""
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
