"""A batch in an object store, through fsspec.

A store has no append and no rename: lines go into numbered segments that are written again as they
grow, and a run folder counts once its manifest is there, which is sent last.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from tam_video.batch.sources import file_system
from tam_video.batch.storage import BATCH_FILE, RUNS, LineBook, LineFile, verify_run
from tam_video.errors import ExportError, OutputExistsError
from tam_video.export.manifest import MANIFEST
from tam_video.workspace.files import append_lines, whole_lines, wrap_os_errors

_SEGMENT_LINES = 256


class StoreStorage:
    """A place in an object store; see `Storage` for what it promises."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._system, self._base = file_system(self.address)
        self._base = self._base.rstrip("/")
        self._local = Path(tempfile.mkdtemp(prefix="tam-video-batch-"))

    def open_new(self) -> None:
        """Refuse a place that holds something else."""
        with self._writing():
            self._system.invalidate_cache()
            names = self._system.ls(self._base, detail=False) if self._exists("") else []
        if names and not self._exists(BATCH_FILE):
            raise OutputExistsError(
                f"{self.address} is not empty and holds no batch", hint="choose another -o"
            )

    def lock(self, label: str) -> None:
        """A store has no locks: segments of two processes never overwrite each other."""

    def release(self) -> None:
        """Remove the local copies."""
        shutil.rmtree(self._local, ignore_errors=True)

    def book(self, label: str) -> LineBook:
        """New segments."""
        stem = f"{self._base}/{label}.{uuid.uuid4().hex[:8]}"
        return LineSegments(self._system, stem, self._local / f"{label}.jsonl", self._writing)

    def other_books(self, label: str) -> list[LineBook]:
        """Every segment that is there, as a local copy."""
        kind = label.partition(".")[0]
        books: list[LineBook] = []
        with self._writing():
            self._system.invalidate_cache()
            for path in sorted(self._system.glob(f"{self._base}/{kind}*.jsonl")):
                target = self._local / f"read.{uuid.uuid4().hex}"
                self._system.get_file(path, str(target))
                books.append(LineFile(target))
        return books

    def read_file(self, name: str) -> bytes | None:
        """A file of the batch."""
        with self._writing():
            if not self._exists(name):
                return None
            return bytes(self._system.cat_file(f"{self._base}/{name}"))

    def write_file(self, name: str, content: bytes) -> str:
        """Put an object."""
        with self._writing():
            self._system.pipe_file(f"{self._base}/{name}", content)
        return f"{self.address}/{name}"

    def place_file(self, made: Path, name: str) -> str:
        """Send it."""
        with self._writing():
            self._system.put_file(str(made), f"{self._base}/{name}")
        return f"{self.address}/{name}"

    def published(self) -> Iterator[str]:
        """The run folders with a manifest."""
        with self._writing():
            self._system.invalidate_cache()
            found = self._system.glob(f"{self._base}/{RUNS}/*/{MANIFEST}")
        yield from (path.split("/")[-2] for path in found)

    def work_folder(self, label: str) -> Path:
        """A folder for temporary files of this machine."""
        del label
        with wrap_os_errors(self._local):
            return Path(tempfile.mkdtemp(dir=self._local))

    def publish(self, folder: Path, name: str) -> None:
        """Send the files, the manifest last."""
        paths = sorted(folder.iterdir(), key=lambda path: path.name == MANIFEST)
        with self._writing():
            for path in paths:
                self._system.put_file(str(path), f"{self._base}/{RUNS}/{name}/{path.name}")
        shutil.rmtree(folder, ignore_errors=True)

    def fetch_run(self, name: str) -> Path | None:
        """A copy of a run folder."""
        place = f"{self._base}/{RUNS}/{name}"
        with self._writing():
            self._system.invalidate_cache()
            if not self._system.exists(f"{place}/{MANIFEST}"):
                return None
            folder = Path(tempfile.mkdtemp(dir=self._local))
            for path in self._system.ls(place, detail=False):
                self._system.get_file(path, str(folder / path.rpartition("/")[2]))
        return folder if verify_run(folder) else None

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


class LineSegments:
    """Lines in objects of a store, with a local copy to read them from."""

    def __init__(
        self,
        system: Any,
        stem: str,
        local: Path,
        guard: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._system, self._stem, self._local, self._guard = system, stem, local, guard
        self._number = 0
        self._lines: list[bytes] = []

    def append(self, lines: Sequence[bytes]) -> int:
        """Write the last segment again, longer by these lines."""
        if len(self._lines) + len(lines) > _SEGMENT_LINES and self._lines:
            self._number, self._lines = self._number + 1, []
        longer = [*self._lines, *lines]
        with self._guard():
            content = b"".join(line + b"\n" for line in longer)
            self._system.pipe_file(f"{self._stem}.{self._number:05d}.jsonl", content)
        self._lines = longer
        return append_lines(self._local, lines)

    def scan(self) -> Iterator[tuple[int, bytes]]:
        """What this process has written."""
        return whole_lines(self._local)

    def read(self, start: int) -> bytes:
        """One line."""
        return LineFile(self._local).read(start)
