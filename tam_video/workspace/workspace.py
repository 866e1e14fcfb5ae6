"""The output folder of a job, in which the job can be resumed after an interruption.

Owns: the lock, the identity of the settings, and what `--force` may remove. One process works in a
folder at a time; a folder of other settings or with other content is refused.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

from tam_video.errors import OutputExistsError, RunFolderError
from tam_video.workspace.append_log import AppendLog
from tam_video.workspace.files import atomic_write, take_lock, wrap_os_errors

Identity: TypeAlias = dict[str, Any]
"""What all results of a job depend on, as JSON values."""

_SETTINGS = "settings"  # its entries are named one by one where identities differ


@dataclass(frozen=True, slots=True)
class WorkspaceKind:
    """File names and rules for the folders that one kind of job writes.

    Attributes:
        noun: the job in error messages, such as "a batch".
        settings_file: the file that records the identity.
        own: glob patterns of the files and folders that the job writes; `force` removes these.
        version: key and value of the format version in the settings file; None without one.
        renames: dotted names of recorded settings -> the present names.
        defaults: returns the values of settings that older folders did not record, nested as in
            the identity.
        keeps: names that the job writes too, and that `force` does not remove.
        is_exclusive: refuse `force` where the folder contains anything else that is not hidden.
        has_force: whether the command of the job has `--force`, for hints.
        option: the option of the command that names the folder, for hints.
    """

    noun: str
    settings_file: str
    own: tuple[str, ...]
    version: tuple[str, int] | None = None
    renames: Mapping[str, str] | None = None
    defaults: Callable[[], Mapping[str, Any]] = dict
    keeps: tuple[str, ...] = ()
    is_exclusive: bool = False
    has_force: bool = True
    option: str = "-o DIR"

    @property
    def another(self) -> str:
        """Return the hint for a folder that cannot be used."""
        return f"choose another folder with {self.option}"

    @property
    def hint(self) -> str:
        """Return the hint for a folder that was written with other settings."""
        return f"{self.another}, or pass --force to start over" if self.has_force else self.another

    def upgrade(self, recorded: Mapping[str, Any], identity: Mapping[str, Any]) -> Identity:
        """Return a recorded identity with current names, and with defaults for missing settings."""
        upgraded: Identity = json.loads(json.dumps(recorded))
        for old, new in (self.renames or {}).items():
            group, _, name = old.rpartition(".")
            renamed = new.rpartition(".")[2]
            values: Identity = upgraded.get(group, {}) if group else upgraded
            needed = identity.get(group, {}) if group else identity
            if name in values and renamed in needed and renamed not in values:
                values[renamed] = values.pop(name)
        return _filled(upgraded, self.defaults(), identity)

    def match(
        self, content: bytes | None, identity: Mapping[str, Any], *, folder: object
    ) -> Identity | None:
        """Return the recorded identity if it matches `identity`, or None if nothing is recorded.

        It may have older names than `identity`. Keys of results must be made from what is
        returned, so that keys of an older release stay valid.

        Args:
            content: of the settings file; None for a missing one.
            identity: of the present job.
            folder: its name in error messages.

        Raises:
            OutputExistsError: the settings differ.
            RunFolderError: the file is damaged, or of another version.
        """
        if content is None:
            return None
        try:
            recorded = dict(json.loads(content))
            version = recorded.pop(self.version[0]) if self.version else None
        except (ValueError, TypeError, KeyError) as exc:
            raise RunFolderError(
                f"{folder}/{self.settings_file} can't be read", hint=self.hint
            ) from exc
        if self.version and version != self.version[1]:
            raise RunFolderError(
                f"{folder} holds {self.noun} of version {version}; this release can only resume "
                f"version {self.version[1]}",
                hint=f"use the release that wrote the folder, or {self.another}",
            )
        names = _differing(
            json.loads(json.dumps(self.upgrade(recorded, identity))),
            json.loads(json.dumps(identity)),
        )
        if names:
            raise OutputExistsError(
                f"{folder} holds {self.noun} with other settings: {', '.join(names)}",
                hint=self.hint,
            )
        return recorded

    def document(self, identity: Mapping[str, Any]) -> bytes:
        """Return the content of the settings file."""
        version = dict([self.version]) if self.version else {}
        return (json.dumps({**version, **identity}, indent=1, sort_keys=True) + "\n").encode()


class Workspace:
    """A locked output folder; see `opened`.

    Attributes:
        folder: the folder.
        kind: its kind.
        identity: what results depend on, as recorded in the folder; empty before `begin`.
    """

    def __init__(self, folder: Path, kind: WorkspaceKind, *, lock: str = ".lock") -> None:
        """Store the path of the folder without opening anything.

        Args:
            folder: the folder.
            kind: its kind.
            lock: path of the lock file in the folder; processes with different ones share it.
        """
        self.folder, self.kind, self.identity = folder, kind, Identity()
        self._lock_path = folder / lock
        self._lock: int | None = None

    @classmethod
    @contextmanager
    def opened(
        cls,
        folder: Path,
        kind: WorkspaceKind,
        identity: Mapping[str, Any],
        *,
        force: bool = False,
    ) -> Iterator[Self]:
        """Lock a new folder, or a folder of the same job, for the duration of the context.

        Args:
            folder: the folder; created if missing.
            kind: its kind.
            identity: what all results depend on.
            force: remove what an earlier job wrote.

        Raises:
            OutputError, ConfigError: see `acquire` and `begin`.
        """
        workspace = cls(folder, kind)
        workspace.acquire()
        try:
            workspace.begin(identity, force=force)
            yield workspace
        finally:
            workspace.release()

    def acquire(self) -> None:
        """Lock the folder. Call this before anything in the folder is changed.

        Raises:
            OutputExistsError: the folder contains something else.
            ConfigError: another process holds the lock.
        """
        self._refuse_foreign()
        self._lock = take_lock(self._lock_path, folder=self.folder, option=self.kind.option)

    def begin(self, identity: Mapping[str, Any], *, force: bool = False) -> Identity:
        """Record the job's identity, or check the recorded identity. Return the recorded identity.

        Raises:
            OutputExistsError: a job with other settings, or `force` and files of somebody else.
            RunFolderError: the settings file is damaged.
        """
        if force:
            self._clear()
        path = self.folder / self.kind.settings_file
        with wrap_os_errors(path):
            content = path.read_bytes() if path.is_file() else None
        recorded = self.kind.match(content, identity, folder=self.folder)
        if recorded is None:
            atomic_write(path, self.kind.document(identity))
        self.identity = dict(identity) if recorded is None else recorded
        return self.identity

    def release(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def log(self, name: str) -> AppendLog:
        """Return an append-only log. Reading the log removes an incomplete last line."""
        return AppendLog(self.folder / name, repair=True)

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Return the content of a JSON file in the folder, or None if the file is missing.

        Raises:
            RunFolderError: it cannot be read.
        """
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as exc:
            raise RunFolderError(f"{path} can't be read", hint=self.kind.hint) from exc

    def write_json(self, name: str, document: Mapping[str, Any]) -> Path:
        """Write a JSON file to the folder atomically; see `atomic_write`."""
        text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
        return atomic_write(self.folder / name, text)

    def _refuse_foreign(self) -> None:
        """Raise an error unless the folder is missing, empty, or written by this kind of job."""
        if not os.path.lexists(self.folder):
            return
        if not self.folder.is_dir():
            raise OutputExistsError(f"{self.folder} is not a folder", hint=self.kind.another)
        if not (self.folder / self.kind.settings_file).is_file() and any(
            not self._may_come_first(path) for path in self.folder.iterdir()
        ):
            raise OutputExistsError(
                f"{self.folder} is not empty and holds no {self.kind.noun.partition(' ')[2]}",
                hint=self.kind.another,
            )

    def _may_come_first(self, path: Path) -> bool:
        """Return whether a path may be left from a process that died before writing settings."""
        lock = self._lock_path.relative_to(self.folder).parts[0]
        if path.name.startswith((lock, f".{self.kind.settings_file}")):
            return True
        return path.is_dir() and any(map(path.match, self.kind.own)) and not any(path.iterdir())

    def _clear(self) -> None:
        """Remove the files of earlier jobs. The settings file is removed last."""
        settings = self.folder / self.kind.settings_file
        own = {path for pattern in self.kind.own for path in self.folder.glob(pattern)}
        if self.kind.is_exclusive and settings.is_file():
            known = {path.name for path in (*own, settings)} | {*self.kind.keeps}
            names = {path.name for path in self.folder.iterdir()} - known
            others = [name for name in names if not name.startswith(".")]
            if others:
                raise OutputExistsError(
                    f"can't replace {self.folder}: besides {self.kind.noun}, the folder contains "
                    f"{min(others)}",
                    hint=self.kind.another,
                )
        for lock in set(self._lock_path.parent.glob("*.lock")) - {self._lock_path}:
            os.close(take_lock(lock, folder=self.folder, option=self.kind.option))
        with wrap_os_errors(self.folder):
            for path in sorted(own):
                remove(path)
            settings.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _filled(values: Identity, defaults: Mapping[str, Any], needed: Mapping[str, Any]) -> Identity:
    """Return `values` with defaults for the entries that `needed` contains and `values` lacks."""
    filled = dict(values)
    for name in needed.keys() & defaults.keys():
        default, value = defaults[name], values.get(name)
        if name not in values:
            filled[name] = default
        elif isinstance(value, dict) and isinstance(default, Mapping):
            filled[name] = _filled(value, default, needed[name])
    return filled


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the names of the entries and settings that differ between two identities."""
    old, new = ({**each, **dict(each.get(_SETTINGS) or {})} for each in (before, now))
    names = {*old, *new} - ({_SETTINGS} if _SETTINGS in now else set())
    return sorted(name for name in names if old.get(name) != new.get(name))
