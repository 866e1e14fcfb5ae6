"""Slow, stuck and dead workers, with an engine and a clock of the test."""

from __future__ import annotations

import inspect
import re
import time
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.batch import dispatch
from tam_video.batch.dispatch import Dispatcher
from tam_video.batch.jobs import (
    Began,
    Broken,
    Died,
    Ended,
    Finished,
    ItemError,
    ItemRequest,
    Job,
    Outcome,
    Ready,
)
from tam_video.errors import ExportError, ModelError
from tam_video.types import Message

TURNS = (Message("user", "What?"),)


def a_job(number, *keys):
    keys = keys or (f"k{number}",)
    return Job(number, (f"clip{number}",), tuple(ItemRequest(key, key, TURNS) for key in keys))


class Toy:
    """An engine whose clock advances by a second per poll; `act` returns the events."""

    default_workers = 2

    def __init__(self, act):
        self.act, self.now = act, 0.0
        self.inboxes, self.pending = {}, deque()
        self.started, self.stopped, self.sent = [], [], []
        self.most_in_flight = 0

    def start(self, number):
        self.started.append(number)
        self.inboxes[number] = deque()
        self.pending.append((number, Ready()))

    def send(self, number, job):
        self.sent.append((number, job))
        self.inboxes[number].append(job)

    def stop(self, number):
        self.stopped.append(number)
        self.inboxes.pop(number, None)

    def events(self, timeout_seconds):
        self.now += 1
        events, self.pending = list(self.pending), deque()
        for number, inbox in list(self.inboxes.items()):
            self.most_in_flight = max(self.most_in_flight, len(inbox))
            if inbox:
                new = self.act(self, number, inbox[0])
                if new and isinstance(new[-1], Finished | Died):
                    inbox.popleft()
                events += [(number, event) for event in new]
        return events


def work(toy, number, job):
    """Finish all items of a job."""
    done = [Finished(job.number, Outcome(q.key, run=q.run)) for q in job.questions]
    return [Began("read", job.number), Ended("read", job.number), *done]


def outcomes(toy, jobs, *, results=None, **options):
    options = {"workers": 2, "clock": lambda: toy.now, **options}
    results = [] if results is None else results
    for number, ended in enumerate(Dispatcher(toy, iter(jobs), **options).outcomes()):
        results += ended
        assert number < 10_000
    return results


def test_every_item_has_one_outcome_and_workers_are_ended():
    toy = Toy(work)
    results = outcomes(toy, [a_job(n, f"a{n}", f"b{n}") for n in range(20)])
    assert sorted(o.key for o in results) == sorted(f"{c}{n}" for n in range(20) for c in "ab")
    assert toy.started == [0, 1]
    assert sorted(toy.stopped) == [0, 1]


def test_no_more_workers_are_started_than_there_are_jobs():
    toy = Toy(work)
    outcomes(toy, [a_job(1)], workers=8)
    assert toy.started == [0]


def test_no_jobs_start_no_worker():
    toy = Toy(work)
    assert outcomes(toy, [None, None]) == []
    assert toy.started == []


def test_jobs_are_queued_a_little_ahead():
    toy = Toy(work)
    outcomes(toy, [a_job(n) for n in range(30)], workers=1)
    assert toy.most_in_flight == 3


def test_items_of_a_dead_worker_are_run_again_the_suspect_alone():
    deaths = []

    def act(toy, number, job):
        if job.number == 3 and not deaths:
            deaths.append(number)
            return [Began("answer", 3, "k3"), Died("gone")]
        if job.number == 3:
            assert [j.number for n, j in toy.sent if n == number][-1] == 3
            assert len(toy.inboxes[number]) == 1
        return work(toy, number, job)

    toy = Toy(act)
    results = outcomes(toy, [a_job(n) for n in range(10)])
    assert sorted(o.key for o in results) == [f"k{n}" for n in range(10)]
    assert not any(o.error for o in results)
    again = [job for _, job in toy.sent if job.number == 3][-1]
    assert again.questions[0].may_exist


