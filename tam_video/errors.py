"""All errors that tam-video raises deliberately.

```
TamVideoError                   .hint: one line saying what to do next; .exit_code
|-- ConfigError (2)             bad option or file
|   |-- UnknownNameError        a name that is not registered; lists close matches
|   `-- PresetError             a preset that is not valid; .problems, one line each
|-- InputError (1)              the video can't be used
|   |-- VideoOpenError          missing, unreadable, not a video, refused playlist
|   |-- NoVideoStreamError      opens, but has no (decodable) video stream
|   |-- VideoDecodeError        a frame can't be decoded; .frame_index
|   `-- DatasetError            a public data set is missing, incomplete, or has another layout
|-- ModelError (1)
|   |-- ModelLoadError          weights, config or processor missing or broken
|   |-- UnsupportedModelError   no adapter for this model_type
|   `-- TokenAlignmentError     placeholder count != t * h * w, or positions don't add up
|-- OutputError (1)
|   |-- EncodeError             the MP4 can't be written
|   |-- ExportError             another file can't be written
|   |-- RunFolderError          a run folder is unfinished, damaged or of another version
|   `-- OutputExistsError       refuses to overwrite without --force
|-- MissingDependencyError (1)  also an ImportError; the hint is the pip command
`-- BatchError (3)              some items failed, the rest are written
    |-- ItemTimeoutError        an item took too long; its worker was killed
    `-- WorkerDiedError         a worker died on an item repeatedly
```

`ValueError` and `TypeError` are programming errors.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class TamVideoError(Exception):
    """Base class of all errors: a message, a hint on what to do next, and an exit code."""

    exit_code: int = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(TamVideoError):
    """An option or configuration file is invalid, or options contradict each other."""

    exit_code = 2


class UnknownNameError(ConfigError):
    """A name is unknown; the hint lists close matches, or all known names."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(names)}"
        super().__init__(f"unknown {kind} {name!r}", hint=hint)
        self.name, self.known = name, tuple(names)


class PresetError(ConfigError):
    """A preset is invalid; `problems` has one line per problem."""

    def __init__(self, preset: str, problems: Iterable[str], *, hint: str = "") -> None:
        self.problems = tuple(problems)
        several = f" {len(self.problems)} problems\n  " if len(self.problems) > 1 else " "
        super().__init__(f"{preset}:{several}" + "\n  ".join(self.problems), hint=hint)


class InputError(TamVideoError):
    """The input video can't be used."""


class VideoOpenError(InputError):
    """The file is missing, unreadable, not a video, or not allowed."""


class NoVideoStreamError(InputError):
    """The file opens but has no video stream that can be decoded."""


class VideoDecodeError(InputError):
    """A frame can't be decoded. `frame_index` is its index, or None if unknown."""

    def __init__(self, message: str, *, hint: str = "", frame_index: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.frame_index = frame_index


class DatasetError(InputError):
    """A folder does not contain the expected public data set; the hint says where to get it."""


class ModelError(TamVideoError):
    """The model can't be used."""


class ModelLoadError(ModelError):
    """The weights, config or processor of a model are missing or broken."""


class UnsupportedModelError(ModelError):
    """The model's `model_type` is not supported, or transformers can't run this model."""


class TokenAlignmentError(ModelError):
    """The visual tokens do not match the cells of the grid, so maps would be wrong."""


class OutputError(TamVideoError):
    """A result can't be written or read back."""


class EncodeError(OutputError):
    """The annotated video, or another MP4, can't be written."""


class ExportError(OutputError):
    """A result file can't be written."""


class RunFolderError(OutputError):
    """A run folder is unfinished or damaged, or has a different schema version."""


class OutputExistsError(OutputError):
    """The output exists already; pass `--force` to overwrite it."""


class MissingDependencyError(TamVideoError, ImportError):
    """An optional package is not installed; the hint is the pip command that installs it."""


@contextmanager
def optional_import(message: str, *, install: str) -> Iterator[None]:
    """Convert an import error to `MissingDependencyError` with the hint `pip install {install}`."""
    try:
        yield
    except ImportError as exc:
        raise MissingDependencyError(message, hint=f"pip install {install}") from exc


class BatchError(TamVideoError):
    """Some items of a batch failed; the other results are written."""

    exit_code = 3


class ItemTimeoutError(BatchError):
    """An item of a batch exceeded the time limit; the worker process was killed."""


class WorkerDiedError(BatchError):
    """A worker process died on an item of a batch, and again when the item ran alone."""
