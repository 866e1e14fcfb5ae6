"""The options of a batch and their bounds, and what a batch does with items and outcomes."""

from __future__ import annotations

import json

import pytest

from tam_video.batch.items import BatchItem
from tam_video.batch.jobs import Began, Broken, Finished, ItemError, ItemRequest, Outcome, Ready
from tam_video.batch.runner import (
    EXPLAIN,
    BatchOptions,
    BatchTask,
    batch_config,
    resolve_items,
    run,
)
from tam_video.batch.sources import SourcePolicy
from tam_video.batch.work import KEEP, ExplainWork
from tam_video.config import RunConfig
from tam_video.errors import (
    BatchError,
    ConfigError,
    ExportError,
    ModelLoadError,
    OutputExistsError,
)
from tam_video.types import Message
from tam_video.video.reader import DEFAULT_LIMITS


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 1},
        {"timeout_seconds": 0.1},
        {"shard": (1, 1)},
        {"shard": (8, 8)},
        {"keep": frozenset()},
    ],
)
def test_options_may_be_at_their_bounds(options):
    assert BatchOptions(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers must be 1 or more, not 0"),
        ({"timeout_seconds": 0.0}, "above 0, not 0 seconds"),
        ({"timeout_seconds": -1.0}, "above 0, not -1 seconds"),
        ({"timeout_seconds": float("nan")}, "above 0"),
        ({"shard": (0, 8)}, "shard 0 of 8 does not exist"),
        ({"shard": (9, 8)}, "shard 9 of 8 does not exist"),
        ({"keep": frozenset({"maps", "gif3"})}, "'gif3' is not a valid file kind"),
    ],
)
def test_options_beyond_their_bounds_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        BatchOptions(**options)


def test_nothing_is_retried_or_compared_by_hashes_unless_it_is_requested():
    options = BatchOptions()
    assert (options.retry_failed, options.verify) == (False, False)
    assert options.workers is options.timeout_seconds is options.max_failures is None
    assert EXPLAIN.writes_summary
    assert not ItemRequest("key", "run", ()).may_exist


def failing(out, *, count, max_failures):
    """Run items that fail before any worker starts."""
    rows = [{"id": f"i{k}", "video": f"/none/{k}.mp4", "question": "?"} for k in range(count)]
    results = run(rows, out, options=BatchOptions(max_failures=max_failures, workers=1))
    return [result.status for result in results]


def test_a_batch_ends_when_more_items_fail_than_are_allowed(tmp_path):
    assert failing(tmp_path / "a", count=2, max_failures=2) == ["failed"] * 2
    assert failing(tmp_path / "b", count=2, max_failures=None) == ["failed"] * 2
    with pytest.raises(BatchError, match="more items failed"):
        failing(tmp_path / "c", count=3, max_failures=2)
    with pytest.raises(BatchError, match="more items failed"):
        failing(tmp_path / "d", count=1, max_failures=0)
    # Failures of an earlier run do not count again.
    assert failing(tmp_path / "d", count=1, max_failures=0) == ["failed"]


class Inline:
    """An engine that runs no process: `act` returns the outcome of each item, or None for none."""

    default_workers = 2

    def __init__(self, act, **options):
        self.act, self.options = act, options
        self.started, self.jobs, self.pending, self.is_closed = [], [], [], False

    def start(self, number):
        self.started.append(number)
        self.pending.append((number, Ready()))

    def send(self, number, job):
        self.jobs.append(job)
        for question in job.questions:
            event = self.act(question)
            if isinstance(event, Outcome):
                event = Finished(job.number, event)
            self.pending.append((number, event or Began("answer", job.number, question.key)))

    def stop(self, number):
        pass

    def events(self, timeout_seconds):
        events, self.pending = self.pending, []
        return events

    def close(self):
        self.is_closed = True


class Batch:
    """Runs batches of a folder on inline engines, which `engines` collects."""

    def __init__(self, root):
        self.out, self.engines, self.worker = root / "out", [], None
        for number in range(4):
            (root / f"clip{number}.mp4").write_bytes(bytes([number]) * 9)
        self.rows = [
            {"id": f"i{n}", "video": str(root / f"clip{n}.mp4"), "question": "?"} for n in range(4)
        ]

    def start(self, items, act, *, task=None, force=False, **options):
        def make(factory, **own):
            self.worker = factory
            self.engines.append(Inline(act, **own))
            return self.engines[-1]

        options = BatchOptions(engine=make, **options)
        return run(items, self.out, options=options, task=task or BatchTask(), force=force)

    def results(self, *args, **options):
        return list(self.start(*args, **options))

    @property
    def lines(self):
        return [json.loads(line) for line in (self.out / "ledger.jsonl").read_text().splitlines()]


