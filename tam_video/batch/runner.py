"""A list of items in, finished items out; what was done stays done.

The one process that writes the ledger. It plans, hands out, writes down and tells; what a worker
does is `work`'s, where workers run is an engine's, what is tried again is `dispatch`'s.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from tam_video.batch.dispatch import Dispatcher
from tam_video.batch.engines.base import ENGINES, make_engine
from tam_video.batch.items import BatchItem, items_of_rows, read_items
from tam_video.batch.jobs import ItemError, Job, Outcome
from tam_video.batch.keys import batch_identity
from tam_video.batch.ledger import LEDGER, ResultLog, open_ledger, shard_label
from tam_video.batch.plan import Plan
from tam_video.batch.sources import FILES_ONLY, SourcePolicy
from tam_video.batch.storage import BATCH_FILE, RUNS, Storage, open_storage
from tam_video.batch.summary import write_summary
from tam_video.batch.work import KEEP, ExplainWork
from tam_video.batch.worker import WorkerFactory
from tam_video.config import RunConfig
from tam_video.errors import BatchError, ConfigError, OutputError, OutputExistsError, RunFolderError
from tam_video.methods import METHODS
from tam_video.runs import render_options
from tam_video.samplers import SAMPLERS
from tam_video.video.reader import DEFAULT_LIMITS, READERS, ReadLimits

_BATCH_VERSION = 1


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How a batch is run; none of it changes a result, but for what is kept.

    Attributes:
        workers: how many at most; None for as many as the engine has room for.
        engine: name of the engine: "local", "ray", or a plug-in's.
        engine_options: the engine's own options.
        timeout_seconds: longest time for an item; its worker is killed. None for any.
        max_failures: end the batch when more items than this have failed; None for never.
        retry_failed: run items again that failed in an earlier run.
        shard: (number from 1, of how many): work on a part of the items, beside other machines.
        keep: what stays in a run folder: names of `KEEP`.
        limits: what a file may declare before it is refused.
        policy: what rows may name.
    """

    workers: int | None = None
    engine: str = "local"
    engine_options: Mapping[str, Any] = field(default_factory=dict)
    timeout_seconds: float | None = None
    max_failures: int | None = None
    retry_failed: bool = False
    shard: tuple[int, int] | None = None
    keep: frozenset[str] = frozenset(KEEP)
    limits: ReadLimits = DEFAULT_LIMITS
    policy: SourcePolicy = FILES_ONLY

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"workers must be 1 or more, not {self.workers}")
        if self.timeout_seconds is not None and not self.timeout_seconds > 0:
            raise ConfigError(f"a timeout is longer than {self.timeout_seconds:g} seconds")
        if self.shard is not None and not 1 <= self.shard[0] <= self.shard[1]:
            raise ConfigError(
                f"there is no shard {self.shard[0]} of {self.shard[1]}", hint="--shard 1/8 to 8/8"
            )
        unknown = self.keep - KEEP.keys()
        if unknown:
            raise ConfigError(f"can't keep {min(unknown)!r}", hint=f"known: {', '.join(KEEP)}")


@dataclass(frozen=True, slots=True)
class ItemResult:
    """An item that has ended.

    Attributes:
        item: what was asked.
        status: "done" or "failed".
        run_dir: where its run folder is; empty if it failed.
        answer: what the model said.
        error: why it failed.
        is_resumed: whether an earlier run of the batch did it.
        seconds: stage -> seconds; empty for what an earlier run did.
    """

    item: BatchItem
    status: Literal["done", "failed"]
    run_dir: str = ""
    answer: str = ""
    error: ItemError | None = None
    is_resumed: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)


