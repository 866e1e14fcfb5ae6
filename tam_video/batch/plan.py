"""Turn items into jobs: compute keys, skip finished items, and group items by clip.

Lazy: the first job is available while later clips are still being hashed. Items are stored on disk:
a line for the summary, and the key of each id.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tam_video.batch.disk_map import DiskMap
from tam_video.batch.items import BatchItem
from tam_video.batch.jobs import ItemError, ItemRequest, Job, Outcome, item_error
from tam_video.batch.ledger import ResultLog
from tam_video.batch.sources import fingerprint
from tam_video.config import RunConfig
from tam_video.errors import ConfigError, TamVideoError
from tam_video.export.checkpoint import weights_digest

_THREADS = 8
_LOOKAHEAD = 64
_QUESTIONS_AT_ONCE = 32
_OVER = object()
_NAME_LENGTH = 60


def batch_identity(config: RunConfig, keep: Collection[str]) -> dict[str, Any]:
    """Return the values that every result of a batch depends on, as JSON values.

    Raises:
        ModelLoadError: the folder of the model cannot be read.
    """
    return {
        "settings": config.model_dump(mode="json"),
        "weights": weights_digest(config.model) or _commit(config.model, config.revision),
        "keep": sorted(keep),
    }


def item_key(item: BatchItem, fingerprints: Sequence[str], identity: Mapping[str, Any]) -> str:
    """Compute an item's key: a SHA-256 over its videos, conversation, time span and settings.

    Args:
        item: the item.
        fingerprints: `fingerprint` of each of its videos, or a text for an unreadable one.
        identity: as returned by `batch_identity`, or as recorded in the folder.
    """
    content = {
        "videos": list(fingerprints),
        "turns": [[turn.role, turn.text, list(turn.inputs)] for turn in item.turns],
        "answer": item.answer,
        "start": item.start_seconds,
        "end": item.end_seconds,
        "identity": {**identity, **item.identity},
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def run_name(item: BatchItem, key: str) -> str:
    """Return the name of a run folder, made from the stem of the first clip and the key."""
    stem = PurePosixPath(item.videos[0]).stem if item.videos else ""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in stem)
    return f"{plain[:_NAME_LENGTH] or 'clip'}-{key[:16]}"


def _commit(model: str, revision: str | None) -> str:
    """Return the commit of a downloaded hub model, or `revision` if it is not downloaded."""
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(model, "config.json", revision=revision)
    return Path(cached).parent.name if isinstance(cached, str) else revision or "main"


@dataclass(frozen=True, slots=True)
class KeyedItem:
    """An item with the SHA-256 key of its content.

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
    """Yield each item with its key. Threads read the clips of the next items in advance.

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
                while len(ahead) < _LOOKAHEAD:
                    newest = next(source, _OVER)
                    if not isinstance(newest, BatchItem):
                        break
                    ahead.append((newest, pool.submit(_fingerprints, newest)))
                if ahead:
                    item, future = ahead.popleft()
                    fingerprints, error = future.result()
                    yield _with_key(item, item_key(item, fingerprints, identity), error, seen)
                if not ahead and newest is _OVER:
                    return
                if not ahead and newest is None:
                    yield None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _fingerprints(item: BatchItem) -> tuple[list[str], ItemError | None]:
    if item.problem is not None:
        return [item.problem.message], item_error(item.problem)
    try:
        return [fingerprint(video) for video in item.videos], None
    except TamVideoError as exc:
        return [f"unreadable {video}" for video in item.videos], item_error(exc)


def _with_key(item: BatchItem, key: str, error: ItemError | None, seen: DiskMap) -> KeyedItem:
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
    """The jobs of a batch, and the items that need no worker.

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
        """Store the arguments; the items are read later, by `jobs`.

        Args:
            items: the items; None where no further item is known yet.
            ledger: the results so far.
            identity: what all results depend on.
            published: names of the finished run folders.
            rows: temporary file; one line for each item.
            retry_failed: see `BatchOptions`.
            shard: see `BatchOptions`.
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
        """Yield the jobs for the workers, or None while no job is available yet."""
        own = (item for item in self._items if item is None or self._is_own(item))
        group: list[KeyedItem] = []
        with self._rows.open("w", encoding="utf-8") as rows:
            for each in self._unfinished(keyed_items(own, self._identity), rows):
                if group and (
                    each is None
                    or len(group) == _QUESTIONS_AT_ONCE
                    or _clip_of(each.item) != _clip_of(group[0].item)
                ):
                    yield self._job(group)
                    group = []
                if each is None:
                    yield None
                else:
                    group.append(each)
            if group:
                yield self._job(group)

    def _is_own(self, item: BatchItem) -> bool:
        """Return whether an item belongs to this shard; all items about a clip share one shard."""
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
        """Complete an item from an earlier result or error; return False if it needs a worker."""
        key = keyed.key
        status, is_fresh = self._ledger.status(key), self._ledger.is_fresh(key)
        if status is not None:
            outcome = self._ledger.outcome(key)
            is_lost = bool(outcome.run) and not self._is_published(outcome.run)
            if is_fresh or not (is_lost if status == "done" else self._retry_failed):
                self.completed.append((keyed, outcome, True))
                return True
            if is_lost:
                self._ledger.lose(key)
        if keyed.error is not None:
            self.completed.append((keyed, Outcome(key, error=keyed.error), False))
        return keyed.error is not None

    def _question(self, keyed: KeyedItem) -> ItemRequest:
        item, name = keyed.item, run_name(keyed.item, keyed.key)
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
    """Return the videos and the time span that all items of a job share."""
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