def test_an_item_that_kills_every_worker_fails_and_the_rest_is_done():
    def act(toy, number, job):
        if job.number == 5:
            return [Began("read", 5), Died("killed by SIGSEGV")]
        return work(toy, number, job)

    toy = Toy(act)
    results = outcomes(toy, [a_job(n) for n in range(12)])
    failed = [o for o in results if o.error]
    assert [o.key for o in failed] == ["k5"]
    assert failed[0].error.type == "WorkerDiedError"
    assert "SIGSEGV" in failed[0].error.message
    assert len(results) == 12


def test_an_item_may_kill_three_workers_and_fails_with_the_fourth():
    def act_until(num_deaths):
        deaths = []

        def act(toy, number, job):
            if job.number == 5 and len(deaths) < num_deaths:
                deaths.append(number)
                return [Began("read", 5), Died("gone")]
            return work(toy, number, job)

        return act

    for num_deaths, fails in ((3, False), (4, True)):
        toy = Toy(act_until(num_deaths))
        (outcome,) = [o for o in outcomes(toy, [a_job(n) for n in range(8)]) if o.key == "k5"]
        assert (outcome.error is not None) == fails
        assert sum(job.number == 5 for _, job in toy.sent) == 4


def test_only_the_active_question_is_suspected():
    def act(toy, number, job):
        keys = {q.key for q in job.questions}
        if "bad" in keys:
            return [Began("answer", job.number, "bad"), Died("gone")]
        return work(toy, number, job)

    results = outcomes(Toy(act), [a_job(1, "good", "bad", "fine")])
    assert {o.key for o in results if o.error} == {"bad"}
    assert {o.key for o in results if not o.error} == {"good", "fine"}


def test_late_item_fails_with_its_worker_and_the_others_finish():
    def act(toy, number, job):
        if job.number == 2:
            return [] if getattr(toy, "hung", 0) else hang(toy)
        return work(toy, number, job)

    def hang(toy):
        toy.hung = 1
        return [Began("read", 2)]

    toy = Toy(act)
    results = outcomes(toy, [a_job(n) for n in range(8)], timeout_seconds=5)
    failed = {o.key: o.error.type for o in results if o.error}
    assert failed == {"k2": "ItemTimeoutError"}
    assert len(results) == 8
    assert len(toy.started) == 3


def test_time_of_all_stages_counts_and_waiting_between_them_does_not():
    steps = {}

    def act(toy, number, job):
        steps[job.number] = step = steps.get(job.number, 0) + 1
        if step == 1:
            return [Began("read", job.number)]
        if step == 3:
            return [Ended("read", job.number)]
        if step == 40:
            return [Began("answer", job.number, f"k{job.number}")]
        if step == 42:
            done = Finished(job.number, Outcome(f"k{job.number}"))
            return [Ended("answer", job.number, f"k{job.number}"), done]
        return []

    toy = Toy(act)
    assert not any(o.error for o in outcomes(toy, [a_job(1)], workers=1, timeout_seconds=5))
    steps.clear()
    assert all(o.error for o in outcomes(Toy(act), [a_job(1)], workers=1, timeout_seconds=2.5))


def test_broken_worker_ends_the_batch_after_the_outcomes_before_it():
    def act(toy, number, job):
        if job.number == 4:
            return [Broken(ItemError("ExportError", "disk full", "free some"))]
        return work(toy, number, job)

    toy = Toy(act)
    results = []
    with pytest.raises(ExportError, match="disk full"):
        outcomes(toy, [a_job(n) for n in range(1, 9)], workers=1, results=results)
    assert [o.key for o in results] == ["k1", "k2", "k3"]


