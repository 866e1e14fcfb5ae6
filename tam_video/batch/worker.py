"""The assembly line of a worker: while a model answers, the next clip is read, the last one drawn.

Three threads, one for each stage. What a stage does is the `Worker`'s; when it began and how it
ended is told as events, so that the process that runs the batch can tell a slow item from a stuck
one. Knows nothing of processes or clusters.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Queue
from threading import Lock, Thread
from typing import Any, Protocol, TypeAlias

from tam_video.batch.jobs import (
    Began,
    Broken,
    Ended,
    Finished,
    ItemRequest,
    Job,
    JobPhase,
    Outcome,
    Ready,
    WorkerEvent,
    is_broken_output,
    item_error,
)
from tam_video.errors import ModelLoadError

logger = logging.getLogger(__name__)

Inbox: TypeAlias = Callable[[], Job | None]
"""Waits for the next job; None when there will be no more."""
Say: TypeAlias = Callable[[WorkerEvent], None]
"""Tells the process that runs the batch; called from several threads."""


class Worker(Protocol):
    """Turns the items of a job into outcomes, in three phases that overlap for successive jobs.

    Each phase runs in a thread of its own. An exception fails the item; a full disk, or a model
    that cannot be loaded, ends the batch. The worker writes the files of an item itself; an outcome
    with `run` names its run folder, without one no folder is expected.
    """

    def find(self, question: ItemRequest) -> Outcome | None:
        """Return the outcome of an item that an earlier worker finished before it was lost."""
        ...

    def read(self, job: Job) -> Any:
        """Return what the items of a job share, such as the decoded clip."""
        ...

    def answer(self, job: Job, question: ItemRequest, clip: Any) -> Any:
        """Run the model on an item."""
        ...

    def write(self, job: Job, question: ItemRequest, clip: Any, answered: Any) -> Outcome:
        """Store the result of an item."""
        ...

    def forget(self, clip: Any) -> None:
        """Release what `read` returned: all items of the job have ended."""
        ...

    def close(self) -> None:
        """Release everything: no job follows."""
        ...


WorkerFactory: TypeAlias = Callable[[], Worker]
"""Makes the worker of a process, loading its model; pickled on its way there."""


def serve(factory: WorkerFactory, inbox: Inbox, say: Say) -> None:
    """Work through an inbox until it says None.

    Args:
        factory: makes the worker.
        inbox: gives the jobs.
        say: told of everything; an item that fails does so as a `Finished` event.
    """
    try:
        worker = factory()
    except Exception as exc:  # whatever it is, the batch must be told
        logger.debug("a worker could not start", exc_info=True)
        say(Broken(item_error(exc)))
        return
    say(Ready())
    line = _Line(worker, inbox, say)
    threads = [Thread(target=stage, daemon=True) for stage in (line.read_jobs, line.write_answers)]
    for thread in threads:
        thread.start()
    line.answer_questions()
    for thread in threads:
        thread.join()
    worker.close()


@dataclass(slots=True)
class _OpenJob:
    """A job whose clip is in memory until its last question has ended."""

    job: Job
    questions: list[ItemRequest]
    clip: Any
    lock: Lock = field(default_factory=Lock)
    num_left: int = 0

    def __post_init__(self) -> None:
        self.num_left = len(self.questions)

    def ends_with_this(self) -> bool:
        """Count one question off; whether it was the last."""
        with self.lock:
            self.num_left -= 1
            return not self.num_left


class _Line:
    def __init__(self, worker: Worker, inbox: Inbox, say: Say) -> None:
        self._worker, self._inbox, self._say = worker, inbox, say
        self._read: Queue[_OpenJob | None] = Queue(maxsize=1)
        self._answered: Queue[tuple[_OpenJob, ItemRequest, Any] | None] = Queue(maxsize=2)

    def read_jobs(self) -> None:
        while (job := self._inbox()) is not None:
            left = list(job.questions)
            try:
                with self._stage("read", job):
                    for question in job.questions:
                        found = self._worker.find(question) if question.may_exist else None
                        if found is not None:
                            left.remove(question)
                            self._say(Finished(job.number, found))
                    clip = self._worker.read(job) if left else None
            except Exception as exc:  # noqa: BLE001  an item's failure, whatever it is
                for question in left:
                    self._failed(job, question, exc)
                continue
            if left:
                self._read.put(_OpenJob(job, left, clip))
        self._read.put(None)

    def answer_questions(self) -> None:
        while (opened := self._read.get()) is not None:
            for question in opened.questions:
                try:
                    with self._stage("answer", opened.job, question):
                        said = self._worker.answer(opened.job, question, opened.clip)
                except Exception as exc:  # noqa: BLE001  an item's failure, whatever it is
                    self._failed(opened.job, question, exc)
                    self._forget(opened)
                    continue
                self._answered.put((opened, question, said))
        self._answered.put(None)

    def write_answers(self) -> None:
        while (given := self._answered.get()) is not None:
            opened, question, said = given
            try:
                with self._stage("write", opened.job, question):
                    outcome = self._worker.write(opened.job, question, opened.clip, said)
                self._say(Finished(opened.job.number, outcome))
            except Exception as exc:  # noqa: BLE001  an item's failure, whatever it is
                self._failed(opened.job, question, exc)
            self._forget(opened)

    @contextmanager
    def _stage(
        self, stage: JobPhase, job: Job, question: ItemRequest | None = None
    ) -> Iterator[None]:
        key = question.key if question is not None else None
        self._say(Began(stage, job.number, key))
        try:
            yield
        finally:
            self._say(Ended(stage, job.number, key))

    def _failed(self, job: Job, question: ItemRequest, exc: Exception) -> None:
        logger.debug("%s failed", question.run, exc_info=exc)
        if is_broken_output(exc) or isinstance(exc, ModelLoadError):
            self._say(Broken(item_error(exc)))
        else:
            self._say(Finished(job.number, Outcome(question.key, error=item_error(exc))))

    def _forget(self, opened: _OpenJob) -> None:
        if opened.ends_with_this():
            self._worker.forget(opened.clip)
