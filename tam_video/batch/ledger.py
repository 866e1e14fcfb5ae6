"""The ledger: one line for each item that has ended, written by one process, synced.

A line is the same in every run of an item: no times, no names of workers. The last line of a key
counts. "done" is followed by another line only after "lost", which says that its run folder is
gone; "failed" may be followed by another try.
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
from tam_video.batch.storage import Storage
from tam_video.workspace.append_log import AppendLog, json_line

logger = logging.getLogger(__name__)

Status: TypeAlias = Literal["done", "failed"]
LEDGER = "ledger"
_LOST = "lost"
_ENTRY = struct.Struct("<?IQ")  # whether it is done, the number of the book, the first byte


@dataclass(slots=True)
class ResultLog:
    """What has ended; where each key's line is.

    Attributes:
        logs: the log that is appended to, and those of other processes.
    """

    logs: list[AppendLog]
    _entries: DiskMap = field(default_factory=DiskMap)
    _num_bytes_before: int = 0

    def append(self, outcomes: Sequence[Outcome], *, ids: Sequence[str]) -> None:
        """Write the lines of items, and wait until they are stored.

        Args:
            outcomes: how they ended.
            ids: what a person calls them.

        Raises:
            ExportError: they can't be written: none of them is.
        """
        told = [{"id": id_, **as_json(o)} for id_, o in zip(ids, outcomes, strict=True)]
        lines = [json_line(line) for line in told]
        start = self.logs[0].append(lines)
        for line, outcome in zip(lines, outcomes, strict=True):
            self._put(outcome, 0, start)
            start += len(line) + 1

    def lose(self, key: str) -> None:
        """Note that the result of a finished item is gone."""
        self.logs[0].append([json.dumps({"key": key, "status": _LOST}).encode()])
        self._entries.discard(key)

    @property
    def num_damaged(self) -> int:
        """Lines that cannot be parsed; their items are run again."""
        return sum(log.num_damaged for log in self.logs)

    def status(self, key: str) -> Status | None:
        """How an item ended, if it has."""
        entry = self._entry(key)
        return entry[0] if entry else None

    def is_fresh(self, key: str) -> bool:
        """Whether this process wrote an item's line."""
        entry = self._entry(key)
        return entry is not None and entry[1] == 0 and entry[2] >= self._num_bytes_before

    def outcome(self, key: str) -> Outcome:
        """How an item ended, from its line.

        Raises:
            KeyError: it has not.
        """
        entry = self._entry(key)
        if entry is None:
            raise KeyError(key)
        _, book, start = entry
        return from_json(json.loads(self.logs[book].read(start)))

    def load(self) -> None:
        """Read all lines."""
        for number, log in reversed(list(enumerate(self.logs))):  # the last line of a key counts
            for start, (key, outcome) in log.records(_parsed):
                if outcome is None:
                    self._entries.discard(key)
                else:
                    self._put(outcome, number, start)
        own = self.logs[0].path
        self._num_bytes_before = own.stat().st_size if own.exists() else 0

    def _put(self, outcome: Outcome, book: int, start: int) -> None:
        self._entries.put(outcome.key, _ENTRY.pack(outcome.error is None, book, start))

    def _entry(self, key: str) -> tuple[Status, int, int] | None:
        found = self._entries.get(key)
        if found is None:
            return None
        is_done, book, start = _ENTRY.unpack(found)
        return "done" if is_done else "failed", book, start


def _parsed(record: Any) -> tuple[str, Outcome | None]:
    """Return the key of a line and how its item ended; None if its result was lost.

    Raises:
        ValueError, KeyError, TypeError: the line is damaged.
    """
    bytes.fromhex(record["key"])
    return record["key"], None if record["status"] == _LOST else from_json(record)


def open_ledger(storage: Storage, label: str) -> ResultLog:
    """Read what has ended, in this process's ledger and those beside it.

    Raises:
        ExportError: a ledger can't be read or mended.
    """
    log = ResultLog([storage.log(label), *storage.other_logs(label)])
    log.load()
    if log.num_damaged:
        logger.warning(
            "%d lines of the ledger can't be read; their items are run again", log.num_damaged
        )
    return log


def shard_label(kind: str, shard: tuple[int, int] | None) -> str:
    """Name of a shard's file without its ending: `ledger`, or `ledger.2-of-8`."""
    return kind if shard is None else f"{kind}.{shard[0]}-of-{shard[1]}"
