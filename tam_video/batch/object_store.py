"""Store the output of a batch in an object store, through fsspec.

A store has no append and no rename: lines go into numbered segments, each rewritten as it grows,
and a run folder is finished once its manifest, which is uploaded last, is there.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from tam_video.batch.sources import file_system, is_remote
from tam_video.batch.storage import BATCH, RUNS, FolderStorage
from tam_video.errors import ConfigError, ExportError, OutputExistsError
from tam_video.export.manifest import MANIFEST, verify_run
from tam_video.workspace.append_log import AppendLog
from tam_video.workspace.files import wrap_os_errors
from tam_video.workspace.workspace import Identity, WorkspaceKind

_SEGMENT_LINES = 256


class StoreStorage:
    """The output of a batch in an object store; `FolderStorage` documents the methods."""

    def __init__(self, address: str, kind: WorkspaceKind = BATCH) -> None:
        self.address, self._kind = address.rstrip("/"), kind
        self._system, self._base = file_system(self.address)
        self._base = self._base.rstrip("/")
        self.local = Path(tempfile.mkdtemp(prefix="tam-video-batch-"))

    def acquire(self, label: str) -> None:
        """Raise an error if the prefix contains objects that do not belong to a batch.

        A store has no locks: segments of two processes never overwrite each other.
        """
        del label
        with self._writing():
            self._system.invalidate_cache()
            names = self._system.ls(self._base, detail=False) if self._exists("") else []
        if names and not self._exists(self._kind.settings_file):
            raise OutputExistsError(
                f"{self.address} is not empty and holds no batch", hint="choose another URL with -o"
            )

    def begin(self, identity: Mapping[str, object], *, force: bool = False) -> Identity:
        """Record the identity of a new batch, or check the identity of a resumed batch."""
        if force:
            raise ConfigError(f"can't overwrite {self.address}", hint="choose another URL with -o")
        name = self._kind.settings_file
        recorded = self._kind.match(self.read_file(name), identity, folder=self.address)
        if recorded is None:
            self.write(name, self._kind.document(identity))
        return dict(identity) if recorded is None else recorded

    def release(self) -> None:
        """Remove the local copies of objects."""
        shutil.rmtree(self.local, ignore_errors=True)

    def log(self, label: str) -> AppendLog:
        """Return a log that writes its lines to new objects."""
        return SegmentedLog(self, label)

    def other_logs(self, label: str) -> list[AppendLog]:
        """Download the logs of all processes and return the local copies."""
        kind = label.partition(".")[0]
        logs: list[AppendLog] = []
        with self._writing():
            self._system.invalidate_cache()
            for path in sorted(self._system.glob(f"{self._base}/{kind}*.jsonl")):
                target = self.local / f"read.{uuid.uuid4().hex}"
                self._system.get_file(path, str(target))
                logs.append(AppendLog(target))
        return logs

    def read_file(self, name: str) -> bytes | None:
        """Return the content of an object, or None if the object is missing."""
        with self._writing():
            if not self._exists(name):
                return None
            return bytes(self._system.cat_file(f"{self._base}/{name}"))

    def write(self, name: str, content: bytes) -> None:
        """Write an object below the prefix."""
        with self._writing():
            self._system.pipe_file(f"{self._base}/{name}", content)

    def put_file(self, path: Path, name: str) -> str:
        """Upload a local file and return its address."""
        with self._writing():
            self._system.put_file(str(path), f"{self._base}/{name}")
        return f"{self.address}/{name}"

    def published(self, *, hashes: bool = False) -> Iterator[str]:
        """Yield the names of the complete run folders. A complete folder has a manifest."""
        with self._writing():
            self._system.invalidate_cache()
            manifests = self._system.glob(f"{self._base}/{RUNS}/*/{MANIFEST}")
        names = (path.split("/")[-2] for path in manifests)
        yield from (name for name in names if not hashes or self.fetch_run(name) is not None)

    def work_folder(self, label: str) -> Path:
        """Return a new local folder for temporary files."""
        del label
        with wrap_os_errors(self.local):
            return Path(tempfile.mkdtemp(dir=self.local))

    def publish(self, folder: Path, name: str) -> None:
        """Upload the files of a run folder, the manifest last."""
        paths = sorted(folder.iterdir(), key=lambda path: path.name == MANIFEST)
        with self._writing():
            for path in paths:
                self._system.put_file(str(path), f"{self._base}/{RUNS}/{name}/{path.name}")
        shutil.rmtree(folder, ignore_errors=True)

    def fetch_run(self, name: str) -> Path | None:
        """Download a run folder and return the local copy."""
        prefix = f"{self._base}/{RUNS}/{name}"
        with self._writing():
            self._system.invalidate_cache()
            if not self._system.exists(f"{prefix}/{MANIFEST}"):
                return None
            folder = Path(tempfile.mkdtemp(dir=self.local))
            for path in self._system.ls(prefix, detail=False):
                self._system.get_file(path, str(folder / path.rpartition("/")[2]))
        return folder if verify_run(folder, hashes=True) else None

    def _exists(self, name: str) -> bool:
        return bool(self._system.exists(f"{self._base}/{name}".rstrip("/")))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, RuntimeError) as exc:
            raise ExportError(
                f"can't use {self.address}: {exc}", hint="check the address and your access"
            ) from exc


class SegmentedLog(AppendLog):
    """A log that is split into objects in a store and read from a local copy."""

    def __init__(self, storage: StoreStorage, label: str) -> None:
        super().__init__(storage.local / f"{label}.jsonl")
        self._storage, self._stem = storage, f"{label}.{uuid.uuid4().hex}"
        self._number = 0
        self._lines: list[bytes] = []

    def append(self, lines: Sequence[bytes]) -> int:
        """Append lines by rewriting the last object, or by starting a new one if it is full."""
        if len(self._lines) + len(lines) > _SEGMENT_LINES and self._lines:
            self._number, self._lines = self._number + 1, []
        longer = [*self._lines, *lines]
        content = b"".join(line + b"\n" for line in longer)
        self._storage.write(f"{self._stem}.{self._number:05d}.jsonl", content)
        self._lines = longer
        return super().append(lines)


Storage: TypeAlias = FolderStorage | StoreStorage
"""The output of a batch; both classes have the same methods."""


def open_storage(address: str | Path, kind: WorkspaceKind = BATCH) -> Storage:
    """Return the storage class that matches an address or a path.

    Raises:
        ConfigError: an unknown kind of store.
        MissingDependencyError: the package of the store is not installed.
    """
    text = str(address)
    if is_remote(text):
        return StoreStorage(text, kind)
    return FolderStorage(text.removeprefix("file://"), kind)