def run(
    items: str | Path | Iterable[BatchItem | Mapping[str, Any]],
    out: str | Path,
    *,
    question: str | None = None,
    config: RunConfig | None = None,
    options: BatchOptions | None = None,
    factory: WorkerFactory | None = None,
) -> Generator[ItemResult, None, None]:
    """Explain many clips, and yield each item as it ends.

    What an earlier run into the same place has done is not done again, but yielded too. The tables
    and the page are written when the last item was taken, or when the iterator is closed. Processes
    are spawned: a script that calls this does so under `if __name__ == "__main__":`.

    Args:
        items: a manifest, a folder, a glob; or rows, or `BatchItem`s.
        out: a folder or an address: new, empty, or that of this batch.
        question: what is asked where an item asks nothing.
        config: settings of all items.
        options: how the batch is run.
        factory: what a worker does, in place of explaining; see `Worker`.

    Raises:
        ConfigError: items, settings or options that make no sense; another process works there.
        ModelError: the model can't be loaded.
        OutputError: the place holds something else, or can't be written. What was done is kept.
        BatchError: more items failed than `max_failures`.
    """
    options = options or BatchOptions()
    config = (config or RunConfig()).model_copy(
        update={} if "mp4" in options.keep else {"render": False}
    )
    check_names(config, options)
    storage, label = open_storage(out), shard_label(LEDGER, options.shard)
    storage.open_new()
    storage.lock(label)
    try:
        identity = batch_identity(config, options.keep)
        if not is_same_batch(storage, identity):
            told = {"batch_version": _BATCH_VERSION, **identity}
            text = json.dumps(told, indent=1, sort_keys=True) + "\n"
            storage.write_file(BATCH_FILE, text.encode())
        ledger = open_ledger(storage, label)
        rows = storage.work_folder(label) / "rows.jsonl"
        plan = Plan(
            asked_items(items, question, options),
            ledger,
            identity=identity,
            published=storage.published(),
            rows=rows,
            retry_failed=options.retry_failed,
            shard=options.shard,
        )
        work = factory or ExplainWork(config, str(out), label, options.keep, options.limits)
        with _summed_up(storage, ledger, rows, options):
            yield from _results(plan, ledger, storage, work, options)
    finally:
        storage.release()


def asked_items(
    items: str | Path | Iterable[BatchItem | Mapping[str, Any]],
    question: str | None,
    options: BatchOptions,
) -> Iterator[BatchItem]:
    """The items, wherever they are told.

    Raises:
        ConfigError: they can't be read.
    """
    if isinstance(items, str | Path):
        yield from read_items(items, question=question, policy=options.policy)
        return
    for number, given in enumerate(items, start=1):
        if isinstance(given, BatchItem):
            yield given
        else:
            named = {"id": f"{number:06d}", **given}
            yield from items_of_rows([named], question=question, policy=options.policy)


def check_names(config: RunConfig, options: BatchOptions) -> None:
    """Tell a wrong name before anything is done, not once for each item.

    Raises:
        UnknownNameError: of a reader, a sampler, a method or an engine.
        ConfigError: a colour map or a font that is not there.
    """
    READERS.load(config.reader)
    SAMPLERS.load(config.resolved_sampler())
    METHODS.load(config.method)
    ENGINES.load(options.engine)
    render_options(config)


def _results(
    plan: Plan, ledger: ResultLog, storage: Storage, work: WorkerFactory, options: BatchOptions
) -> Iterator[ItemResult]:
    book = ResultRecorder(plan, ledger, storage, options.max_failures)
    with closing(plan.jobs()) as jobs:
        first: Job | None = None
        for first in jobs:  # nothing is started for a batch that is done
            yield from book.settle()
            if first is not None:
                break
        if first is not None:
            engine = make_engine(options.engine, work, **options.engine_options)
            with closing(engine):
                dispatcher = Dispatcher(
                    engine,
                    chain([first], jobs),
                    workers=options.workers or engine.default_workers,
                    timeout_seconds=options.timeout_seconds,
                )
                for outcomes in dispatcher.outcomes():
                    yield from book.record(outcomes)
                    yield from book.settle()
        yield from book.settle()


