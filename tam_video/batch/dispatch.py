"""Which worker gets which job, and what happens when one is slow, stuck or lost.

The same for every engine. Promises: each item gets one outcome. The items of a lost worker are run
again. Those that it was at work on might have killed it: they run again alone, and after a few more
deaths they count as failed, so that no item can keep a batch from its end.
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

_AHEAD = 2  # jobs that a worker holds beside the one that its model is busy with
_DEATHS_ALONE = 3  # a worker may be killed by something else once or twice
_STILLBORN = 5  # workers in a row that die before they are ready
_LONGEST_WAIT_SECONDS = 0.5


@dataclass(slots=True)
class _Slot:
    """What is known of a worker.

    Attributes:
        is_ready: whether its model is loaded.
        is_alone: whether it runs a suspect, and gets nothing else meanwhile.
        jobs: what it has not finished, by number; the questions that are left.
        active: stage -> its job, its item (None: all of the job), and when it began.
        spent: (job, item; None: all of the job) -> seconds that its stages took so far.
    """

    is_ready: bool = False
    is_alone: bool = False
    jobs: dict[int, Job] = field(default_factory=dict)
    active: dict[JobPhase, tuple[int, str | None, float]] = field(default_factory=dict)
    spent: defaultdict[tuple[int, str | None], float] = field(
        default_factory=lambda: defaultdict(float)
    )


class Dispatcher:
    """Runs jobs on an engine."""

    def __init__(
        self,
        engine: Engine,
        jobs: Iterator[Job | None],
        *,
        workers: int,
        timeout_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin.

        Args:
            engine: where the workers are.
            jobs: what is to do; None says that nothing is known yet, ask again.
            workers: how many at most.
            timeout_seconds: longest time that an item's own stages may take; None for any.
            clock: seconds that only go forward, whatever happens to the time of day.
        """
        self._engine, self._jobs, self._clock = engine, jobs, clock
        self._workers, self._timeout = workers, timeout_seconds
        self._slots: dict[int, _Slot] = {}
        self._waiting: deque[Job] = deque()
        self._suspects: deque[Job] = deque()
        self._deaths: Counter[str] = Counter()
        self._num_started = self._num_stillborn = 0
        self._is_exhausted = False
        self._settled: list[Outcome] = []
        self._broken: TamVideoError | None = None

    def outcomes(self) -> Iterator[list[Outcome]]:
        """Yield what has ended, in any order; empty lists while there is nothing to tell.

        Raises:
            TamVideoError: workers can't be made, or nothing can be written. What was yielded holds.
        """
        while True:
            is_patient = self._pull()
            self._share_out()
            if not self._slots and not self._waiting and not self._suspects and self._is_exhausted:
                return
            for number, event in self._engine.events(self._patience() if is_patient else 0.0):
                if number in self._slots:
                    self.on_event(number, event)
            self._enforce_timeouts()
            settled, self._settled = self._settled, []
            yield settled
            if self._broken is not None:
                raise self._broken

    def _pull(self) -> bool:
        """Take jobs, as many as could be given out; whether there is nothing to hurry for."""
        while not self._is_exhausted and len(self._waiting) <= self._workers:
            try:
                job = next(self._jobs)
            except StopIteration:
                self._is_exhausted = True
                break
            if job is None:
                return False
            self._waiting.append(job)
        return True

    def _share_out(self) -> None:
        for number, slot in self._slots.items():
            if not slot.is_ready or slot.is_alone:
                continue
            if self._suspects:
                if not slot.jobs:
                    slot.is_alone = True
                    self._give(number, self._suspects.popleft())
                continue
            while self._waiting and len(slot.jobs) <= _AHEAD and self._is_fair(slot):
                self._give(number, self._waiting.popleft())
        num_starting = sum(not slot.is_ready for slot in self._slots.values())
        num_idle = sum(slot.is_ready and not slot.jobs for slot in self._slots.values())
        to_do = len(self._waiting) + len(self._suspects)
        while len(self._slots) < self._workers and to_do > num_starting + num_idle:
            self._start()
            num_starting += 1
        if self._is_exhausted and not to_do:
            for number in [n for n, slot in self._slots.items() if not slot.jobs]:
                self._stop(number)

    def _is_fair(self, slot: _Slot) -> bool:
        """Whether no other worker has less to do than this one."""
        return all(len(slot.jobs) <= len(o.jobs) for o in self._slots.values() if o.is_ready)

    def _give(self, number: int, job: Job) -> None:
        self._slots[number].jobs[job.number] = job
        self._engine.send(number, job)

    def _start(self) -> None:
        self._slots[self._num_started] = _Slot()
        self._engine.start(self._num_started)
        self._num_started += 1

    def _stop(self, number: int) -> _Slot:
        self._engine.stop(number)
        return self._slots.pop(number)

    def on_event(self, number: int, event: WorkerEvent) -> None:
        """Update the state of a worker from one of its events."""
        slot = self._slots[number]
        match event:
            case Ready():
                slot.is_ready, self._num_stillborn = True, 0
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
        self._settled.append(outcome)
        self._deaths.pop(outcome.key, None)
        slot.spent.pop((number, outcome.key), None)
        left = tuple(question for question in job.questions if question.key != outcome.key)
        if left:
            slot.jobs[number] = replace(job, questions=left)
            return
        del slot.jobs[number]
        slot.spent.pop((number, None), None)
        slot.is_alone = False

    def on_worker_died(self, number: int, reason: str) -> None:
        """Run the items of a dead worker again; those that it was at work on alone."""
        slot = self._stop(number)
        if not slot.is_ready:
            self._num_stillborn += 1
            if self._num_stillborn >= max(_STILLBORN, self._workers):
                self._broken = ModelError(
                    f"workers can't start: {reason}",
                    hint="most often for lack of memory: fewer --workers, or a smaller model",
                )
        logger.warning("%s; its items are run again", reason)
        active = {(job, key) for job, key, _ in slot.active.values()}
        for job in slot.jobs.values():
            # Last words may be lost: where nothing is known, all that it had is suspect.
            suspected = [
                question
                for question in job.questions
                if slot.is_alone
                or not active
                or {(job.number, None), (job.number, question.key)} & active
            ]
            for question in suspected:
                self._deaths[question.key] += 1
                if slot.is_alone and self._deaths[question.key] > _DEATHS_ALONE:
                    self._give_up(question.key, reason)
                else:
                    again = replace(question, may_exist=True)
                    self._suspects.append(replace(job, questions=(again,)))
            self._again(job, {question.key for question in suspected})

    def _give_up(self, key: str, reason: str) -> None:
        died = WorkerDiedError(
            f"{reason}, {self._deaths.pop(key)} times with this item",
            hint="most often for lack of memory: fewer frames, fewer --workers",
        )
        self._settled.append(Outcome(key, error=item_error(died)))

    def _again(self, job: Job, but: set[str]) -> None:
        left = tuple(replace(q, may_exist=True) for q in job.questions if q.key not in but)
        if left:
            self._waiting.appendleft(replace(job, questions=left))

    def _enforce_timeouts(self) -> None:
        if self._timeout is None:
            return
        now = self._clock()
        for number, slot in list(self._slots.items()):
            late = {
                (job, key)
                for job, key, began in slot.active.values()
                if self._seconds(slot, job, key, now - began) > self._timeout
            }
            if late:
                self._kill(number, late)

    def _kill(self, number: int, late: set[tuple[int, str | None]]) -> None:
        slot = self._stop(number)
        error = item_error(
            ItemTimeoutError(
                f"took longer than {self._timeout:g} seconds",
                hint="raise --timeout, or look at the file: its decoder may hang",
            )
        )
        for job in slot.jobs.values():
            guilty = {
                question.key
                for question in job.questions
                if {(job.number, None), (job.number, question.key)} & late
            }
            self._settled += [Outcome(key, error=error) for key in sorted(guilty)]
            self._again(job, guilty)

    def _seconds(self, slot: _Slot, job: int, key: str | None, now: float) -> float:
        shared = slot.spent.get((job, None), 0.0) if key is not None else 0.0
        return shared + slot.spent.get((job, key), 0.0) + now

    def _patience(self) -> float:
        """Seconds to wait for events: not beyond the next moment at which an item is late."""
        if self._timeout is None:
            return _LONGEST_WAIT_SECONDS
        now = self._clock()
        left = [
            self._timeout - self._seconds(slot, job, key, now - began)
            for slot in self._slots.values()
            for job, key, began in slot.active.values()
        ]
        return max(0.01, min([*left, _LONGEST_WAIT_SECONDS]))
