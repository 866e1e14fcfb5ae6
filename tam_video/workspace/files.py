"""Files that a kill can't spoil: written whole, or grown line by line.

A whole file is written aside and renamed. A line counts once its end is on the disk; a torn last
line is cut off when the file is opened again.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tam_video.errors import ExportError

NEVER_FOLLOW_LINKS = getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def wrap_os_errors(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into `ExportError`."""
    try:
        yield
    except OSError as exc:
        raise ExportError(
            f"can't write {path}: {exc.strerror or exc}", hint="check space and permissions"
        ) from exc


def atomic_write(path: Path, content: str | bytes) -> Path:
    """Write a file aside and rename it: it is whole or not there.

    Text is written as UTF-8; a lone surrogate becomes the escape that JSON has for it.

    Raises:
        ExportError: it can't be written.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    with wrap_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            return temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def take_lock(path: Path) -> int:
    """Hold a file as the sign that one process works beside it; made where it is missing.

    Returns:
        A handle that holds it until it is closed or this process ends, however it ends.

    Raises:
        BlockingIOError: another process holds it.
        ExportError: the file can't be made.
    """
    import fcntl

    with wrap_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | NEVER_FOLLOW_LINKS, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(handle)
        raise BlockingIOError(str(path)) from exc
    return handle


def append_lines(path: Path, lines: Sequence[bytes]) -> int:
    """Add lines to a file and wait until the disk has them: all of them, or none.

    Args:
        path: the file; made where it is missing. A symbolic link is refused.
        lines: without their ends.

    Returns:
        Where the first of them begins, in bytes.

    Raises:
        ExportError: they can't be written; the file is as it was.
    """
    data = b"".join(line + b"\n" for line in lines)
    flags = os.O_WRONLY | os.O_CREAT | NEVER_FOLLOW_LINKS
    with wrap_os_errors(path):
        is_new = not path.exists()
        handle = os.open(path, flags, 0o644)
        try:
            start = os.lseek(handle, 0, os.SEEK_END)
            try:
                _write_all(handle, data)
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, start)
                raise
        finally:
            os.close(handle)
        if is_new:
            sync(path.parent)
    return start


def whole_lines(path: Path, *, repair: bool = False) -> Iterator[tuple[int, bytes]]:
    """The lines that have an end, with the byte they begin at.

    Args:
        path: the file; a missing one has no lines. A symbolic link is refused.
        repair: cut off a last line without an end, which a kill left behind.

    Raises:
        ExportError: it can't be read or repaired.
    """
    with wrap_os_errors(path):
        if not os.path.lexists(path):
            return
        handle = os.open(path, (os.O_RDWR if repair else os.O_RDONLY) | NEVER_FOLLOW_LINKS)
        start = 0
        with os.fdopen(handle, "r+b" if repair else "rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                yield start, line[:-1]
                start += len(line)
            if repair:
                file.truncate(start)


def sync(path: Path) -> None:
    """Wait until the disk has a file's content, or the names in a folder.

    Raises:
        OSError: it can't be done.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
