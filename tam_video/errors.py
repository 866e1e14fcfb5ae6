"""Every error tam-video raises on purpose.

```
TamVideoError                   .hint: one line saying what to do next; .exit_code
|-- ConfigError (2)             bad option or file
|   |-- UnknownNameError        a name no registry knows; lists the close matches
|   `-- PresetError             a preset that makes no sense; .problems, one line each
|-- InputError (1)              the video can't be used
|   |-- VideoOpenError          missing, unreadable, not a video, refused playlist
|   |-- NoVideoStreamError      opens, but holds no (decodable) picture stream
|   |-- VideoDecodeError        a frame can't be decoded; .frame_index
|   `-- DatasetError            a public data set is missing, incomplete, or laid out differently
|-- ModelError (1)
|   |-- ModelLoadError          weights, config or processor missing or broken
|   |-- UnsupportedModelError   no adapter for this model_type
|   `-- TokenAlignmentError     placeholder count != t * h * w, or positions don't add up
|-- OutputError (1)
|   |-- EncodeError             the MP4 can't be written
|   |-- ExportError             another file can't be written
|   |-- RunFolderError          a run folder is unfinished, damaged or of another version
|   `-- OutputExistsError       refuses to overwrite without --force
|-- MissingDependencyError (1)  also an ImportError; the hint is the exact pip line
`-- BatchError (3)              some items failed, the rest are written
    |-- ItemTimeoutError        an item took too long; its worker was killed
    `-- WorkerDiedError         a worker died with an item again and again
```

`ValueError` and `TypeError` stay for programming mistakes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TamVideoError(Exception):
    """Root of the tree: a message for people, a hint with the next step, an exit code."""

    exit_code: int = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(TamVideoError):
    """A bad option, a bad configuration file, or options that contradict each other."""

    exit_code = 2


class UnknownNameError(ConfigError):
    """A name that a registry does not know."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(names)}"
        super().__init__(f"unknown {kind} {name!r}", hint=hint)
        self.name = name


class PresetError(ConfigError):
    """A preset that can't be used; `problems` has a line for each thing that is wrong."""

    def __init__(self, preset: str, problems: Iterable[str], *, hint: str = "") -> None:
        self.problems = tuple(problems)
        several = f" {len(self.problems)} problems\n  " if len(self.problems) > 1 else " "
        super().__init__(f"{preset}:{several}" + "\n  ".join(self.problems), hint=hint)


class InputError(TamVideoError):
    """The input video can't be used."""


class VideoOpenError(InputError):
    """The file is missing, unreadable, not a video, or refused."""


class NoVideoStreamError(InputError):
    """The file opens but holds no picture stream that can be decoded."""


class VideoDecodeError(InputError):
    """A frame can't be decoded; `frame_index` says which, where it is known."""

    def __init__(self, message: str, *, hint: str = "", frame_index: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.frame_index = frame_index


class DatasetError(InputError):
    """A folder is not the public data set it should be; the hint says where that is published."""


class ModelError(TamVideoError):
    """The model can't be used."""


class ModelLoadError(ModelError):
    """Weights, config or processor are missing or broken."""


class UnsupportedModelError(ModelError):
    """No adapter knows this `model_type`."""


class TokenAlignmentError(ModelError):
    """Tokens and cells do not add up: a map drawn from them would be wrong."""


class OutputError(TamVideoError):
    """A result can't be written or read back."""


class EncodeError(OutputError):
    """The annotated video can't be encoded."""


class ExportError(OutputError):
    """A result file can't be written."""


class RunFolderError(OutputError):
    """A run folder is unfinished, damaged, or of another schema version."""


class OutputExistsError(OutputError):
    """The output exists; nothing is overwritten without `--force`."""


class MissingDependencyError(TamVideoError, ImportError):
    """An optional package is not installed; the hint is the exact pip line."""


class BatchError(TamVideoError):
    """Some items of a batch failed; the rest are written."""

    exit_code = 3


class ItemTimeoutError(BatchError):
    """An item of a batch took longer than it may; its worker was killed."""


class WorkerDiedError(BatchError):
    """A worker died with an item of a batch, again when the item ran alone."""