@pytest.fixture
def batch(tmp_path):
    return Batch(tmp_path)


ERROR = ItemError("VideoOpenError", "no", "look")


def answers(question):
    """Fail one item, and answer the others without a run folder."""
    if question.turns[-1].text == "fail":
        return Outcome(question.key, error=ERROR)
    return Outcome(question.key, answer="2", seconds={"read": 1.5}, details={"cats": 2})


def test_results_say_what_became_of_each_item_and_are_resumed(batch):
    rows = [batch.rows[0], {**batch.rows[1], "question": "fail"}]
    for is_resumed in (False, True):
        done, failed = batch.results(rows, answers)
        assert (done.item.id, done.status, done.answer, done.error) == ("i0", "done", "2", None)
        assert (failed.item.id, failed.status, failed.answer) == ("i1", "failed", "")
        assert failed.error == ERROR
        assert (done.run_dir, failed.run_dir) == ("", "")
        assert (done.is_resumed, failed.is_resumed) == (is_resumed, is_resumed)
        assert done.seconds == ({} if is_resumed else {"read": 1.5})
        assert done.details == ({} if is_resumed else {"cats": 2})
    assert [(line["id"], line["status"]) for line in batch.lines] == [
        ("i0", "done"),
        ("i1", "failed"),
    ]
    assert len(batch.engines) == 1  # none for a batch that is done
    (again,) = [r for r in batch.results(rows, answers, retry_failed=True) if not r.is_resumed]
    assert again.item.id == "i1"


def test_a_run_folder_is_named_with_the_output_of_the_batch(batch):
    (result,) = batch.results(batch.rows[:1], lambda q: Outcome(q.key, run=q.run))
    assert result.run_dir == f"{batch.out}/runs/{batch.engines[0].jobs[0].questions[0].run}"
    (again,) = batch.results(batch.rows[:1], lambda q: Outcome(q.key, run=q.run))
    assert not again.is_resumed  # there is no such folder


def test_equal_items_are_run_once_and_have_a_result_each(batch):
    twin = {**batch.rows[0], "id": "twin"}
    results = batch.results([batch.rows[0], twin, batch.rows[1]], answers)
    assert [(r.item.id, r.answer) for r in results] == [("i0", "2"), ("twin", "2"), ("i1", "2")]
    assert len(batch.lines) == 2


def test_items_may_be_rows_items_or_nothing_yet_and_rows_are_numbered(batch):
    item = BatchItem("own", (batch.rows[1]["video"],), (Message("user", "?"),))
    row = {"video": batch.rows[0]["video"]}
    (first, *rest) = resolve_items([row, None, item, {**row, "id": "x"}], "Why?", BatchOptions())
    assert (first.id, first.turns[0].text) == ("000001", "Why?")
    assert rest[:2] == [None, item]
    assert rest[2].id == "x"
    (refused,) = resolve_items([{"video": "s3://b/k"}], "Why?", BatchOptions())
    assert "only local files" in refused.problem.message
    policy = SourcePolicy(frozenset({"s3"}))
    (allowed,) = resolve_items([{"video": "s3://b/k"}], "Why?", BatchOptions(policy=policy))
    assert allowed.problem is None


def test_late_items_are_made_from_the_log_and_the_identity(batch):
    calls = []

    def late(log, identity):
        calls.append((log.status(batch.lines[0]["key"]) if calls else None, identity))
        return iter([*resolve_items(batch.rows[:1], None, BatchOptions()), None])

    task = BatchTask(identity={"camera": 3})
    for is_resumed in (False, True):
        (result,) = batch.results(late, answers, task=task)
        assert result.is_resumed == is_resumed
    assert [status for status, _ in calls] == [None, "done"]
    assert calls[0][1]["camera"] == 3
    assert "settings" in calls[0][1]
    with pytest.raises(OutputExistsError, match="camera"):
        batch.results(late, answers, task=BatchTask(identity={"camera": 4}))


