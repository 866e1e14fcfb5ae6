"""Write files atomically, lock folders, and convert operating system errors to `ExportError`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tam_video.errors import ConfigError, ExportError

NEVER_FOLLOW_LINKS = getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def wrap_os_errors(path: Path) -> Iterator[None]:
    """Convert operating system errors to `ExportError`."""
    try:
        yield
    except OSError as exc:
        raise ExportError(
            f"can't write {path}: {exc.strerror or exc}", hint="check space and permissions"
        ) from exc


def atomic_write(path: Path, content: str | bytes) -> Path:
    """Write a file atomically: write it under a temporary name, then rename it.

    Text is written as UTF-8; a lone surrogate is written as its JSON escape.

    Raises:
        ExportError: it cannot be written.
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


@contextmanager
def temporary_folder(parent: Path, *, prefix: str) -> Iterator[Path]:
    """Yield a temporary folder in `parent`, and remove it at the end.

    Raises:
        ExportError: it cannot be created.
    """
    with wrap_os_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True)
    with folder as name:
        yield Path(name)


def move_all(names: Sequence[str], source: Path, target: Path) -> None:
    """Move files and folders to another folder, and replace existing ones. On failure, undo all.

    Raises:
        OSError: one cannot be moved; both folders are as before.
    """
    begun = []
    with tempfile.TemporaryDirectory(dir=source, ignore_cleanup_errors=True) as replaced:
        old = Path(replaced)
        try:
            for name in names:
                begun.append(name)
                if os.path.lexists(target / name):
                    (target / name).rename(old / name)
                (source / name).rename(target / name)
        except OSError:
            for name in begun:
                if not os.path.lexists(source / name):
                    (target / name).rename(source / name)
                if os.path.lexists(old / name):
                    (old / name).rename(target / name)
            raise


def take_lock(path: Path, *, folder: Path, option: str = "-o DIR") -> int:
    """Lock a folder. The lock file is created if needed.

    Args:
        path: the lock file.
        folder: the folder, for messages.
        option: the option that names the folder, for the hint.

    Returns:
        A file handle; the lock is held until it is closed or the process ends.

    Raises:
        ConfigError: another process holds the lock.
        ExportError: the file cannot be created.
    """
    import fcntl

    with wrap_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | NEVER_FOLLOW_LINKS, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(handle)
        raise ConfigError(
            f"another process is using {folder}",
            hint=f"wait until that process has ended, or choose another folder with {option}",
        ) from exc
    return handle


def sync(path: Path) -> None:
    """Wait until a file's content or a folder's entries are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