def test_wall_clock_is_never_used():
    clock = inspect.signature(Dispatcher).parameters["clock"].default
    assert clock is time.monotonic
    for path in Path(dispatch.__file__).parent.rglob("*.py"):
        assert not re.search(r"time\.time\b|datetime|perf_counter", path.read_text())


def test_workers_that_never_start_end_the_batch():
    toy = Toy(work)

    def start(number):
        toy.started.append(number)
        toy.inboxes[number] = deque()
        toy.pending.append((number, Died("exit code 1")))

    toy.start = start
    with pytest.raises(ModelError, match="can't start"):
        outcomes(toy, [a_job(1)])


def test_killer_is_identified_although_its_last_events_are_lost():
    def act(toy, number, job):
        return [Died("gone")] if job.number == 2 else work(toy, number, job)

    results = outcomes(Toy(act), [a_job(n) for n in range(6)])
    assert {o.key for o in results if o.error} == {"k2"}
    assert len(results) == 6


@settings(max_examples=60, deadline=None)
@given(
    kills=st.lists(st.booleans(), max_size=3),
    workers=st.integers(1, 5),
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=25),
)
def test_every_item_has_one_outcome_whichever_workers_die(kills, workers, sizes):
    left = deque(kills)

    def act(toy, number, job):
        if left and left.popleft():
            return [Died("killed")]  # at most three deaths, all without blame
        return work(toy, number, job)

    jobs = [a_job(n, *(f"{n}.{k}" for k in range(size))) for n, size in enumerate(sizes)]
    results = outcomes(Toy(act), jobs, workers=workers)
    expected = sorted(q.key for job in jobs for q in job.questions)
    assert sorted(o.key for o in results) == expected
    assert not any(o.error for o in results)


class Steps:
    """An engine whose events come from the test; `step` is one round of the dispatcher."""

    default_workers = 1

    def __init__(self, jobs, **options):
        self.now, self.log, self.waits, self.pending = 0.0, [], [], []
        options = {"workers": 1, **options}
        self._rounds = Dispatcher(self, iter(jobs), clock=lambda: self.now, **options).outcomes()

    def start(self, number):
        self.log.append(("start", number))

    def send(self, number, job):
        self.log.append(("send", number, *(q.key for q in job.questions)))

    def stop(self, number):
        self.log.append(("stop", number))

    def events(self, timeout_seconds):
        self.waits.append(timeout_seconds)
        events, self.pending = self.pending, []
        return events

    def step(self, *events, at=None):
        """Hand over events (worker, event), and return (key, type of the error) of the outcomes."""
        self.now = self.now if at is None else at
        self.pending = list(events)
        ended = next(self._rounds)
        return [(outcome.key, outcome.error and outcome.error.type) for outcome in ended]

    def calls(self):
        """Return what was called since the last time."""
        log, self.log = self.log, []
        return log


def done(number, key=None):
    return Finished(number, Outcome(key or f"k{number}"))


def test_a_worker_gets_jobs_once_it_is_ready_whether_or_not_another_is():
    steps = Steps([a_job(n) for n in range(6)], workers=2)
    steps.step()
    assert steps.calls() == [("start", 0), ("start", 1)]
    steps.step()
    steps.step((1, Ready()))
    assert steps.calls() == []
    steps.step()
    assert steps.calls() == [("send", 1, "k0"), ("send", 1, "k1"), ("send", 1, "k2")]


def test_ready_workers_get_equal_numbers_of_jobs():
    steps = Steps([a_job(n) for n in range(4)], workers=2)
    steps.step((0, Ready()), (1, Ready()))
    steps.step()
    assert [call[1] for call in steps.calls() if call[0] == "send"] == [0, 1, 1]
    steps.step()
    assert [call[1] for call in steps.calls() if call[0] == "send"] == [0]


def test_only_a_few_jobs_are_read_before_a_worker_is_ready():
    read = []
    jobs = (read.append(n) or a_job(n) for n in range(99))
    steps = Steps(jobs, workers=3)
    steps.step()
    steps.step()
    assert read == [0, 1, 2, 3]


