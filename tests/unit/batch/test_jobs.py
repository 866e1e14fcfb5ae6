"""Messages of a batch: which errors end it, and what the log keeps."""

from __future__ import annotations

import errno

import pytest

from tam_video import errors
from tam_video.batch.jobs import (
    Began,
    Ended,
    ItemError,
    ItemRequest,
    Job,
    Outcome,
    Ready,
    as_exception,
    as_json,
    from_json,
    is_broken_output,
    is_out_of_memory,
    item_error,
)
from tam_video.errors import ExportError, ModelError, VideoOpenError

KEY = "0" * 64


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT"])
def test_a_full_disk_ends_the_batch_whatever_was_written(name):
    full = OSError(getattr(errno, name), "full")
    assert is_broken_output(full)
    assert is_broken_output(caused(ExportError("x"), full))
    assert is_broken_output(caused(VideoOpenError("x"), full))
    assert is_broken_output(caused(VideoOpenError("x"), caused(ValueError("y"), full)))


@pytest.mark.parametrize("name", ["EROFS", "EACCES", "EPERM", "EIO", "ESTALE", "ENOTDIR"])
def test_an_output_that_is_not_writable_ends_the_batch_and_an_unreadable_input_does_not(name):
    denied = OSError(getattr(errno, name), "no")
    assert is_broken_output(caused(ExportError("x"), denied))
    assert not is_broken_output(caused(VideoOpenError("x"), denied))


def test_other_errors_of_the_output_fail_their_item_alone():
    assert not is_broken_output(caused(ExportError("x"), OSError(errno.ENOENT, "gone")))
    assert not is_broken_output(caused(ExportError("x"), ValueError(errno.ENOSPC)))
    assert not is_broken_output(ExportError("x"))


class OutOfMemoryError(RuntimeError):
    """Has the name of torch's."""


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (MemoryError(), True),
        (OutOfMemoryError("CUDA"), True),
        (type("Special", (OutOfMemoryError,), {})("CUDA"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("shapes differ"), False),
        (None, False),
    ],
)
def test_a_failed_allocation_is_recognised_at_any_depth(cause, expected):
    assert is_out_of_memory(caused(ModelError("x"), cause)) == expected
    assert is_out_of_memory(caused(ModelError("x"), caused(KeyError(), cause))) == expected


def test_errors_are_recorded_with_their_class_message_and_hint():
    own = VideoOpenError("no such file", hint="check the path")
    assert item_error(own) == ItemError("VideoOpenError", "no such file", "check the path")
    memory = item_error(MemoryError("numpy"))
    assert (memory.type, memory.message) == ("MemoryError", "ran out of memory")
    assert "fewer" in memory.hint
    bug = "this is a bug: please report it"
    assert item_error(ValueError("odd")) == ItemError("ValueError", "odd", bug)
    assert item_error(ValueError()) == ItemError("ValueError", "no message", bug)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("VideoOpenError", errors.VideoOpenError),
        ("ModelLoadError", errors.ModelLoadError),
        ("UnknownNameError", errors.ConfigError),
        ("TamVideoError", errors.TamVideoError),
    ],
)
def test_recorded_errors_become_exceptions_of_their_class(name, kind):
    error = as_exception(ItemError(name, "why", "do this"))
    assert (type(error), error.message, error.hint) == (kind, "why", "do this")


@pytest.mark.parametrize("name", ["KeyError", "annotations", "ImportError", "Iterator", "no_such"])
def test_errors_of_other_packages_become_model_errors(name):
    error = as_exception(ItemError(name, "why", "do this"))
    assert type(error) is ModelError
    assert (error.message, error.hint) == (f"{name}: why", "do this")


def test_the_log_keeps_what_is_the_same_in_every_run():
    done = Outcome(
        KEY, run="a-1", answer="2", maps="ab", num_warnings=3, seconds={"read": 1}, details={"x": 1}
    )
    record = as_json(done)
    assert record == {
        "key": KEY,
        "status": "done",
        "run": "a-1",
        "answer": "2",
        "maps": "ab",
        "num_warnings": 3,
    }
    assert from_json(record) == Outcome(KEY, run="a-1", answer="2", maps="ab", num_warnings=3)
    failed = Outcome(KEY, error=ItemError("KeyError", "x"), answer="never kept")
    record = as_json(failed)
    error = {"type": "KeyError", "message": "x", "hint": ""}
    assert record == {"key": KEY, "status": "failed", "error": error}
    assert from_json(record) == Outcome(KEY, error=ItemError("KeyError", "x"))


def test_damaged_records_are_refused():
    record = as_json(Outcome(KEY))
    for status in ("dome", "eon", "", None):
        with pytest.raises(ValueError, match="unknown status"):
            from_json({**record, "status": status})
    for damaged in ({"key": KEY}, {"key": KEY, "status": "done"}, {**record, "status": "failed"}):
        with pytest.raises(KeyError):
            from_json(damaged)


def test_messages_are_equal_by_value():
    # Workers send copies: a retried item is found by comparing its request.
    assert ItemRequest(KEY, "a", ()) == ItemRequest(KEY, "a", (), None, False, {})
    assert Job(1, ("a",), ()) == Job(1, ("a",), (), None, None)
    assert (Began("read", 1), Ended("read", 1)) == (Began("read", 1, None), Ended("read", 1, None))
    assert Ready() == Ready()
    defaults = Outcome(KEY)
    assert (defaults.error, defaults.run, defaults.answer, defaults.maps) == (None, "", "", None)
    assert (defaults.num_warnings, defaults.seconds, defaults.details) == (0, {}, {})
