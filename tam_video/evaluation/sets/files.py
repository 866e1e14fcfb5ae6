"""Annotation files of public sets: found, read and checked, with an error that names the place.

What an annotation names is never taken for a path outside of the data folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from tam_video.errors import DatasetError

Kind = TypeVar("Kind")
_IMAGES = frozenset({".jpg", ".jpeg", ".png"})


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn errors of a file that is missing, unreadable or of another form into ours."""
    try:
        yield
    except FileNotFoundError as exc:
        raise DatasetError(f"{path} is missing") from exc
    except OSError as exc:
        raise DatasetError(f"can't read {path}: {exc.strerror or exc}") from exc
    except (ValueError, RecursionError, SyntaxError) as exc:
        raise DatasetError(f"{path} is damaged or of another form: {exc}") from exc


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        DatasetError: it is missing or no JSON.
    """
    with reading(path):
        return json.loads(path.read_bytes())


def read_lines(path: Path, *, encoding: str = "utf-8") -> list[str]:
    """The lines of a text file that are not empty, without their ends.

    Raises:
        DatasetError: it is missing, or not in this encoding.
    """
    with reading(path):
        lines = path.read_text(encoding=encoding).splitlines()
    return [line for line in map(str.strip, lines) if line]


def checked(value: object, kind: type[Kind], where: str) -> Kind:
    """A value of an annotation, of the kind that it should be.

    Raises:
        DatasetError: it is of another kind.
    """
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise DatasetError(f"{where} is not {kind.__name__} but {type(value).__name__}")
    return value


def field(record: object, name: str, kind: type[Kind], where: str) -> Kind:
    """A field of an annotation's object.

    Args:
        record: the object.
        name: of the field.
        kind: what it holds.
        where: what to call the object in an error.

    Raises:
        DatasetError: there is no such field, or it holds something else.
    """
    known = checked(record, dict, where)
    if name not in known:
        raise DatasetError(f"{where} has no {name!r}")
    return checked(known[name], kind, f"{name!r} of {where}")


def number(value: object, where: str) -> int:
    """A whole number, written as a number or as text.

    Raises:
        DatasetError: it is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    raise DatasetError(f"{where} is no whole number")


def number_field(record: object, name: str, where: str) -> int:
    """A field that holds a whole number, or text that spells one.

    Raises:
        DatasetError: there is no such field, or it is no whole number.
    """
    return number(field(record, name, object, where), f"{name!r} of {where}")


def inside(folder: Path, *names: str) -> Path:
    """A path in a folder from names that an annotation tells.

    Raises:
        DatasetError: a name would lead out of the folder.
    """
    path = folder
    for name in names:
        part = PurePosixPath(name)
        if part.is_absolute() or ".." in part.parts or "\0" in name or not part.parts:
            raise DatasetError(f"an annotation of {folder} names the file {name!r}")
        path = path / part
    return path


def first_of(folder: Path, *names: str) -> Path:
    """The first of some folders or files that is there.

    Raises:
        DatasetError: none is.
    """
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise DatasetError(f"{folder} holds no {' or '.join(names)}")


def image_files(folder: Path) -> tuple[Path, ...]:
    """The images of a folder by name.

    Raises:
        DatasetError: the folder is missing, or holds none.
    """
    with reading(folder):
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in _IMAGES)
    if not found:
        raise DatasetError(f"{folder} holds no image")
    return tuple(found)
