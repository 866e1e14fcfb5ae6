"""The folder of an evaluation: one line per finished clip, and what makes it safe to go on.

`settings.json` says what the values depend on; `clips.jsonl` grows by one synced line per clip. A
line that was cut off by a kill is dropped; values of other settings are never mixed in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from tam_video.errors import OutputExistsError, RunFolderError
from tam_video.evaluation.settings import Identity, identity_hash
from tam_video.workspace.files import append_lines, atomic_write, whole_lines, wrap_os_errors

SETTINGS_FILE = "settings.json"
LEDGER_FILE = "clips.jsonl"
RESULT_FILES = ("results.json", "results.csv")
PLOTS_FOLDER = "plots"

ClipKey: TypeAlias = tuple[str, int]
"""A world and the number of a clip in it."""
Curves: TypeAlias = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class ClipRow:
    """What was measured on one clip.

    Attributes:
        world: the clip's world.
        number: the clip's number in it.
        seed: what it was drawn with.
        answer: the caption that was explained.
        values: method -> metric -> value; None where the metric is not defined.
        costs: method -> "passes" beyond the generation, and "seconds".
        curves: method -> name of a curve -> steps + 1 scores.
        item: name of the item in its set; empty for a clip that was drawn.
        source: the video or image of the item; clips of one source are not independent.
        counts: method -> metric -> number of words that a value is the mean of, where a mean is
            over words; else empty.
    """

    world: str
    number: int
    seed: int
    answer: str
    values: dict[str, dict[str, float | None]]
    costs: dict[str, dict[str, float]]
    curves: dict[str, Curves] = field(default_factory=dict)
    item: str = ""
    source: str = ""
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def key(self) -> ClipKey:
        """World and number."""
        return (self.world, self.number)


@dataclass(frozen=True, slots=True)
class Ledger:
    """An open evaluation folder.

    Attributes:
        folder: where it is.
        digest: hash of the settings that its lines belong to.
        rows: the finished clips by world and number; grows with `append`.
    """

    folder: Path
    digest: str
    rows: dict[ClipKey, ClipRow]

    def append(self, row: ClipRow) -> None:
        """Write the line of a finished clip, and wait until the disk has it.

        Raises:
            ExportError: it can't be written.
        """
        line = json.dumps({"settings": self.digest, **asdict(row)}, ensure_ascii=False)
        append_lines(self.folder / LEDGER_FILE, [line.encode("utf-8", "backslashreplace")])
        self.rows[row.key] = row


def open_ledger(folder: Path, identity: Identity, *, force: bool = False) -> Ledger:
    """Begin an evaluation in a folder, or go on with the one that is there.

    Args:
        folder: a new or empty folder, or one of an earlier evaluation.
        identity: what the values depend on.
        force: start over, whatever the folder's evaluation was.

    Raises:
        OutputExistsError: the folder holds something else, or an evaluation with other settings.
        RunFolderError: its ledger is damaged.
        ExportError: it can't be written.
    """
    digest = identity_hash(identity)
    _refuse_foreign(folder)
    if force:
        _remove_results(folder)
    before = _read_settings(folder)
    if before is not None and before != identity:
        differ = sorted(
            name for name in {*before, *identity} if before.get(name) != identity.get(name)
        )
        raise OutputExistsError(
            f"{folder} holds an evaluation with other settings: {', '.join(differ)}",
            hint="choose another -o DIR, or pass --force to start over",
        )
    with wrap_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if before is None:
        atomic_write(folder / SETTINGS_FILE, json.dumps(identity, indent=1, sort_keys=True) + "\n")
    rows = _read_rows(folder / LEDGER_FILE, digest)
    return Ledger(folder, digest, {row.key: row for row in rows})


def _refuse_foreign(folder: Path) -> None:
    """Raise unless the folder is free, empty, or that of an evaluation."""
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise OutputExistsError(f"{folder} is not a folder", hint="choose another -o DIR")
    if any(folder.iterdir()) and not (folder / SETTINGS_FILE).is_file():
        raise OutputExistsError(
            f"{folder} is not empty and holds no evaluation", hint="choose another -o DIR"
        )


def _remove_results(folder: Path) -> None:
    """Remove the files of an evaluation, those that say what it was last."""
    known = [folder / name for name in (*RESULT_FILES, LEDGER_FILE, SETTINGS_FILE)]
    with wrap_os_errors(folder):
        for path in [*(folder / PLOTS_FOLDER).glob("*.svg"), *known]:
            path.unlink(missing_ok=True)


def _read_settings(folder: Path) -> Identity | None:
    path = folder / SETTINGS_FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return dict(found)
    except (OSError, ValueError, TypeError) as exc:
        raise RunFolderError(
            f"{path} can't be read", hint="choose another -o DIR, or pass --force to start over"
        ) from exc


def _read_rows(path: Path, digest: str) -> list[ClipRow]:
    """The finished clips; a last line without an end is cut off the file."""
    return [_row(line, path, digest) for _, line in whole_lines(path, repair=True)]


def _row(line: bytes, path: Path, digest: str) -> ClipRow:
    try:
        told: Mapping[str, Any] = json.loads(line)
        values = dict(told)
        known = values.pop("settings") == digest
        row = ClipRow(**values)
    except (ValueError, TypeError, KeyError) as exc:
        raise RunFolderError(
            f"{path} is damaged", hint="choose another -o DIR, or pass --force to start over"
        ) from exc
    if not known:
        raise OutputExistsError(
            f"{path} holds clips of other settings",
            hint="choose another -o DIR, or pass --force to start over",
        )
    return row
