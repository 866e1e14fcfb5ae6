"""Write run folders under a temporary name and rename them when they are complete.

A folder with a `manifest.json` is complete; a folder without one is not a result. Only run folders
are ever removed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tam_video.errors import OutputExistsError, RunFolderError
from tam_video.workspace.files import (
    atomic_write,
    move_all,
    temporary_folder,
    wrap_os_errors,
)

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1


@contextmanager
def new_run_folder(target: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield a temporary folder. On success, write its manifest and rename it to `target`.

    Args:
        target: the run folder to create.
        force: replace an existing run folder.

    Raises:
        OutputExistsError: `target` exists and may not be replaced.
        ExportError: the folder can't be written.
    """
    refuse_existing(target, force=force)
    with temporary_folder(target.parent, prefix=f".{target.name[:60]}.") as temporary:
        folder = temporary / target.name
        with wrap_os_errors(target):
            folder.mkdir()
        yield folder
        with wrap_os_errors(target):
            seal(folder)
            move_all([target.name], temporary, target.parent)


@contextmanager
def replace_files(
    folder: Path, *, warnings: Mapping[str, Sequence[str]] | None = None
) -> Iterator[Path]:
    """Yield a temporary folder, and move its files into the run folder on success.

    The manifest is removed first and written last, so that an interrupted change is visible.

    Args:
        folder: the run folder.
        warnings: what the manifest records of the new files, by command; see `seal`.

    Raises:
        ExportError: the folder can't be written.
    """
    recorded = {**_recorded_warnings(folder), **(warnings or {})}
    with temporary_folder(folder, prefix=".render.") as temporary:
        yield temporary
        with wrap_os_errors(folder):
            (folder / MANIFEST).unlink(missing_ok=True)
            for path in temporary.iterdir():
                path.replace(folder / path.name)
            seal(folder, warnings=recorded)


def refuse_existing(target: Path, *, force: bool) -> None:
    """Raise an error if `target` is not empty. With `force`, a run folder is accepted."""
    if not os.path.lexists(target):
        return
    if target.is_dir() and not target.is_symlink():
        if not any(target.iterdir()):
            return
        if (target / MANIFEST).is_file():
            if force:
                return
            raise OutputExistsError(
                f"{target} is a finished run",
                hint="choose another folder with -o DIR, or pass --force to overwrite the run",
            )
    raise OutputExistsError(
        f"{target} exists and is not a run folder", hint="choose another folder with -o DIR"
    )


def seal(folder: Path, *, warnings: Mapping[str, Sequence[str]] | None = None) -> Path:
    """Write `manifest.json` atomically, with the size and SHA-256 of every other file.

    It names the profile of the run too, with the verdict if it is calibrated.

    Args:
        folder: the run folder.
        warnings: command -> warnings about the files it made; recorded unless empty.
    """
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != MANIFEST
    }
    document: dict[str, Any] = {"manifest_version": MANIFEST_VERSION, "files": files}
    document |= _profile(folder)
    if recorded := {command: list(lines) for command, lines in (warnings or {}).items() if lines}:
        document["warnings"] = recorded
    return atomic_write(folder / MANIFEST, json.dumps(document, indent=1, sort_keys=True) + "\n")


def _profile(folder: Path) -> dict[str, Any]:
    """Return the profile that `explanation.json` names, with the verdict if it is calibrated."""
    try:
        explanation = json.loads((folder / "explanation.json").read_text(encoding="utf-8"))
        calibration = explanation.get("calibration")
        verdict = {"verdict": calibration["verdict"]} if calibration else {}
        return {"profile": explanation["settings"]["profile"], **verdict}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the size and SHA-256 of every file in the manifest, by file name.

    Raises:
        RunFolderError: it is missing or damaged: the folder is not a finished run.
    """
    try:
        document = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return dict(document["files"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise RunFolderError(
            f"{folder} is not a finished run: {MANIFEST} is missing or damaged",
            hint="pass a folder that `tam-video explain` wrote",
        ) from exc


def _recorded_warnings(folder: Path) -> dict[str, list[str]]:
    try:
        document = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return dict(document.get("warnings", {}))
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def verify_run(folder: Path, *, hashes: bool = False) -> bool:
    """Return whether a run folder contains every file of its manifest with the recorded size.

    Args:
        folder: the run folder.
        hashes: compare the SHA-256 of the files too.
    """
    try:
        files = read_manifest(folder)
        return bool(files) and all(
            (folder / name).stat().st_size == file["bytes"]
            and (not hashes or sha256(folder / name) == file["sha256"])
            for name, file in files.items()
        )
    except (RunFolderError, OSError, KeyError, TypeError):
        return False


def sha256(path: Path) -> str:
    """Return the SHA-256 hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
