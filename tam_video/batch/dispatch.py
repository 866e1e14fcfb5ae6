"""Distribute jobs to workers, and handle slow, stuck and dead workers.

The same for every engine. Each item gets one outcome. The items of a dead worker are run again.
Those that were active might have killed it: each is run again alone, and fails after a few more
deaths, so that no item can prevent the end of a batch.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from tam_video.batch.engines.base import Engine
from tam_video.batch.jobs import (
    Began,
    Broken,
    Died,
    Ended,
    Finished,
    ItemRequest,
    Job,
    JobPhase,
    Outcome,
    Ready,
    WorkerEvent,
    as_exception,
    item_error,
)
from tam_video.errors import ItemTimeoutError, ModelError, TamVideoError, WorkerDiedError

logger = logging.getLogger(__name__)

_AHEAD = 2  # jobs that a worker has queued, besides the one in its model
_DEATHS_ALONE = 3  # a worker may also be killed for another reason, once or twice
_STARTS = 5  # successive workers that may die before they are ready
_LONGEST_WAIT_SECONDS = 0.5


@dataclass(slots=True)
class _Slot:
    """The state of one worker.

    Attributes:
        is_ready: whether its model is loaded.
        is_alone: whether it runs a suspect, and gets no other job meanwhile.
        jobs: its unfinished jobs by number, with their unfinished items.
        active: phase -> its job, its item (None for the whole job), and its start.
        spent: (job, item; None for the whole job) -> seconds of its ended phases.
    """

    is_ready: bool = False
    is_alone: bool = False
    jobs: dict[int, Job] = field(default_factory=dict)
    active: dict[JobPhase, tuple[int, str | None, float]] = field(default_factory=dict)
    spent: defaultdict[tuple[int, str | None], float] = field(
        default_factory=lambda: defaultdict(float)
    )


class Dispatcher:
    """Distributes jobs to the workers of an engine and collects the outcomes."""

    def __init__(
        self,
        engine: Engine,
        jobs: Iterator[Job | None],
        *,
        workers: int,
        timeout_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Store the engine and the jobs; `jobs` yields None while the next job is not known yet.

        `workers` is their maximum number, `timeout_seconds` the limit for all phases of an item.
        """
        self._engine, self._jobs, self._clock = engine, jobs, clock
        self._workers, self._timeout = workers, timeout_seconds
        self._slots: dict[int, _Slot] = {}
        self._waiting: deque[Job] = deque()
        self._suspects: deque[Job] = deque()
        self._deaths: Counter[str] = Counter()
        self._num_started = self._num_failed_starts = 0
        self._is_exhausted = False
        self._ended: list[Outcome] = []
        self._broken: TamVideoError | None = None

    def outcomes(self) -> Iterator[list[Outcome]]:
        """Yield lists of new outcomes. Outcomes come in any order, and a list may be empty.

        Raises:
            TamVideoError: no worker starts, or nothing can be written; yielded outcomes are valid.
        """
        while True:
            can_wait = self._pull()
            self._assign()
            if not self._slots and self._is_exhausted:
                return
            for number, event in self._engine.events(self._wait_seconds() if can_wait else 0.0):
                if number in self._slots:
                    self.on_event(number, event)
            self._enforce_timeouts()
            ended, self._ended = self._ended, []
            yield ended
            if self._broken is not None:
                raise self._broken

    def _pull(self) -> bool:
        """Read jobs until enough are waiting; return False if the next job is not known yet."""
        while not self._is_exhausted and len(self._waiting) <= self._workers:
            try:
                job = next(self._jobs)
            except StopIteration:
                self._is_exhausted = True
                return True
            if job is None:
                return False
            self._waiting.append(job)
        return True

    def _assign(self) -> None:
        """Assign the waiting jobs, and start and stop workers as needed."""
        for number, slot in self._slots.items():
            if not slot.is_ready or slot.is_alone:
                continue
            if self._suspects:
                if not slot.jobs:
                    slot.is_alone = True
                    self._send(number, self._suspects.popleft())
                continue
            while self._waiting and len(slot.jobs) <= _AHEAD and self._is_fair(slot):
                self._send(number, self._waiting.popleft())
        num_starting = sum(not slot.is_ready for slot in self._slots.values())
        num_waiting = len(self._waiting) + len(self._suspects)
        while len(self._slots) < self._workers and num_waiting > num_starting:
            self._slots[self._num_started] = _Slot()
            self._engine.start(self._num_started)
            self._num_started += 1
            num_starting += 1
        if self._is_exhausted and not num_waiting:
            for number in [n for n, slot in self._slots.items() if not slot.jobs]:
                self._stop(number)

    def _is_fair(self, slot: _Slot) -> bool:
        """Return whether no ready worker has fewer jobs than the worker in `slot`."""
        return all(len(slot.jobs) <= len(o.jobs) for o in self._slots.values() if o.is_ready)

    def _send(self, number: int, job: Job) -> None:
        self._slots[number].jobs[job.number] = job
        self._engine.send(number, job)

    def _stop(self, number: int) -> _Slot:
        self._engine.stop(number)
        return self._slots.pop(number)

    def on_event(self, number: int, event: WorkerEvent) -> None:
        """Update the state of a worker after one of its events."""
        slot = self._slots[number]
        match event:
            case Ready():
                slot.is_ready, self._num_failed_starts = True, 0
            case Began(stage, job, key):
                slot.active[stage] = (job, key, self._clock())
            case Ended(stage, job, key):
                _, _, began = slot.active.pop(stage)
                if job in slot.jobs:
                    slot.spent[job, key] += self._clock() - began
            case Finished(job, outcome):
                self._finish(slot, job, outcome)
            case Broken(error):
                self._broken = as_exception(error)
            case Died(reason):
                self.on_worker_died(number, reason)

    def _finish(self, slot: _Slot, number: int, outcome: Outcome) -> None:
        job = slot.jobs.get(number)
        if job is None:
            return
        self._ended.append(outcome)
        self._deaths.pop(outcome.key, None)
        slot.spent.pop((number, outcome.key), None)
        unfinished = tuple(question for question in job.questions if question.key != outcome.key)
        if unfinished:
            slot.jobs[number] = replace(job, questions=unfinished)
            return
        del slot.jobs[number]
        slot.spent.pop((number, None), None)
        slot.is_alone = False

    def on_worker_died(self, number: int, reason: str) -> None:
        """Retry the items of a dead worker; each item in progress is retried in a separate job."""
        slot = self._stop(number)
        if not slot.is_ready:
            self._num_failed_starts += 1
            if self._num_failed_starts >= max(_STARTS, self._workers):
                self._broken = ModelError(
                    f"workers can't start: {reason}",
                    hint="most often out of memory: use fewer --workers or a smaller model",
                )
        logger.warning("%s; its items are run again", reason)
        active = {(job, key) for job, key, _ in slot.active.values()}
        for job in slot.jobs.values():
            # The last events may be lost: without active items, all of its items are suspects.
            is_known = active and not slot.is_alone
            suspected = _items_in(job, active) if is_known else job.questions
            for question in suspected:
                self._deaths[question.key] += 1
                if slot.is_alone and self._deaths[question.key] > _DEATHS_ALONE:
                    died = WorkerDiedError(
                        f"{reason}, {self._deaths.pop(question.key)} times with this item",
                        hint="most often out of memory: use fewer frames or fewer --workers",
                    )
                    self._ended.append(Outcome(question.key, error=item_error(died)))
                else:
                    retry = replace(question, may_exist=True)
                    self._suspects.append(replace(job, questions=(retry,)))
            self._retry(job, excluded=suspected)

    def _retry(self, job: Job, *, excluded: tuple[ItemRequest, ...]) -> None:
        retried = (question for question in job.questions if question not in excluded)
        questions = tuple(replace(question, may_exist=True) for question in retried)
        if questions:
            self._waiting.appendleft(replace(job, questions=questions))

    def _enforce_timeouts(self) -> None:
        for number, slot in list(self._slots.items()):
            late = {phase for phase, seconds in self._seconds_left(slot) if seconds < 0}
            if late:
                self._kill(number, late)

    def _kill(self, number: int, late: set[tuple[int, str | None]]) -> None:
        error = item_error(
            ItemTimeoutError(
                f"took longer than {self._timeout:g} seconds",
                hint="raise --timeout, or check the file: its decoder may hang",
            )
        )
        for job in self._stop(number).jobs.values():
            questions = _items_in(job, late)
            self._ended += [Outcome(question.key, error=error) for question in questions]
            self._retry(job, excluded=questions)

    def _seconds_left(self, slot: _Slot) -> Iterator[tuple[tuple[int, str | None], float]]:
        """Yield the (job, item) of each active phase and the seconds left until its timeout."""
        if self._timeout is None:
            return
        now = self._clock()
        for job, key, began in slot.active.values():
            shared = slot.spent.get((job, None), 0.0) if key is not None else 0.0
            spent = shared + slot.spent.get((job, key), 0.0) + now - began
            yield (job, key), self._timeout - spent

    def _wait_seconds(self) -> float:
        """Return how many seconds to wait for events: at most until the next item times out."""
        left = [each for slot in self._slots.values() for _, each in self._seconds_left(slot)]
        return max(0.01, min([*left, _LONGEST_WAIT_SECONDS]))


def _items_in(job: Job, phases: set[tuple[int, str | None]]) -> tuple[ItemRequest, ...]:
    """Return the job's items that are in `phases`. An entry (job, None) stands for all items."""
    if (job.number, None) in phases:
        return job.questions
    return tuple(each for each in job.questions if (job.number, each.key) in phases)
