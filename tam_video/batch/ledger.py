"""The log of a batch: one process appends a line for each item that has ended.

A line is the same in every run of an item: it has no times and no names of workers. The last line
of a key counts. After "done", only "lost" may follow, for a missing or damaged run folder; after
"failed", a retry.
"""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from tam_video.batch.disk_map import DiskMap
from tam_video.batch.jobs import Outcome, as_json, from_json
from tam_video.batch.object_store import Storage
from tam_video.workspace.append_log import AppendLog, json_line

logger = logging.getLogger(__name__)

Status: TypeAlias = Literal["done", "failed"]
LEDGER = "ledger"
_LOST = "lost"
_ENTRY = struct.Struct("<?IQ")  # whether it is done, the number of the log, the byte offset


@dataclass(slots=True)
class ResultLog:
    """The logs of a batch, with an index from item keys to log lines.

    Attributes:
        logs: the log that is appended to, and those of other processes.
    """

    logs: list[AppendLog]
    _entries: DiskMap = field(default_factory=DiskMap)
    _num_bytes_before: int = 0

    def append(self, outcomes: Sequence[Outcome], *, ids: Sequence[str]) -> None:
        """Append outcomes with the item ids in `ids`, and wait until they are on the disk.

        Raises:
            ExportError: they cannot be written; then none of them is.
        """
        records = [{"id": id_, **as_json(o)} for id_, o in zip(ids, outcomes, strict=True)]
        lines = [json_line(line) for line in records]
        start = self.logs[0].append(lines)
        for line, outcome in zip(lines, outcomes, strict=True):
            self._put(outcome, 0, start)
            start += len(line) + 1

    def lose(self, key: str) -> None:
        """Record that the run folder of a finished item is missing or damaged."""
        self.logs[0].append([json_line({"key": key, "status": _LOST})])
        self._entries.discard(key)

    @property
    def num_damaged(self) -> int:
        """Return the number of damaged lines; the items in these lines are run again."""
        return sum(log.num_damaged for log in self.logs)

    def status(self, key: str) -> Status | None:
        """Return the status of an item, or None if the item has not ended."""
        entry = self._entry(key)
        return entry[0] if entry else None

    def is_fresh(self, key: str) -> bool:
        """Return whether this process has written the log line of an item."""
        entry = self._entry(key)
        return entry is not None and entry[1] == 0 and entry[2] >= self._num_bytes_before

    def outcome(self, key: str) -> Outcome:
        """Read the result of an item from its line in the log.

        Raises:
            KeyError: it has not ended.
        """
        entry = self._entry(key)
        if entry is None:
            raise KeyError(key)
        _, number, start = entry
        return from_json(json.loads(self.logs[number].read(start)))

    def load(self) -> None:
        """Read all logs. For an item in several logs, the log of this process takes precedence."""
        for number, log in reversed(list(enumerate(self.logs))):  # the last line of a key counts
            for start, (key, outcome) in log.records(_parsed):
                if outcome is None:
                    self._entries.discard(key)
                else:
                    self._put(outcome, number, start)
        if self.logs and self.logs[0].path.exists():
            self._num_bytes_before = self.logs[0].path.stat().st_size

    def _put(self, outcome: Outcome, number: int, start: int) -> None:
        self._entries.put(outcome.key, _ENTRY.pack(outcome.error is None, number, start))

    def _entry(self, key: str) -> tuple[Status, int, int] | None:
        packed = self._entries.get(key)
        if packed is None:
            return None
        is_done, number, start = _ENTRY.unpack(packed)
        return "done" if is_done else "failed", number, start


def _parsed(record: Any) -> tuple[str, Outcome | None]:
    """Return (key, outcome) from a line; the outcome is None if the result was recorded as lost."""
    bytes.fromhex(record["key"])
    return record["key"], None if record["status"] == _LOST else from_json(record)


def open_ledger(storage: Storage, label: str) -> ResultLog:
    """Open the log of `label`, and read this log and the logs of other processes.

    Raises:
        ExportError: a log cannot be read or repaired.
    """
    log = ResultLog([storage.log(label), *storage.other_logs(label)])
    log.load()
    if log.num_damaged:
        logger.warning(
            "%d lines of the ledger can't be read; their items are run again", log.num_damaged
        )
    return log


def shard_label(kind: str, shard: tuple[int, int] | None) -> str:
    """Return the stem of the file name for a shard, such as `ledger.2-of-8`."""
    return kind if shard is None else f"{kind}.{shard[0]}-of-{shard[1]}"
