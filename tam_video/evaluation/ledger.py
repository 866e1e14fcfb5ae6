"""The log of an evaluation: one line for each finished clip, in a locked folder.

`settings.json` records what the values depend on; `clips.jsonl` grows by one synced line per clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from tam_video.errors import OutputExistsError, RunFolderError
from tam_video.evaluation.settings import Identity, identity_hash
from tam_video.workspace.append_log import json_line
from tam_video.workspace.workspace import Workspace, WorkspaceKind

SETTINGS_FILE = "settings.json"
LEDGER_FILE = "clips.jsonl"
RESULT_FILES = ("results.json", "results.csv")
PLOTS_FOLDER = "plots"
EVALUATION = WorkspaceKind(
    "an evaluation", SETTINGS_FILE, own=(*RESULT_FILES, LEDGER_FILE, f"{PLOTS_FOLDER}/*.svg")
)

ClipKey: TypeAlias = tuple[str, int]
"""A world and the number of a clip in it."""
Curves: TypeAlias = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class ClipRow:
    """The measured values of one clip.

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
        """The shape world of the clip, and its number in this world."""
        return (self.world, self.number)


@dataclass(frozen=True, slots=True)
class ClipLog:
    """The open log of an evaluation.

    Attributes:
        workspace: the locked folder.
        digest: hash of the recorded settings; every line names it.
        rows: the finished clips by world and number; grows with `append`.
    """

    workspace: Workspace
    digest: str
    rows: dict[ClipKey, ClipRow]

    def append(self, row: ClipRow) -> None:
        """Append the line of a finished clip, and wait until it is on the disk."""
        line = json_line({"settings": self.digest, **asdict(row)})
        self.workspace.log(LEDGER_FILE).append([line])
        self.rows[row.key] = row


@contextmanager
def open_clip_log(
    folder: Path,
    identity: Identity,
    *,
    defaults: Mapping[str, Any] | None = None,
    force: bool = False,
) -> Iterator[ClipLog]:
    """Start or resume an evaluation in a folder, and lock the folder inside the `with` block.

    Args:
        folder: a new or empty folder, or one of an earlier evaluation.
        identity: what the values depend on.
        defaults: of settings that an older release did not record.
        force: start over, whatever evaluation the folder contains.

    Raises:
        OutputExistsError: the folder contains something else, or other settings.
        RunFolderError: its log or its settings are damaged.
        ConfigError: another process works there.
    """
    kind = replace(EVALUATION, defaults=lambda: defaults or {})
    with Workspace.opened(folder, kind, identity, force=force) as workspace:
        digest = identity_hash(workspace.identity)
        log = workspace.log(LEDGER_FILE)
        parsed = [record for _, record in log.records(_parsed)]
        path, hint = folder / LEDGER_FILE, kind.hint
        if log.num_damaged:
            raise RunFolderError(f"{path} is damaged", hint=hint)
        if any(settings != digest for settings, _ in parsed):
            raise OutputExistsError(
                f"{path} contains results that were computed with other settings", hint=hint
            )
        yield ClipLog(workspace, digest, {row.key: row for _, row in parsed})


def _parsed(record: Any) -> tuple[str, ClipRow]:
    """Parse a line of the log into its settings hash and its row.

    Raises:
        ValueError, KeyError, TypeError: the line is damaged.
    """
    values = dict(record)
    return str(values.pop("settings")), ClipRow(**values)
