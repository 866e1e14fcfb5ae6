"""What goes between the process that runs a batch and its workers: plain values."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from tam_video import errors
from tam_video.errors import OutputError, TamVideoError
from tam_video.types import Message

JobPhase: TypeAlias = Literal["read", "answer", "write"]

# Where these stop an item, they would stop the next one too.
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NOT_WRITABLE = frozenset(
    {errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ENOTDIR}
)


@dataclass(frozen=True, slots=True)
class ItemRequest:
    """One item of a batch, as a worker sees it.

    Attributes:
        key: the item's name by content.
        run: the name of its run folder.
        turns: what is asked; the turns show every input.
        answer: explain this answer instead of generating one.
        may_exist: whether its run folder may be there already: an earlier worker died with it.
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
    """Questions on the same clip, which is decoded once for all of them.

    Attributes:
        number: counts the jobs of a batch.
        videos: where the inputs are.
        questions: what is asked about them.
        start_seconds: explain from here, counted from the first frame.
        end_seconds: explain up to here.
    """

    number: int
    videos: tuple[str, ...]
    questions: tuple[ItemRequest, ...]
    start_seconds: float | None = None
    end_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ItemError:
    """Why an item failed, as a ledger tells it.

    Attributes:
        type: name of the error's class.
        message: what is wrong.
        hint: what to do next; may be empty.
    """

    type: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an item ended.

    Attributes:
        key: the item's name by content.
        error: why it failed; None if it is done.
        run: the name of its run folder; empty if it failed.
        answer: what the model said.
        maps: SHA-256 of its `maps.npz`; None if that is not kept.
        num_warnings: fallbacks that its explanation tells of.
        seconds: stage -> seconds; not stored.
        details: further values for the caller; not stored.
    """

    key: str
    error: ItemError | None = None
    run: str = ""
    answer: str = ""
    maps: str | None = None
    num_warnings: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker has loaded its model."""


@dataclass(frozen=True, slots=True)
class Began:
    """A worker began a stage of a job; `key` names the item, None where all of the job wait."""

    stage: JobPhase
    job: int
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker ended the stage that it had begun."""

    stage: JobPhase
    job: int
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """An item is done or has failed."""

    job: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Broken:
    """A worker can't go on, and no other could: no model, or nowhere to write."""

    error: ItemError


@dataclass(frozen=True, slots=True)
class Died:
    """A worker is gone; `reason` says how."""

    reason: str


WorkerEvent: TypeAlias = Ready | Began | Ended | Finished | Broken | Died


def item_error(exc: BaseException) -> ItemError:
    """What a ledger keeps of an exception."""
    if isinstance(exc, TamVideoError):
        return ItemError(type(exc).__name__, exc.message, exc.hint)
    if isinstance(exc, MemoryError):
        hint = "give the model fewer or smaller frames, or use fewer workers"
        return ItemError("MemoryError", "ran out of memory", hint)
    return ItemError(
        type(exc).__name__, str(exc) or "no message", "this is a bug: please report it"
    )


def as_exception(error: ItemError) -> TamVideoError:
    """The exception that an `ItemError` was made from, or the next best of ours."""
    kind = getattr(errors, error.type, None)
    if kind is errors.UnknownNameError:
        kind = errors.ConfigError
    if isinstance(kind, type) and issubclass(kind, TamVideoError):
        return kind(error.message, hint=error.hint)
    return errors.ModelError(f"{error.type}: {error.message}", hint=error.hint)


def is_broken_output(exc: BaseException) -> bool:
    """Whether an error says that the batch can't write at all: a full disk, no permission."""
    codes = _DISK_FULL | (_NOT_WRITABLE if isinstance(exc, OutputError) else frozenset())
    return any(isinstance(cause, OSError) and cause.errno in codes for cause in _causes(exc))


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether an error comes from a failed allocation, of the host or of a GPU."""
    for cause in _causes(exc):
        names = {kind.__name__ for kind in type(cause).__mro__}
        if names & {"MemoryError", "OutOfMemoryError"} or "can't allocate memory" in str(cause):
            return True
    return False


def _causes(exc: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = exc
    while cause is not None:
        yield cause
        cause = cause.__cause__


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The part of an outcome that is the same in every run of the item."""
    told: dict[str, Any] = {"key": outcome.key, "status": "failed" if outcome.error else "done"}
    if outcome.error is not None:
        error = outcome.error
        return {**told, "error": {"type": error.type, "message": error.message, "hint": error.hint}}
    return {
        **told,
        "run": outcome.run,
        "answer": outcome.answer,
        "maps": outcome.maps,
        "num_warnings": outcome.num_warnings,
    }


def from_json(told: Mapping[str, Any]) -> Outcome:
    """The outcome that `as_json` told.

    Raises:
        KeyError: a field is missing.
        TypeError: a field is of another kind.
        ValueError: an unknown status.
    """
    key, status = str(told["key"]), told["status"]
    if status == "failed":
        return Outcome(key, error=ItemError(**told["error"]))
    if status != "done":
        raise ValueError(f"unknown status {status!r}")
    return Outcome(
        key,
        run=str(told["run"]),
        answer=str(told["answer"]),
        maps=told["maps"],
        num_warnings=int(told["num_warnings"]),
    )
