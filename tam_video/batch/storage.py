"""Store the output of a batch in a folder; `object_store` does the same in an object store.

Both give the same guarantees. A run folder appears complete: by a rename, or with its manifest
last. A line of the log counts once it is stored.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from tam_video.config import RunConfig
from tam_video.export.manifest import verify_run
from tam_video.workspace.append_log import AppendLog
from tam_video.workspace.files import sync, wrap_os_errors
from tam_video.workspace.workspace import Identity, Workspace, WorkspaceKind

RUNS = "runs"
BATCH_FILE = "batch.json"
_WORK = ".work"


def run_config_defaults() -> Mapping[str, Identity]:
    """Return the default settings of a run in the form in which `batch.json` stores them."""
    return {"settings": RunConfig(profile="default").model_dump(mode="json")}


BATCH = WorkspaceKind(
    "a batch",
    BATCH_FILE,
    own=(
        *(RUNS, "index*.html", "ledger*.jsonl", "failed*.jsonl"),
        *("summary*.csv", "summary*.parquet"),
    ),
    version=("batch_version", 1),
    renames={"settings.preset": "settings.speed_preset"},
    defaults=run_config_defaults,
    is_exclusive=True,
    has_force=False,
)


class FolderStorage:
    """The output of a batch in a folder on a local or shared file system.

    Attributes:
        folder: its absolute path.
        address: the folder as the user wrote it.
    """

    def __init__(self, folder: str | Path, kind: WorkspaceKind = BATCH) -> None:
        self.folder = Path(folder).absolute()
        self.address = str(folder)
        self._kind = kind
        self._workspace: Workspace | None = None

    def acquire(self, label: str) -> None:
        """Lock the log of this process, and remove temporary folders that a killed process left.

        Raises:
            OutputExistsError: the folder contains something else.
            ConfigError: another process of this label works there.
        """
        self._workspace = Workspace(self.folder, self._kind, lock=f"{_WORK}/{label}.lock")
        self._workspace.acquire()
        shutil.rmtree(self.folder / _WORK / label, ignore_errors=True)

    def begin(self, identity: Mapping[str, object], *, force: bool = False) -> Identity:
        """Call `Workspace.begin` with the identity of the batch, and create the folder `runs`."""
        if self._workspace is None:
            raise RuntimeError("acquire the lock first")
        recorded = self._workspace.begin(identity, force=force)
        with wrap_os_errors(self.folder):
            (self.folder / RUNS).mkdir(exist_ok=True)
        return recorded

    def release(self) -> None:
        """Release the lock."""
        if self._workspace is not None:
            self._workspace.release()

    def log(self, label: str) -> AppendLog:
        """Return the log that this process appends to."""
        return AppendLog(self.folder / f"{label}.jsonl", repair=True)

    def other_logs(self, label: str) -> list[AppendLog]:
        """Return the logs of other shards, without repairing damaged files."""
        own = f"{label}.jsonl"
        paths = sorted(self.folder.glob(f"{label.partition('.')[0]}*.jsonl"))
        return [AppendLog(path) for path in paths if path.name != own]

    def read_file(self, name: str) -> bytes | None:
        """Return the content of a file, or None if the file is missing."""
        path = self.folder / name
        with wrap_os_errors(path):
            return path.read_bytes() if path.is_file() else None

    def put_file(self, path: Path, name: str) -> str:
        """Move a file from a `work_folder` into the batch, and return its new path."""
        with wrap_os_errors(self.folder / name):
            sync(path)
            return str(path.replace(self.folder / name))

    def published(self, *, hashes: bool = False) -> Iterator[str]:
        """Yield the names of the finished run folders.

        Args:
            hashes: compare the hashes of their files, not only the sizes.
        """
        with wrap_os_errors(self.folder), os.scandir(self.folder / RUNS) as entries:
            for entry in entries:
                if not entry.is_symlink() and verify_run(Path(entry.path), hashes=hashes):
                    yield entry.name

    def work_folder(self, label: str) -> Path:
        """Return a new folder for unfinished run folders, on the file system of the batch."""
        with wrap_os_errors(self.folder):
            folder = self.folder / _WORK / label / uuid.uuid4().hex
            folder.mkdir(parents=True)
            return folder

    def publish(self, folder: Path, name: str) -> None:
        """Rename a finished run folder to `name`, unless an intact folder has this name."""
        target = self.folder / RUNS / name
        with wrap_os_errors(target):
            for path in (*folder.iterdir(), folder):
                sync(path)
            if os.path.lexists(target):
                if self.fetch_run(name) is not None:
                    shutil.rmtree(folder)
                    return
                target.rename(folder.with_name(f"{folder.name}.damaged-{uuid.uuid4().hex}"))
            folder.rename(target)
            sync(target.parent)

    def fetch_run(self, name: str) -> Path | None:
        """Return a run folder, or None if the folder is missing, damaged or a link."""
        folder = self.folder / RUNS / name
        return folder if not folder.is_symlink() and verify_run(folder, hashes=True) else None
