"""Run a batch: plan its items, dispatch them to workers, record and yield the results.

The process that calls this is the only writer of the log. `work` defines what a worker does, an
engine where workers run, and `dispatch` what is retried.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias

from tam_video.batch.dispatch import Dispatcher
from tam_video.batch.engines.base import ENGINES, EngineFactory, make_engine
from tam_video.batch.items import BatchItem, items_of_rows, read_items
from tam_video.batch.jobs import ItemError, Job, Outcome
from tam_video.batch.ledger import LEDGER, ResultLog, open_ledger, shard_label
from tam_video.batch.object_store import Storage, open_storage
from tam_video.batch.plan import Plan, batch_identity
from tam_video.batch.sources import FILES_ONLY, SourcePolicy
from tam_video.batch.storage import BATCH, RUNS
from tam_video.batch.summary import write_summary
from tam_video.batch.work import KEEP, ExplainWork
from tam_video.batch.worker import WorkerFactory
from tam_video.config import RunConfig
from tam_video.errors import BatchError, ConfigError, OutputError
from tam_video.methods import METHODS
from tam_video.profiles.resolve import ResolvedProfile, planned_profile
from tam_video.runs import render_options
from tam_video.samplers import SAMPLERS
from tam_video.video.reader import DEFAULT_LIMITS, READERS, ReadLimits
from tam_video.workspace.workspace import WorkspaceKind

Items: TypeAlias = str | Path | Iterable[BatchItem | Mapping[str, Any] | None]
LateItems: TypeAlias = Callable[[ResultLog, Mapping[str, Any]], Iterable[BatchItem | None]]
"""Makes the items from what an earlier run has done, and from the identity of the batch."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Options for running a batch; only `keep` changes which files are written.

    Attributes:
        workers: maximum number of workers; None for the default of the engine.
        engine: "local", "ray" or the name of a plug-in; or the class of an
            engine.
        engine_options: options of the engine.
        timeout_seconds: time limit of an item, after which its worker is killed; None for none.
        max_failures: stop when more items have failed; None for never.
        retry_failed: retry items that failed in an earlier run.
        shard: (number from 1, count): run a part of the items, next to other machines.
        keep: files of a run folder that are written: names of `KEEP`.
        limits: what a file may declare before it is refused.
        policy: sources that rows may name.
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
            raise ConfigError(f"the timeout must be above 0, not {self.timeout_seconds:g} seconds")
        if self.shard is not None and not 1 <= self.shard[0] <= self.shard[1]:
            raise ConfigError(
                f"shard {self.shard[0]} of {self.shard[1]} does not exist",
                hint="the first of 8 shards is --shard 1/8, the last is --shard 8/8",
            )
        unknown = self.keep - KEEP.keys()
        if unknown:
            raise ConfigError(
                f"{min(unknown)!r} is not a valid file kind for 'keep'",
                hint=f"choose from {', '.join(KEEP)}",
            )


@dataclass(frozen=True, slots=True)
class BatchTask:
    """The work that a batch does for each item, and the files that it writes.

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
    """The result of an item that has ended.

    Attributes:
        item: the item.
        status: "done" or "failed".
        run_dir: its run folder; empty if it failed.
        answer: answer of the model.
        error: why it failed.
        is_resumed: whether an earlier run of the batch finished it.
        seconds: stage -> seconds; empty if it is resumed.
        details: `Outcome.details` of the worker; empty if it is resumed.
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
    """Explain many clips, and yield the result of each item as soon as it ends.

    Items that an earlier run finished are yielded too. Tables and page are written at the end, or
    when the iterator is closed. It spawns processes: call it under `if __name__ == "__main__":`.

    Args:
        items: a manifest, a folder, a glob; or rows, or `BatchItem`s. An iterator of items that
            come one by one yields None, after a short wait, where no further item is known yet. A
            function of the log and the identity of the batch may return them.
        out: output folder or address: new, empty, or of the same batch.
        question: question for items without one.
        config: settings of all items.
        options: how the batch is run.
        task: what is done with the items.
        force: remove the results of an earlier batch in this folder first.

    Raises:
        ConfigError: invalid items, settings or options; another process works there.
        ModelError: the model cannot be loaded.
        OutputError: the output contains something else, or is not writable. Results are kept.
        BatchError: more items failed than `max_failures`.
    """
    options = options or BatchOptions()
    checked = batch_config(config, options)
    storage, label = open_storage(out, task.kind), shard_label(LEDGER, options.shard)
    storage.acquire(label)
    try:
        resolved = _planned(checked, storage, task.kind, force=force)
        own = batch_identity(resolved.config, options.keep)
        identity = storage.begin({**own, **task.identity}, force=force)
        ledger = open_ledger(storage, label)
        rows = storage.work_folder(label) / "rows.jsonl"
        source = items(ledger, identity) if callable(items) else items
        plan = Plan(
            resolve_items(source, question, options),
            ledger,
            identity=identity,
            published=storage.published(hashes=options.verify),
            rows=rows,
            retry_failed=options.retry_failed,
            shard=options.shard,
        )
        worker = task.worker or ExplainWork(
            resolved.config, str(out), label, options.keep, options.limits, resolved.notices
        )
        summary = _summary_at_end(storage, ledger, rows, options)
        with summary if task.writes_summary else nullcontext():
            yield from _results(plan, ledger, storage, worker, options)
    finally:
        storage.release()