def test_another_worker_is_started_when_the_jobs_exceed_the_queues():
    jobs = deque([a_job(n) for n in range(3)])
    live = (jobs.popleft() if jobs else None for _ in range(99))
    steps = Steps(live, workers=1)
    steps.step((0, Ready()))
    steps.step()
    jobs.append(a_job(3))
    steps.step()
    assert steps.calls() == [
        ("start", 0),
        *(("send", 0, f"k{n}") for n in range(3)),
    ]  # there is no second worker to start
    jobs = deque([a_job(n) for n in range(1)])
    live = (jobs.popleft() if jobs else None for _ in range(99))
    steps = Steps(live, workers=2)
    steps.step((0, Ready()))
    jobs.extend(a_job(n) for n in (1, 2))
    steps.step()
    assert steps.calls() == [("start", 0), *(("send", 0, f"k{n}") for n in range(3))]
    jobs.append(a_job(3))
    steps.step()
    assert steps.calls() == [("start", 1)]


def test_an_idle_worker_is_stopped_only_when_no_further_job_can_come():
    jobs = deque([a_job(0), None, None, None])
    steps = Steps(iter(jobs.popleft, "never"), workers=2)
    steps.step((0, Ready()))
    steps.step((0, done(0)))
    steps.step()
    assert steps.calls() == [("start", 0), ("send", 0, "k0")]
    jobs.extend([a_job(1), "never"])
    steps.step()
    assert steps.calls() == [("send", 0, "k1")]
    steps.step((0, done(1)))
    assert steps.calls() == []
    with pytest.raises(StopIteration):
        steps.step()
    assert steps.calls() == [("stop", 0)]


def test_a_worker_without_jobs_is_stopped_while_another_still_works():
    steps = Steps([a_job(0), a_job(1)], workers=2)
    steps.step((0, Ready()), (1, Ready()))
    steps.step((1, done(1)))
    steps.calls()
    steps.step()
    assert steps.calls() == [("stop", 1)]


def test_events_are_awaited_until_the_next_time_limit_and_not_while_jobs_are_polled():
    steps = Steps([a_job(0)], timeout_seconds=5)
    steps.step((0, Ready()))
    steps.step((0, Began("read", 0)), at=1)
    for now, wait in ((1, 0.5), (5.5, 0.5), (5.75, 0.25), (6, 0.01)):
        steps.step(at=now)
        assert steps.waits[-1] == pytest.approx(wait)
    steps = Steps(iter([None, None, a_job(0)]))
    steps.step()
    steps.step()
    assert steps.waits == [0.0, 0.0]
    steps.step()
    assert steps.waits[-1] == 0.5


@pytest.mark.parametrize("event", [Began("read", 1), Began("answer", 1, "k1")])
def test_an_item_may_take_exactly_the_time_limit(event):
    steps = Steps([a_job(1)], timeout_seconds=10)
    steps.step((0, Ready()), at=7)
    steps.step((0, event), at=8)
    assert steps.step(at=18) == []
    assert steps.step(at=18.5) == [("k1", "ItemTimeoutError")]


def test_an_item_may_take_the_time_limit_besides_those_of_its_clip_that_have_ended():
    steps = Steps([a_job(1, "a", "b")], timeout_seconds=10)
    steps.step((0, Ready()))
    steps.step((0, Began("read", 1)), at=2)
    steps.step((0, Ended("read", 1)), at=5)  # 3 seconds of both
    steps.step((0, Began("answer", 1, "a")), at=20)
    steps.step((0, Ended("answer", 1, "a")), (0, done(1, "a")), at=26)
    steps.step((0, Began("answer", 1, "b")), at=30)
    steps.step((0, Ended("answer", 1, "b")), at=34)
    steps.step((0, Began("write", 1, "b")), at=40)
    assert steps.step(at=43) == []
    assert steps.step(at=43.5) == [("b", "ItemTimeoutError")]


