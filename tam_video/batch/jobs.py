"""Value classes for the messages between the main process of a batch and its workers."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from tam_video import errors
from tam_video.errors import OutputError, TamVideoError
from tam_video.types import Message

JobPhase: TypeAlias = Literal["read", "answer", "write"]

# Errors that would also fail every following item.
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NOT_WRITABLE = frozenset(
    {errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ENOTDIR}
)


@dataclass(frozen=True, slots=True)
class ItemRequest:
    """One item of a batch, as a worker receives it.

    Attributes:
        key: hash of its content.
        run: name of its run folder.
        turns: the conversation; the turns show every input.
        answer: explain this answer instead of generating one.
        may_exist: whether its run folder may exist: an earlier worker died while writing it.
        extra: `BatchItem.extra`.
    """

    key: str
    run: str
    turns: tuple[Message, ...]
    answer: str | None = None
    may_exist: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """A group of items about the same part of a clip. The part is decoded only once.

    Attributes:
        number: number of the job in the batch.
        videos: paths or addresses of the inputs.
        questions: the items.
        start_seconds: start of the explained part, from the first frame.
        end_seconds: end of the explained part.
    """

    number: int
    videos: tuple[str, ...]
    questions: tuple[ItemRequest, ...]
    start_seconds: float | None = None
    end_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ItemError:
    """The error with which an item failed, in the form that the log records.

    Attributes:
        type: class name of the error.
        message: its message.
        hint: what to do next; may be empty.
    """

    type: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an item, or the error with which it failed.

    Attributes:
        key: hash of its content.
        error: why it failed; None if it is done.
        run: name of its run folder; empty if it failed.
        answer: answer of the model.
        maps: SHA-256 of its `maps.npz`; None if that is not kept.
        num_warnings: number of warnings in its explanation.
        profile: name of its profile; "" if unknown.
        verdict: of the calibration of its profile; "" without one.
        seconds: stage -> seconds; not stored.
        details: further values for the caller; not stored.
    """

    key: str
    error: ItemError | None = None
    run: str = ""
    answer: str = ""
    maps: str | None = None
    num_warnings: int = 0
    profile: str = ""
    verdict: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker has loaded its model."""


@dataclass(frozen=True, slots=True)
class Began:
    """A worker has started a phase for the item `key`, or for the whole job if `key` is None."""

    stage: JobPhase
    job: int
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker has ended a phase. An earlier `Began` has reported the start of the phase."""

    stage: JobPhase
    job: int
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """An item has succeeded or failed."""

    job: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Broken:
    """An error that stops every worker, such as a model that can't be loaded or a full disk."""

    error: ItemError


@dataclass(frozen=True, slots=True)
class Died:
    """A worker has died; `reason` names the signal or the exit code."""

    reason: str


WorkerEvent: TypeAlias = Ready | Began | Ended | Finished | Broken | Died

_STORED = ("run", "answer", "maps", "num_warnings")  # fields of a finished item in the log
_OPTIONAL = ("profile", "verdict")  # not in logs of version 0.1


def item_error(exc: BaseException) -> ItemError:
    """Convert an exception to the `ItemError` that the log records."""
    if isinstance(exc, TamVideoError):
        return ItemError(type(exc).__name__, exc.message, exc.hint)
    if isinstance(exc, MemoryError):
        hint = "give the model fewer or smaller frames, or use fewer workers"
        return ItemError("MemoryError", "ran out of memory", hint)
    return ItemError(
        type(exc).__name__, str(exc) or "no message", "this is a bug: please report it"
    )


def as_exception(error: ItemError) -> TamVideoError:
    """Convert an `ItemError` to an exception: a `ModelError` if the class is unknown."""
    kind = getattr(errors, error.type, None)
    if kind is errors.UnknownNameError:
        kind = errors.ConfigError
    if isinstance(kind, type) and issubclass(kind, TamVideoError):
        return kind(error.message, hint=error.hint)
    return errors.ModelError(f"{error.type}: {error.message}", hint=error.hint)


def is_broken_output(exc: BaseException) -> bool:
    """Return whether an error means that no file can be written, such as a full disk."""
    codes = _DISK_FULL | (_NOT_WRITABLE if isinstance(exc, OutputError) else frozenset())
    return any(isinstance(cause, OSError) and cause.errno in codes for cause in _causes(exc))


def is_out_of_memory(exc: BaseException) -> bool:
    """Return whether an error was caused by a failed allocation on the host or on a GPU."""
    return any(
        {"MemoryError", "OutOfMemoryError"} & {kind.__name__ for kind in type(cause).__mro__}
        or "can't allocate memory" in str(cause)
        for cause in _causes(exc)
    )


def _causes(exc: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = exc
    while cause is not None:
        yield cause
        cause = cause.__cause__


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON values, without the values that change from run to run."""
    if outcome.error is not None:
        return {"key": outcome.key, "status": "failed", "error": asdict(outcome.error)}
    stored = {name: getattr(outcome, name) for name in _STORED}
    stored |= {name: value for name in _OPTIONAL if (value := getattr(outcome, name))}
    return {"key": outcome.key, "status": "done", **stored}


def from_json(record: Mapping[str, Any]) -> Outcome:
    """Create an outcome from the JSON values that `as_json` returned.

    Raises:
        KeyError, TypeError, ValueError: the record is damaged.
    """
    key, status = str(record["key"]), record["status"]
    if status == "failed":
        return Outcome(key, error=ItemError(**record["error"]))
    if status != "done":
        raise ValueError(f"unknown status {status!r}")
    optional = {name: record[name] for name in _OPTIONAL if name in record}
    return Outcome(key, **{name: record[name] for name in _STORED} | optional)