def batch_profile(
    config: RunConfig, out: str | Path, *, kind: WorkspaceKind = BATCH, force: bool = False
) -> ResolvedProfile:
    """Resolve the profile of a batch in the same way as `run`, before `run` is called.

    Raises:
        TamVideoError: as `tam_video.profiles.resolve.planned_profile`.
    """
    storage = open_storage(out, kind)
    try:
        return _planned(config, storage, kind, force=force)
    finally:
        storage.release()


def _planned(
    config: RunConfig, storage: Storage, kind: WorkspaceKind, *, force: bool
) -> ResolvedProfile:
    """Resolve the profile of a new batch, or return the profile that an earlier run recorded."""
    return planned_profile(config, None if force else storage.read_file(kind.settings_file))


def resolve_items(
    items: Items, question: str | None, options: BatchOptions
) -> Iterator[BatchItem | None]:
    """Yield items from a manifest, a folder, a glob, or Python values.

    Raises:
        ConfigError: they cannot be read.
    """
    if isinstance(items, str | Path):
        yield from read_items(items, question=question, policy=options.policy)
        return
    for number, item in enumerate(items, start=1):
        if item is None or isinstance(item, BatchItem):
            yield item
        else:
            row = {"id": f"{number:06d}", **item}
            yield from items_of_rows([row], question=question, policy=options.policy)


def batch_config(config: RunConfig | None, options: BatchOptions) -> RunConfig:
    """Check the names in the settings once, and return the settings for all items.

    Raises:
        UnknownNameError: an unknown reader, sampler, method or engine.
        ConfigError: settings contradict each other.
    """
    config = config or RunConfig()
    if "mp4" not in options.keep:
        config = config.model_copy(update={"render": False})
    READERS.load(config.reader)
    SAMPLERS.load(config.resolved_sampler())
    METHODS.load(config.method)
    if isinstance(options.engine, str):
        ENGINES.load(options.engine)
    render_options(config)
    return config


def _results(
    plan: Plan, ledger: ResultLog, storage: Storage, worker: WorkerFactory, options: BatchOptions
) -> Iterator[ItemResult]:
    recorder = ResultRecorder(plan, ledger, storage, options.max_failures)
    with closing(plan.jobs()) as jobs:
        first: Job | None = None
        for first in jobs:  # no engine is started for a batch that is done
            yield from recorder.completed()
            if first is not None:
                break
        if first is not None:
            engine = make_engine(options.engine, worker, **options.engine_options)
            with closing(engine):
                dispatcher = Dispatcher(
                    engine,
                    chain([first], jobs),
                    workers=options.workers or engine.default_workers,
                    timeout_seconds=options.timeout_seconds,
                )
                for outcomes in dispatcher.outcomes():
                    yield from recorder.record(outcomes)
                    yield from recorder.completed()
        yield from recorder.completed()


class ResultRecorder:
    """Records the outcomes of items in the log and yields the results."""

    def __init__(
        self, plan: Plan, ledger: ResultLog, storage: Storage, max_failures: int | None
    ) -> None:
        self._plan, self._ledger, self._storage = plan, ledger, storage
        self._left = float("inf") if max_failures is None else max_failures

    def completed(self) -> Iterator[ItemResult]:
        """Record and yield the results of items that needed no worker."""
        entries = [(o, [keyed.item], is_old) for keyed, o, is_old in self._plan.completed]
        self._plan.completed.clear()
        yield from self._record(entries)

    def record(self, outcomes: Sequence[Outcome]) -> Iterator[ItemResult]:
        """Record and yield the outcomes that workers have sent."""
        yield from self._record([(o, self._plan.in_flight.pop(o.key), False) for o in outcomes])

    def _record(
        self, entries: Sequence[tuple[Outcome, Sequence[BatchItem], bool]]
    ) -> Iterator[ItemResult]:
        """Append the new outcomes to the log, and yield a result for each item."""
        new = [(outcome, items[0].id) for outcome, items, is_old in entries if not is_old]
        if new:
            self._ledger.append([outcome for outcome, _ in new], ids=[id_ for _, id_ in new])
        for outcome, items, is_old in entries:
            run_dir = f"{self._storage.address}/{RUNS}/{outcome.run}" if outcome.run else ""
            for item in items:
                yield ItemResult(
                    item,
                    "failed" if outcome.error else "done",
                    run_dir,
                    outcome.answer,
                    outcome.error,
                    is_old,
                    outcome.seconds,
                    outcome.details,
                )
        self._left -= sum(outcome.error is not None for outcome, _ in new)
        if self._left < 0:
            raise BatchError(
                "more items failed than --max-failures allows",
                hint="run the command again to resume; add --retry-failed to retry failed items",
            )


@contextmanager
def _summary_at_end(
    storage: Storage, ledger: ResultLog, rows: Path, options: BatchOptions
) -> Iterator[None]:
    """Write the tables when the batch ends, even with an error other than `OutputError`."""
    try:
        yield
    except OutputError:
        raise
    except BaseException:
        if rows.is_file():
            write_summary(storage, ledger, rows, shard=options.shard)
        raise
    write_summary(storage, ledger, rows, shard=options.shard)
