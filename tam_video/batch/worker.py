"""The pipeline of a worker, which reads, answers and writes successive items in parallel.

Each phase has a thread. The `Worker` defines what a phase does; its start and end are reported as
events, so that the process of the batch can enforce time limits. Knows nothing of processes or
clusters.
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
"""Waits for the next job; None after the last one."""
Report: TypeAlias = Callable[[WorkerEvent], None]
"""Sends an event to the process of the batch; called from several threads."""


class Worker(Protocol):
    """Interface of a worker, which processes each job in three phases: read, answer and write.

    Each phase runs in a thread of its own. An exception fails the item; a full disk, or a model
    that cannot be loaded, ends the batch. The worker writes the files of an item itself; an outcome
    with `run` names its run folder, without one no folder is expected.
    """

    def find(self, question: ItemRequest) -> Outcome | None:
        """Return the outcome of an item, or None if no earlier worker finished the item."""
        ...

    def read(self, job: Job) -> Any:
        """Return the data that all items of a job share, such as the decoded clip."""
        ...

    def answer(self, job: Job, question: ItemRequest, clip: Any) -> Any:
        """Run the model on an item and return the explanation."""
        ...

    def write(self, job: Job, question: ItemRequest, clip: Any, answered: Any) -> Outcome:
        """Store the result of an item and return its outcome."""
        ...

    def forget(self, clip: Any) -> None:
        """Release the data that `read` returned, after all items of the job have ended."""
        ...

    def close(self) -> None:
        """Release all resources after the last job."""
        ...


WorkerFactory: TypeAlias = Callable[[], Worker]
"""Creates the worker of a process and loads its model; must be picklable."""


def serve(factory: WorkerFactory, inbox: Inbox, report: Report) -> None:
    """Create a worker, and run the jobs from `inbox` until `inbox` returns None.

    Args:
        factory: creates the worker.
        inbox: returns the jobs.
        report: called with all events; a failed item is a `Finished` event too.
    """
    try:
        worker = factory()
    except Exception as exc:  # every error must reach the batch
        logger.debug("a worker could not start", exc_info=True)
        report(Broken(item_error(exc)))
        return
    report(Ready())
    pipeline = _Pipeline(worker, inbox, report)
    phases = (pipeline.read_jobs, pipeline.write_answers)
    threads = [Thread(target=phase, daemon=True) for phase in phases]
    for thread in threads:
        thread.start()
    pipeline.answer_questions()
    for thread in threads:
        thread.join()
    worker.close()


@dataclass(slots=True)
class _OpenJob:
    """A job whose clip stays in memory until its last item has ended."""

    job: Job
    questions: list[ItemRequest]
    clip: Any
    lock: Lock = field(default_factory=Lock)
    num_ended: int = 0


class _Pipeline:
    def __init__(self, worker: Worker, inbox: Inbox, report: Report) -> None:
        self._worker, self._inbox, self._report = worker, inbox, report
        self._read: Queue[_OpenJob | None] = Queue(maxsize=1)
        self._answered: Queue[tuple[_OpenJob, ItemRequest, Any] | None] = Queue(maxsize=2)

    def read_jobs(self) -> None:
        while (job := self._inbox()) is not None:
            unfinished = list(job.questions)
            try:
                with self._stage("read", job):
                    for question in job.questions:
                        outcome = self._worker.find(question) if question.may_exist else None
                        if outcome is not None:
                            unfinished.remove(question)
                            self._report(Finished(job.number, outcome))
                    clip = self._worker.read(job) if unfinished else None
            except Exception as exc:  # noqa: BLE001  every error fails the item
                for question in unfinished:
                    self._failed(job, question, exc)
                continue
            if unfinished:
                self._read.put(_OpenJob(job, unfinished, clip))
        self._read.put(None)

    def answer_questions(self) -> None:
        while (opened := self._read.get()) is not None:
            for question in opened.questions:
                try:
                    with self._stage("answer", opened.job, question):
                        answered = self._worker.answer(opened.job, question, opened.clip)
                except Exception as exc:  # noqa: BLE001  every error fails the item
                    self._failed(opened.job, question, exc)
                    self._forget(opened)
                    continue
                self._answered.put((opened, question, answered))
        self._answered.put(None)

    def write_answers(self) -> None:
        while (entry := self._answered.get()) is not None:
            opened, question, answered = entry
            try:
                with self._stage("write", opened.job, question):
                    outcome = self._worker.write(opened.job, question, opened.clip, answered)
                self._report(Finished(opened.job.number, outcome))
            except Exception as exc:  # noqa: BLE001  every error fails the item
                self._failed(opened.job, question, exc)
            self._forget(opened)

    @contextmanager
    def _stage(
        self, stage: JobPhase, job: Job, question: ItemRequest | None = None
    ) -> Iterator[None]:
        key = question.key if question is not None else None
        self._report(Began(stage, job.number, key))
        try:
            yield
        finally:
            self._report(Ended(stage, job.number, key))

    def _failed(self, job: Job, question: ItemRequest, exc: Exception) -> None:
        logger.debug("%s failed", question.run, exc_info=exc)
        if is_broken_output(exc) or isinstance(exc, ModelLoadError):
            self._report(Broken(item_error(exc)))
        else:
            self._report(Finished(job.number, Outcome(question.key, error=item_error(exc))))

    def _forget(self, opened: _OpenJob) -> None:
        """Count an item as ended; release the clip after the last item of the job."""
        with opened.lock:
            opened.num_ended += 1
            is_last = opened.num_ended == len(opened.questions)
        if is_last:
            self._worker.forget(opened.clip)