def test_the_other_items_of_a_late_worker_are_run_again_and_may_exist():
    requests = []

    class Watched(Steps):
        def send(self, number, job):
            super().send(number, job)
            requests.extend(job.questions)

    steps = Watched([a_job(1, "a", "b"), a_job(2)], timeout_seconds=10)
    steps.step((0, Ready()))
    steps.step((0, Began("answer", 1, "a")))
    assert not any(question.may_exist for question in requests)
    assert steps.step(at=11) == [("a", "ItemTimeoutError")]
    steps.step()  # another worker is started
    requests.clear()
    steps.calls()
    steps.step((1, Ready()))
    steps.step()
    assert [q.key for q in requests] == ["k2", "b"]
    assert all(question.may_exist for question in requests)


def test_the_waiting_items_of_a_dead_worker_may_exist_too():
    seen = {}

    def act(toy, number, job):
        for question in job.questions:
            seen.setdefault(question.key, []).append(question.may_exist)
        if len(toy.started) == 1:
            return [Began("answer", 1, "a"), Died("gone")]
        return work(toy, number, job)

    outcomes(Toy(act), [a_job(1, "a", "b")], workers=1)
    assert seen == {"a": [False, True], "b": [False, True]}


def test_suspects_go_to_different_workers_at_once():
    jobs = deque([a_job(0, "a", "b"), a_job(1)])
    live = (jobs.popleft() if jobs else None for _ in range(99))
    steps = Steps(live, workers=3)
    steps.step((0, Ready()), (1, Ready()))
    steps.step((0, Began("read", 0)), (0, Died("gone")))
    steps.step((1, done(1)), (2, Ready()))
    steps.calls()
    steps.step()
    assert steps.calls() == [("send", 1, "a"), ("send", 2, "b")]
    jobs.append(a_job(2))
    steps.step((3, Ready()))  # nobody else: a suspect is alone with its worker
    assert [call for call in steps.calls() if call[0] == "send"] == []
    steps.step()
    assert [call for call in steps.calls() if call[0] == "send"] == [("send", 3, "k2")]
    jobs.extend(a_job(n) for n in (3, 4, 5))
    steps.step((1, done(0, "a")))
    steps.calls()
    jobs.append(a_job(6))
    steps.step()  # after its suspect, a worker gets jobs again
    assert ("send", 1) in [call[:2] for call in steps.calls()]


def test_outcomes_of_unknown_jobs_and_events_of_stopped_workers_are_ignored():
    steps = Steps([a_job(0, "a", "b"), a_job(1)])
    steps.step((0, Ready()))
    assert steps.step((0, done(0, "a")), (0, done(7, "x"))) == [("a", None)]
    assert steps.step((0, Died("gone")), (0, done(0, "b")), (0, Ready())) == []


def test_workers_may_die_four_times_before_one_is_ready():
    for workers, num_starts in ((1, 5), (8, 8)):
        toy = Toy(work)

        def start(number, toy=toy):
            toy.started.append(number)
            toy.pending.append((number, Died("exit code 1")))

        toy.start = start
        with pytest.raises(ModelError, match="workers can't start: exit code 1"):
            outcomes(toy, [a_job(n) for n in range(20)], workers=workers)
        assert len(toy.started) == num_starts


def test_failed_starts_are_counted_from_the_last_worker_that_was_ready():
    toy = Toy(work)

    def start(number):
        toy.started.append(number)
        toy.inboxes[number] = deque()
        ready_and_dead = [(number, Ready()), (number, Died("gone"))]
        toy.pending += {4: ready_and_dead, 9: [(number, Ready())]}.get(
            number, [(number, Died("gone"))]
        )

    toy.start = start
    assert len(outcomes(toy, [a_job(1)], workers=1)) == 1
    assert toy.started == list(range(10))
