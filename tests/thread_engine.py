"""Workers as threads of this process, for work that shares objects with the caller.

A thread cannot be killed: `stop` only closes the inbox and ignores further events. Do not combine
this engine with a timeout.
"""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Thread

from tam_video.batch.jobs import Job, WorkerEvent
from tam_video.batch.worker import WorkerFactory, serve


class ThreadEngine:
    """Run workers as daemon threads; see `Engine`."""

    default_workers = 1

    def __init__(self, factory: WorkerFactory) -> None:
        self._factory = factory
        self._inboxes: dict[int, SimpleQueue[Job | None]] = {}
        self._events: SimpleQueue[tuple[int, WorkerEvent]] = SimpleQueue()

    def start(self, number: int) -> None:
        """Start a thread that serves the inbox of the worker."""
        inbox = self._inboxes[number] = SimpleQueue()

        def report(event: WorkerEvent) -> None:
            self._events.put((number, event))

        Thread(target=serve, args=(self._factory, inbox.get, report), daemon=True).start()

    def send(self, number: int, job: Job) -> None:
        """Put a job into the inbox of a worker."""
        if number in self._inboxes:
            self._inboxes[number].put(job)

    def events(self, timeout_seconds: float) -> list[tuple[int, WorkerEvent]]:
        """Wait for the first event and return all that are available."""
        events: list[tuple[int, WorkerEvent]] = []
        try:
            events.append(self._events.get(timeout=timeout_seconds))
            while True:
                events.append(self._events.get_nowait())
        except Empty:
            return [(number, event) for number, event in events if number in self._inboxes]

    def stop(self, number: int) -> None:
        """Close the inbox; the thread ends after its current job."""
        inbox = self._inboxes.pop(number, None)
        if inbox is not None:
            inbox.put(None)

    def close(self) -> None:
        """Close all inboxes."""
        for number in list(self._inboxes):
            self.stop(number)
