"""Where a batch writes: a folder, or a place in an object store.

Both give the same promises. A run folder appears whole: by a rename, or with its manifest last. A
line of the ledger counts once it is stored.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from tam_video.batch.sources import is_remote
from tam_video.errors import ConfigError, OutputExistsError, RunFolderError
from tam_video.export.manifest import read_manifest, sha256
from tam_video.workspace.files import (
    append_lines,
    atomic_write,
    sync,
    take_lock,
    whole_lines,
    wrap_os_errors,
)

RUNS = "runs"
BATCH_FILE = "batch.json"
_WORK = ".work"


class LineBook(Protocol):
    """A file of lines that only grows."""

    def append(self, lines: Sequence[bytes]) -> int:
        """Store lines; where the first of them begins, for `read`."""
        ...

    def scan(self) -> Iterator[tuple[int, bytes]]:
        """All whole lines, with where they begin."""
        ...

    def read(self, start: int) -> bytes:
        """The line that begins there."""
        ...


class Storage(Protocol):
    """The place of a batch.

    Attributes:
        address: where it is, as a person writes it.
    """

    address: str

    def open_new(self) -> None:
        """Make it, or refuse what is there and is no batch."""
        ...

    def lock(self, label: str) -> None:
        """Refuse to be used by two processes of one label at the same time."""
        ...

    def release(self) -> None:
        """Let the lock go."""
        ...

    def book(self, label: str) -> LineBook:
        """The lines that this process appends to."""
        ...

    def other_books(self, label: str) -> list[LineBook]:
        """The lines that other processes have written, or earlier ones of this one."""
        ...

    def read_file(self, name: str) -> bytes | None:
        """A file of the batch; None if it is missing."""
        ...

    def write_file(self, name: str, content: bytes) -> str:
        """Write a file of the batch whole; its address."""
        ...

    def place_file(self, made: Path, name: str) -> str:
        """Take over a local file, from a `work_folder`, as a file of the batch; its address."""
        ...

    def published(self) -> Iterator[str]:
        """Names of the run folders that are there and have a manifest."""
        ...

    def work_folder(self, label: str) -> Path:
        """A new local folder in which run folders are made."""
        ...

    def publish(self, folder: Path, name: str) -> None:
        """Make a sealed run folder appear under its name; one of that name stays if it is whole."""
        ...

    def fetch_run(self, name: str) -> Path | None:
        """A published run folder as a local one if its files are those of its manifest."""
        ...


def open_storage(address: str | Path) -> Storage:
    """The place that an address or a path names.

    Raises:
        ConfigError: no such kind of store.
        MissingDependencyError: the store's package is not installed.
    """
    text = str(address)
    if not is_remote(text):
        return FolderStorage(text.removeprefix("file://"))
    from tam_video.batch.object_store import StoreStorage

    return StoreStorage(text)


def verify_run(folder: Path) -> bool:
    """Whether every file of a run folder has the size and the hash that its manifest tells."""
    try:
        return all(
            (folder / name).stat().st_size == told["bytes"]
            and sha256(folder / name) == told["sha256"]
            for name, told in read_manifest(folder).items()
        )
    except (RunFolderError, OSError, KeyError, TypeError):
        return False


class FolderStorage:
    """A folder of the local file system, or of one that many machines share."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).absolute()
        self.address = str(folder)
        self._lock: int | None = None

    def open_new(self) -> None:
        """Make the folder; refuse one that holds something else."""
        if os.path.lexists(self.folder):
            if not self.folder.is_dir():
                raise OutputExistsError(f"{self.address} is not a folder", hint="choose another -o")
            # A kill may have come before the batch was noted down.
            begun = (_WORK, RUNS, f".{BATCH_FILE}")
            strange = [p for p in self.folder.iterdir() if not p.name.startswith(begun)]
            if strange and not (self.folder / BATCH_FILE).is_file():
                raise OutputExistsError(
                    f"{self.address} is not empty and holds no batch", hint="choose another -o DIR"
                )
        with wrap_os_errors(self.folder):
            (self.folder / RUNS).mkdir(parents=True, exist_ok=True)

    def lock(self, label: str) -> None:
        """Hold the ledger's lock as long as this process lives."""
        try:
            self._lock = take_lock(self.folder / _WORK / f"{label}.lock")
        except BlockingIOError:
            raise ConfigError(
                f"another process works in {self.address}",
                hint="wait for it, or share the items with --shard",
            ) from None
        # Folders of a killed run: only the holder of the lock may know that nobody uses them.
        shutil.rmtree(self.folder / _WORK / label, ignore_errors=True)

    def release(self) -> None:
        """Let the lock go."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def book(self, label: str) -> LineBook:
        """The file of this label, mended where a kill tore its last line."""
        return LineFile(self.folder / f"{label}.jsonl", repair=True)

    def other_books(self, label: str) -> list[LineBook]:
        """The files of other shards."""
        own = f"{label}.jsonl"
        paths = sorted(self.folder.glob(f"{label.partition('.')[0]}*.jsonl"))
        return [LineFile(path) for path in paths if path.name != own]

    def read_file(self, name: str) -> bytes | None:
        """A file of the batch."""
        path = self.folder / name
        with wrap_os_errors(path):
            return path.read_bytes() if path.is_file() else None

    def write_file(self, name: str, content: bytes) -> str:
        """Write a file aside and rename it."""
        return str(atomic_write(self.folder / name, content))

    def place_file(self, made: Path, name: str) -> str:
        """Sync and rename."""
        with wrap_os_errors(self.folder / name):
            sync(made)
            return str(made.replace(self.folder / name))

    def published(self) -> Iterator[str]:
        """The folders in `runs`: a rename made each of them."""
        with wrap_os_errors(self.folder), os.scandir(self.folder / RUNS) as found:
            yield from (entry.name for entry in found if entry.is_dir(follow_symlinks=False))

    def work_folder(self, label: str) -> Path:
        """A folder on the same file system, so that a rename publishes."""
        with wrap_os_errors(self.folder):
            folder = self.folder / _WORK / label / uuid.uuid4().hex[:12]
            folder.mkdir(parents=True)
            return folder

    def publish(self, folder: Path, name: str) -> None:
        """Sync the files, then rename."""
        target = self.folder / RUNS / name
        with wrap_os_errors(target):
            for path in (*folder.iterdir(), folder):
                sync(path)
            if os.path.lexists(target):
                if self.fetch_run(name) is not None:
                    shutil.rmtree(folder)
                    return
                target.rename(folder.with_name(f"{folder.name}.damaged-{uuid.uuid4().hex[:8]}"))
            folder.rename(target)
            sync(target.parent)

    def fetch_run(self, name: str) -> Path | None:
        """The folder itself, if it is whole and no link."""
        folder = self.folder / RUNS / name
        return folder if not folder.is_symlink() and verify_run(folder) else None


class LineFile:
    """Lines in a local file, synced."""

    def __init__(self, path: Path, *, repair: bool = False) -> None:
        self._path, self._repair = path, repair

    def append(self, lines: Sequence[bytes]) -> int:
        """Append and sync."""
        return append_lines(self._path, lines)

    def scan(self) -> Iterator[tuple[int, bytes]]:
        """The whole lines."""
        return whole_lines(self._path, repair=self._repair)

    def read(self, start: int) -> bytes:
        """One line."""
        with wrap_os_errors(self._path), self._path.open("rb") as file:
            file.seek(start)
            return file.readline().rstrip(b"\n")
