"""The folder of a long video: what was asked, what the gate saw, a run folder for each window.

A window is done once its run folder stands, which is renamed into place; a run that was ended goes
on with the rest. What was asked is written first, so that other settings are refused.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tam_video.errors import ConfigError, OutputExistsError, RunFolderError
from tam_video.export.manifest import MANIFEST
from tam_video.long.windows import VideoWindow
from tam_video.workspace.files import atomic_write, take_lock, wrap_os_errors

ASKED, SEEN, TIMELINE, WINDOWS = "long.json", "seen.json", "timeline.json", "windows"
FILM, CAPTIONS, ANSWERS, REPORT = "annotated.mp4", "captions.vtt", "answers.vtt", "report.html"
_OWN_FILES = (SEEN, TIMELINE, FILM, CAPTIONS, ANSWERS, REPORT)
_LOCK = ".lock"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class LongFolder:
    """Where everything of one long video stands."""

    path: Path

    @classmethod
    @contextmanager
    def opened(cls, path: Path, asked: Mapping[str, Any], *, force: bool) -> Iterator[LongFolder]:
        """A new folder, or that of the same video asked the same with the same settings; locked.

        Args:
            path: the folder.
            asked: what tells one job from another, as JSON values.
            force: begin again, and replace what is there.

        Raises:
            OutputExistsError: it holds something else, or another job and `force` is not set.
            RunFolderError: what it holds can't be told.
            ConfigError: another process works there.
            ExportError: it can't be written.
        """
        folder = cls(path)
        folder._asked_before()  # refuses what is none of ours before anything is written there
        try:
            lock = take_lock(path / _LOCK)
        except BlockingIOError:
            raise ConfigError(
                f"another process works in {path}", hint="wait for it, or choose another -o DIR"
            ) from None
        try:
            folder._prepare(asked, force=force)
            yield folder
        finally:
            os.close(lock)

    def _prepare(self, asked: Mapping[str, Any], *, force: bool) -> None:
        """Note what is asked; refuse another job, or remove it."""
        told = json.loads(json.dumps({"long_version": _VERSION, **asked}))
        before = self._asked_before()
        if before is not None:
            if not force and before != told:
                names = ", ".join(sorted(k for k in told if told[k] != before.get(k)))
                raise OutputExistsError(
                    f"{self.path} holds a long video asked otherwise: {names}",
                    hint="choose another -o DIR, or pass --force to begin again",
                )
            if force:
                self._clear()
        atomic_write(self.path / ASKED, json.dumps(told, indent=1, sort_keys=True) + "\n")

    def window_dir(self, window: VideoWindow) -> Path:
        """The run folder of a window, named by its place and its begin."""
        minutes, seconds = divmod(int(window.start_seconds), 60)
        hours, minutes = divmod(minutes, 60)
        name = f"{window.index:04d}-{hours:02d}h{minutes:02d}m{seconds:02d}s"
        return self.path / WINDOWS / name

    def is_done(self, run_dir: Path) -> bool:
        """Whether a window's run folder stands."""
        return (run_dir / MANIFEST).is_file()

    def files(self) -> dict[str, Path]:
        """What stands beside the windows, by what it is."""
        names = {
            "timeline": TIMELINE,
            "report": REPORT,
            "video": FILM,
            "captions": CAPTIONS,
            "answers": ANSWERS,
        }
        return {key: self.path / name for key, name in names.items() if (self.path / name).exists()}

    def read(self, name: str) -> dict[str, Any] | None:
        """One of its JSON files; None where it is not there.

        Raises:
            RunFolderError: it can't be read.
        """
        path = self.path / name
        if not path.is_file():
            return None
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as exc:
            raise RunFolderError(
                f"{path} can't be read", hint="pass --force to begin again"
            ) from exc

    def write(self, name: str, document: Mapping[str, Any]) -> Path:
        """Write one of its JSON files.

        Raises:
            ExportError: it can't be written.
        """
        text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
        return atomic_write(self.path / name, text)

    def _asked_before(self) -> dict[str, Any] | None:
        path = self.path
        if not path.exists() or (path.is_dir() and all(p.name == _LOCK for p in path.iterdir())):
            return None
        if not (path / ASKED).is_file():
            raise OutputExistsError(
                f"{path} exists and holds no long video", hint="choose another -o DIR"
            )
        return self.read(ASKED)

    def _clear(self) -> None:
        """Remove what an earlier job wrote, and nothing else."""
        with wrap_os_errors(self.path):
            for name in _OWN_FILES:
                (self.path / name).unlink(missing_ok=True)
            for run_dir in (self.path / WINDOWS).glob("[0-9]*-*h*m*s"):
                if self.is_done(run_dir) and not run_dir.is_symlink():
                    shutil.rmtree(run_dir)
