"""Read the annotation files of public data sets, and check their format.

A path that an annotation names is never followed out of the data folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from tam_video.errors import DatasetError

Form = TypeVar("Form")
_IMAGES = frozenset({".jpg", ".jpeg", ".png"})


class Record(BaseModel):
    """A JSON object in an annotation file. Fields that are not declared are ignored."""

    model_config = ConfigDict(frozen=True)


def _not_bool(value: Any) -> Any:
    if isinstance(value, bool | float):
        raise ValueError("Input should be an integer")  # noqa: TRY004 - pydantic reports it
    return value


Integer = Annotated[int, BeforeValidator(_not_bool)]
"""An integer, written as a number or as text."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise `DatasetError` if the file read inside `with` is missing, unreadable or malformed."""
    try:
        yield
    except FileNotFoundError as exc:
        raise DatasetError(f"{path} is missing") from exc
    except OSError as exc:
        raise DatasetError(f"can't read {path}: {exc.strerror or exc}") from exc
    except ValidationError as exc:
        problem = exc.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        at = f"{path} at {where}" if where else path
        raise DatasetError(f"{at} is damaged or has another format: {problem['msg']}") from exc
    except (ValueError, RecursionError, SyntaxError) as exc:
        raise DatasetError(f"{path} is damaged or has another format: {exc}") from exc


def read_json(path: Path, form: type[Form]) -> Form:
    """Read a JSON file as a `Record` or as a type such as `dict[str, list[int]]`.

    Raises:
        DatasetError: it is missing, or of another form; so in the functions below.
    """
    with reading(path):
        return TypeAdapter(form).validate_json(path.read_bytes())


def read_lines(path: Path, *, encoding: str = "utf-8") -> list[str]:
    """Return the non-empty lines of a text file, without surrounding spaces."""
    with reading(path):
        lines = path.read_text(encoding=encoding).splitlines()
    return [line for line in map(str.strip, lines) if line]


def inside(folder: Path, *names: str) -> Path:
    """Join a folder and path parts from an annotation. Paths outside the folder raise an error."""
    path = folder
    for name in names:
        part = PurePosixPath(name)
        if part.is_absolute() or ".." in part.parts or "\0" in name or not part.parts:
            raise DatasetError(f"an annotation in {folder} names a path outside it: {name!r}")
        path = path / part
    return path


def first_of(folder: Path, *names: str) -> Path:
    """Return the first folder or file that exists, or raise an error if none of them does."""
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise DatasetError(f"{folder} contains no {' or '.join(names)}")


def image_files(folder: Path) -> tuple[Path, ...]:
    """Return the images in a folder, sorted by name, or raise an error if there are none."""
    with reading(folder):
        images = sorted(path for path in folder.iterdir() if path.suffix.lower() in _IMAGES)
    if not images:
        raise DatasetError(f"{folder} contains no images")
    return tuple(images)
