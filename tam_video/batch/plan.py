"""Turn items into jobs: keys by content, results of earlier runs, items about the same clip.

Lazy: the first job is available while later clips are still being hashed. Items are stored on disk:
a line for the summary, and the key of each id.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tam_video.batch.disk_map import DiskMap
from tam_video.batch.items import BatchItem
from tam_video.batch.jobs import ItemError, ItemRequest, Job, Outcome, item_error
from tam_video.batch.keys import item_key, run_name
from tam_video.batch.ledger import ResultLog
from tam_video.batch.sources import fingerprint
from tam_video.errors import ConfigError, TamVideoError

_THREADS = 8
_LOOKAHEAD = 64
_QUESTIONS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class KeyedItem:
    """An item with its key.

    Attributes:
        item: the item.
        key: SHA-256 of its content.
        error: why it cannot be run, if that is known already.
    """

    item: BatchItem
    key: str
    error: ItemError | None = None


def keyed_items(
    items: Iterable[BatchItem | None], identity: Mapping[str, Any]
) -> Iterator[KeyedItem | None]:
    """Compute the keys of items; several threads read clips a little ahead.

    The key of an unreadable clip is made from its path, so that it changes once the clip is there.
    A second item with the same id and another key fails. None, for "no further item is known yet",
    is passed on after all items before it.
    """
    seen = DiskMap()
    ahead: deque[tuple[BatchItem, Future[tuple[list[str], ItemError | None]]]] = deque()
    source = iter(items)
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            while True:
                newest: BatchItem | None = None
                is_over = False
                while len(ahead) < _LOOKAHEAD:
                    try:
                        newest = next(source)
                    except StopIteration:
                        is_over = True
                    if is_over or newest is None:
                        break
                    ahead.append((newest, pool.submit(_prints, newest)))
                if ahead:
                    item, future = ahead.popleft()
                    prints, error = future.result()
                    yield _named(item, item_key(item, prints, identity), error, seen)
                if not ahead and is_over:
                    return
                if not ahead and newest is None:
                    yield None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _prints(item: BatchItem) -> tuple[list[str], ItemError | None]:
    if item.problem is not None:
        return [item.problem.message], item_error(item.problem)
    try:
        return [fingerprint(video) for video in item.videos], None
    except TamVideoError as exc:
        return [f"unreadable {video}" for video in item.videos], item_error(exc)


def _named(item: BatchItem, key: str, error: ItemError | None, seen: DiskMap) -> KeyedItem:
    digest = bytes.fromhex(key)[:16]
    first = seen.get(item.id)
    if first is None:
        seen.put(item.id, digest)
    if first in (None, digest):
        return KeyedItem(item, key, error)
    twice = ConfigError(f"two items have the id {item.id!r}", hint="ids must be unique")
    other = hashlib.sha256(first + digest).hexdigest()
    return KeyedItem(item, other, item_error(twice))


class Plan:
    """The jobs of a batch, and the items that need none.

    Attributes:
        completed: items that need no worker, taken by the caller: the item, its outcome, and
            whether that is in the log already.
        in_flight: key -> the items that workers have; several if they are equal.
        num_items: items read so far.
    """

    def __init__(
        self,
        items: Iterable[BatchItem | None],
        ledger: ResultLog,
        *,
        identity: Mapping[str, Any],
        published: Iterable[str],
        rows: Path,
        retry_failed: bool = False,
        shard: tuple[int, int] | None = None,
    ) -> None:
        """Prepare.

        Args:
            items: the items; None where no further item is known yet.
            ledger: the results so far.
            identity: what all results depend on.
            published: names of the finished run folders.
            rows: temporary file; one line for each item.
            retry_failed: retry items that failed before.
            shard: (number from 1, count): the part of the items that this process runs.
        """
        self._items, self._ledger, self._identity = items, ledger, identity
        self._rows, self._published = rows, DiskMap()
        for name in published:
            self._published.put(name)
        self._retry_failed, self._shard = retry_failed, shard
        self._num_jobs = 0
        self.completed: deque[tuple[KeyedItem, Outcome, bool]] = deque()
        self.in_flight: dict[str, list[BatchItem]] = {}
        self.num_items = 0

    def jobs(self) -> Generator[Job | None, None, None]:
        """Yield the jobs for the workers; None where there is no job for now."""
        own = (item for item in self._items if item is None or self._is_own(item))
        group: list[KeyedItem] = []
        with self._rows.open("w", encoding="utf-8") as rows:
            for each in self._unfinished(keyed_items(own, self._identity), rows):
                if each is None:
                    if group:
                        yield self._job(group)
                        group = []
                    yield None
                    continue
                is_full = len(group) == _QUESTIONS_AT_ONCE
                if group and (is_full or _clip_of(each.item) != _clip_of(group[0].item)):
                    yield self._job(group)
                    group = []
                group.append(each)
            if group:
                yield self._job(group)

    def _is_own(self, item: BatchItem) -> bool:
        """Whether an item belongs to this shard; all items of a clip belong to the same one."""
        if self._shard is None:
            return True
        number, count = self._shard
        digest = hashlib.sha256("\n".join(item.videos or (item.id,)).encode()).digest()
        return int.from_bytes(digest[:8]) % count == number - 1

    def _unfinished(
        self, items: Iterable[KeyedItem | None], rows: IO[str]
    ) -> Iterator[KeyedItem | None]:
        for keyed in items:
            if keyed is None:
                yield None
                continue
            self.num_items += 1
            rows.write(json.dumps(_row(keyed), ensure_ascii=True, default=str) + "\n")
            if keyed.key in self.in_flight:
                self.in_flight[keyed.key].append(keyed.item)
            elif not self._complete(keyed):
                self.in_flight[keyed.key] = [keyed.item]
                yield keyed
            elif len(self.completed) >= _LOOKAHEAD:
                yield None

    def _complete(self, keyed: KeyedItem) -> bool:
        """Complete an item that is done, failed or invalid; False if it needs a worker."""
        key = keyed.key
        status = self._ledger.status(key)
        if status == "done":
            outcome = self._ledger.outcome(key)
            is_there = not outcome.run or self._is_published(outcome.run)
            if is_there or self._ledger.is_fresh(key):
                self.completed.append((keyed, outcome, True))
                return True
            self._ledger.lose(key)
        elif status == "failed" and not (self._retry_failed and not self._ledger.is_fresh(key)):
            self.completed.append((keyed, self._ledger.outcome(key), True))
            return True
        if keyed.error is not None:
            self.completed.append((keyed, Outcome(key, error=keyed.error), False))
            return True
        return False

    def _question(self, keyed: KeyedItem) -> ItemRequest:
        name = run_name(keyed.item, keyed.key)
        item = keyed.item
        may_exist = self._is_published(name)
        return ItemRequest(keyed.key, name, item.turns, item.answer, may_exist, item.extra)

    def _is_published(self, name: str) -> bool:
        return self._published.get(name) is not None

    def _job(self, group: Sequence[KeyedItem]) -> Job:
        self._num_jobs += 1
        first = group[0].item
        questions = tuple(self._question(each) for each in group)
        return Job(self._num_jobs, first.videos, questions, first.start_seconds, first.end_seconds)


def _clip_of(item: BatchItem) -> tuple[object, ...]:
    """Return what the items of a job have in common."""
    return (item.videos, item.start_seconds, item.end_seconds)


def _row(keyed: KeyedItem) -> dict[str, Any]:
    item = keyed.item
    return {
        "key": keyed.key,
        "id": item.id,
        "video": "; ".join(item.videos),
        "question": item.turns[-1].text if item.turns else "",
        "extra": dict(item.extra),
    }