class ResultRecorder:
    """Writes down how items ended, and tells."""

    def __init__(
        self, plan: Plan, ledger: ResultLog, storage: Storage, max_failures: int | None
    ) -> None:
        self._plan, self._ledger, self._storage = plan, ledger, storage
        self._left = float("inf") if max_failures is None else max_failures

    def settle(self) -> Iterator[ItemResult]:
        """Items that needed no worker."""
        settled = list(self._plan.completed)
        self._plan.completed.clear()
        new = [(keyed, outcome) for keyed, outcome, is_old in settled if not is_old]
        self._write([outcome for _, outcome in new], [keyed.item.id for keyed, _ in new])
        for keyed, outcome, is_old in settled:
            yield self._result(keyed.item, outcome, is_old=is_old)
        self._count([outcome for _, outcome in new])

    def record(self, outcomes: Sequence[Outcome]) -> Iterator[ItemResult]:
        """Items that came from a worker."""
        items = [self._plan.in_flight.pop(outcome.key) for outcome in outcomes]
        self._write(outcomes, [same[0].id for same in items])
        for outcome, same in zip(outcomes, items, strict=True):
            for item in same:
                yield self._result(item, outcome, is_old=False)
        self._count(outcomes)

    def _write(self, outcomes: Sequence[Outcome], ids: Sequence[str]) -> None:
        if outcomes:
            self._ledger.append(outcomes, ids=ids)

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        self._left -= sum(outcome.error is not None for outcome in outcomes)
        if self._left < 0:
            raise BatchError(
                "more items failed than --max-failures allows",
                hint="what was done is kept: the same command goes on, --retry-failed tries again",
            )

    def _result(self, item: BatchItem, outcome: Outcome, *, is_old: bool) -> ItemResult:
        run_dir = f"{self._storage.address}/{RUNS}/{outcome.run}" if outcome.run else ""
        return ItemResult(
            item,
            "failed" if outcome.error else "done",
            run_dir,
            outcome.answer,
            outcome.error,
            is_old,
            outcome.seconds,
        )


@contextmanager
def _summed_up(
    storage: Storage, ledger: ResultLog, rows: Path, options: BatchOptions
) -> Iterator[None]:
    """Write the tables, however the batch ends; not where nothing can be written."""
    try:
        yield
    except OutputError:
        raise
    except BaseException:
        if rows.is_file():
            write_summary(storage, ledger, rows, shard=options.shard)
        raise
    write_summary(storage, ledger, rows, shard=options.shard)


def is_same_batch(storage: Storage, identity: Mapping[str, Any]) -> bool:
    """Whether a place holds this batch; False where it holds none yet.

    Raises:
        OutputExistsError: it holds one with other settings.
        RunFolderError: what it holds can't be told.
    """
    found = storage.read_file(BATCH_FILE)
    if found is None:
        return False
    try:
        before = dict(json.loads(found))
        version = before.pop("batch_version")
    except (ValueError, TypeError, KeyError) as exc:
        raise RunFolderError(
            f"{storage.address}/{BATCH_FILE} can't be read", hint="choose another -o DIR"
        ) from exc
    if version != _BATCH_VERSION:
        raise RunFolderError(
            f"{storage.address} holds a batch of version {version}, this release goes on with "
            f"{_BATCH_VERSION}",
            hint="use the release that began it, or choose another -o DIR",
        )
    if before != json.loads(json.dumps(identity)):
        raise OutputExistsError(
            f"{storage.address} holds a batch with other settings: {_differing(before, identity)}",
            hint="choose another -o DIR",
        )
    return True


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    old = {**before, **dict(before.get("settings") or {})}
    new = {**now, **json.loads(json.dumps(now["settings"]))}
    names = sorted(name for name in {*old, *new} - {"settings"} if old.get(name) != new.get(name))
    return ", ".join(names)
