"""A list of items in, finished items out; what was done stays done.

The one process that writes the ledger. It plans, hands out, writes down and tells; what a worker
does is `work`'s, where workers run is an engine's, what is tried again is `dispatch`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias

from tam_video.batch.dispatch import Dispatcher
from tam_video.batch.engines.base import ENGINES, EngineFactory, make_engine
from tam_video.batch.items import BatchItem, items_of_rows, read_items
from tam_video.batch.jobs import ItemError, Job, Outcome
from tam_video.batch.keys import batch_identity
from tam_video.batch.ledger import LEDGER, ResultLog, open_ledger, shard_label
from tam_video.batch.plan import Plan
from tam_video.batch.sources import FILES_ONLY, SourcePolicy
from tam_video.batch.storage import BATCH, RUNS, Storage, open_storage
from tam_video.batch.summary import write_summary
from tam_video.batch.work import KEEP, ExplainWork
from tam_video.batch.worker import WorkerFactory
from tam_video.config import RunConfig
from tam_video.errors import BatchError, ConfigError, OutputError
from tam_video.methods import METHODS
from tam_video.runs import render_options
from tam_video.samplers import SAMPLERS
from tam_video.video.reader import DEFAULT_LIMITS, READERS, ReadLimits
from tam_video.workspace.workspace import WorkspaceKind

Items: TypeAlias = str | Path | Iterable[BatchItem | Mapping[str, Any] | None]
LateItems: TypeAlias = Callable[[ResultLog, Mapping[str, Any]], Iterable[BatchItem | None]]
"""Makes the items from what an earlier run has done, and from the identity of the batch."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How a batch is run; none of it changes a result, but for what is kept.

    Attributes:
        workers: how many at most; None for as many as the engine has room for.
        engine: "local", "ray" or the name of a plug-in; or the class of an engine, such as
            `ThreadEngine`.
        engine_options: the engine's own options.
        timeout_seconds: longest time for an item; its worker is killed. None for any.
        max_failures: end the batch when more items than this have failed; None for never.
        retry_failed: run items again that failed in an earlier run.
        shard: (number from 1, of how many): work on a part of the items, beside other machines.
        keep: what stays in a run folder: names of `KEEP`.
        limits: what a file may declare before it is refused.
        policy: what rows may name.
        verify: compare the hashes of finished runs, not only the sizes of their files.
    """

    workers: int | None = None
    engine: str | EngineFactory = "local"
    engine_options: Mapping[str, Any] = field(default_factory=dict)
    timeout_seconds: float | None = None
    max_failures: int | None = None
    retry_failed: bool = False
    shard: tuple[int, int] | None = None
    keep: frozenset[str] = frozenset(KEEP)
    limits: ReadLimits = DEFAULT_LIMITS
    policy: SourcePolicy = FILES_ONLY
    verify: bool = False

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
class BatchTask:
    """What a batch does with its items, and which files its folder contains.

    Attributes:
        worker: makes the worker of a process; None to explain the items. The worker turns an item
            into an outcome and its files; see `tam_video.batch.worker.Worker`.
        identity: further values that all results depend on.
        kind: the files of the output folder, and how recorded settings are upgraded.
        writes_summary: whether the tables and `index.html` are written.
    """

    worker: WorkerFactory | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    kind: WorkspaceKind = BATCH
    writes_summary: bool = True


EXPLAIN = BatchTask()


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
        details: `Outcome.details` of the worker; empty for what an earlier run did.
    """

    item: BatchItem
    status: Literal["done", "failed"]
    run_dir: str = ""
    answer: str = ""
    error: ItemError | None = None
    is_resumed: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


def run(
    items: Items | LateItems,
    out: str | Path,
    *,
    question: str | None = None,
    config: RunConfig | None = None,
    options: BatchOptions | None = None,
    task: BatchTask = EXPLAIN,
    force: bool = False,
) -> Generator[ItemResult, None, None]:
    """Explain many clips, and yield each item as it ends.

    What an earlier run into the same place has done is not done again, but yielded too. The tables
    and the page are written when the last item was taken, or when the iterator is closed. Processes
    are spawned: a script that calls this does so under `if __name__ == "__main__":`.

    Args:
        items: a manifest, a folder, a glob; or rows, or `BatchItem`s. An iterator of items that
            come one by one, such as the segments of a camera, yields None, after a short wait,
            where no further item is known yet.
        out: a folder or an address: new, empty, or that of this batch.
        question: what is asked where an item asks nothing.
        config: settings of all items.
        options: how the batch is run.
        task: what is done with the items.
        force: remove the results of an earlier batch in this folder first.

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
    storage, label = open_storage(out, task.kind), shard_label(LEDGER, options.shard)
    storage.acquire(label)
    try:
        identity = storage.begin(
            {**batch_identity(config, options.keep), **task.identity}, force=force
        )
        ledger = open_ledger(storage, label)
        rows = storage.work_folder(label) / "rows.jsonl"
        if callable(items):
            items = items(ledger, identity)
        plan = Plan(
            resolve_items(items, question, options),
            ledger,
            identity=identity,
            published=storage.published(hashes=options.verify),
            rows=rows,
            retry_failed=options.retry_failed,
            shard=options.shard,
        )
        worker = task.worker or ExplainWork(config, str(out), label, options.keep, options.limits)
        results = _results(plan, ledger, storage, worker, options)
        if not task.writes_summary:
            yield from results
            return
        with _summed_up(storage, ledger, rows, options):
            yield from results
    finally:
        storage.release()


def resolve_items(
    items: Items, question: str | None, options: BatchOptions
) -> Iterator[BatchItem | None]:
    """Yield the items of a manifest, a folder, a glob, or of Python values.

    Raises:
        ConfigError: they can't be read.
    """
    if isinstance(items, str | Path):
        yield from read_items(items, question=question, policy=options.policy)
        return
    for number, given in enumerate(items, start=1):
        if given is None or isinstance(given, BatchItem):
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
    if isinstance(options.engine, str):
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
            outcome.details,
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