def test_workers_come_from_the_option_or_from_the_engine(batch):
    def act(question):
        return None if len(batch.engines[-1].jobs) < 99 else 1 / 0

    for workers, expected in ((None, 2), (3, 3), (1, 1)):
        rows = [{**row, "question": f"{workers}"} for row in batch.rows]
        running = batch.start(rows, act, workers=workers, timeout_seconds=1e-9)
        results = list(running)
        assert {r.error.type for r in results} == {"ItemTimeoutError"}
        assert len(results) == 4
        # Each killed worker is replaced; the first ones are started together.
        assert batch.engines[-1].started[:expected] == list(range(expected))
        assert batch.engines[-1].is_closed


def test_an_engine_gets_its_options_and_the_worker_of_the_task(batch):
    options = {"engine_options": {"address": "x"}}
    batch.results(batch.rows[:1], answers, task=BatchTask(worker=answers), **options)
    assert batch.engines[0].options == {"address": "x"}
    assert batch.worker is answers
    batch.results(batch.rows[1:2], answers, keep=frozenset(KEEP))
    assert isinstance(batch.worker, ExplainWork)
    assert (batch.worker.out, batch.worker.label) == (str(batch.out), "ledger")
    assert (batch.worker.keep, batch.worker.limits) == (frozenset(KEEP), DEFAULT_LIMITS)


def written(batch):
    names = ("summary.csv", "failed.jsonl", "summary.parquet", "index.html")
    return {name for name in names if (batch.out / name).exists()}


def test_tables_are_written_unless_the_task_has_none(batch):
    batch.results(batch.rows[:1], answers, task=BatchTask(writes_summary=False))
    assert written(batch) == set()
    batch.results(batch.rows[:1], answers)
    assert written(batch) == {"summary.csv", "failed.jsonl", "summary.parquet", "index.html"}


def test_tables_are_written_after_an_error_but_not_when_the_disk_is_full(batch):
    def breaks(kind):
        return lambda question: Broken(ItemError(kind, "stop", ""))

    for kind, error, files in (
        ("ExportError", ExportError, 0),
        ("ModelLoadError", ModelLoadError, 4),
    ):
        with pytest.raises(error, match="stop"):
            batch.results(batch.rows[:1], breaks(kind))
        assert len(written(batch)) == files
        assert batch.engines[-1].is_closed


def test_a_closed_batch_writes_its_tables_and_releases_the_folder(batch):
    running = batch.start(batch.rows, answers)
    first = next(running)
    assert first.status == "done"
    with pytest.raises(ConfigError, match="another process"):
        batch.results(batch.rows, answers)
    assert not batch.engines[0].is_closed
    running.close()
    assert batch.engines[0].is_closed
    assert "done" in (batch.out / "summary.csv").read_text()
    results = batch.results(batch.rows, answers)
    assert results[0].is_resumed
    assert len(results) == 4


def test_force_removes_the_results_of_an_earlier_batch(batch):
    batch.results(batch.rows[:1], answers)
    (result,) = batch.results(batch.rows[:1], answers, force=True)
    assert not result.is_resumed
    assert len(batch.lines) == 1


def test_a_shard_has_its_own_log_and_tables(batch):
    for number in (1, 2):
        results = batch.results(batch.rows, answers, shard=(number, 2))
        logged = batch.out / f"ledger.{number}-of-2.jsonl"
        lines = logged.read_text().splitlines() if results else []
        assert [json.loads(line)["id"] for line in lines] == [each.item.id for each in results]
        assert (batch.out / f"summary.{number}-of-2.csv").exists()
        assert (batch.out / f"index.{number}-of-2.html").exists()
    assert not (batch.out / "ledger.jsonl").exists()
    # Together they ran every item once.
    assert all(each.is_resumed for each in batch.results(batch.rows, answers))


@pytest.mark.parametrize(
    ("settings", "engine"),
    [({"reader": "x"}, "local"), ({"sampler": "x"}, "local"), ({"method": "x"}, "local"),
     ({}, "x"), ({"layout": "grid", "show_word": 1}, "local")],
)  # fmt: skip
def test_invalid_settings_are_refused_before_anything_is_read(settings, engine):
    with pytest.raises(ConfigError):
        batch_config(RunConfig(**settings), BatchOptions(engine=engine))


def test_no_video_is_rendered_that_is_not_kept():
    keep = BatchOptions(keep=frozenset({"maps"}))
    assert not batch_config(None, keep).render
    assert batch_config(None, BatchOptions()) == RunConfig()
    assert batch_config(RunConfig(num_frames=3), keep).num_frames == 3
