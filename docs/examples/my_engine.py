"""An example of an engine: workers as threads of this process, for a notebook or a debugger.

Register it in the pyproject.toml of your package, and `--engine threads` finds it:

    [project.entry-points."tam_video.engines"]
    threads = "my_engine:ThreadEngine"

It starts and stops workers, and delivers jobs and events; it decides nothing. A thread can't be
killed: `stop` only ignores further events, so that a timeout leaves the stuck thread behind.
"""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Thread

from tam_video.batch.jobs import Job, WorkerEvent
from tam_video.batch.worker import WorkerFactory, serve


class ThreadEngine:
    """See `tam_video.batch.engines.base.Engine`."""

    default_workers = 1

    def __init__(self, factory: WorkerFactory) -> None:
        self._factory = factory
        self._inboxes: dict[int, SimpleQueue[Job | None]] = {}
        self._events: SimpleQueue[tuple[int, WorkerEvent]] = SimpleQueue()

    def start(self, number: int) -> None:
        """Start a thread that serves the inbox of the worker until it gets None."""
        inbox: SimpleQueue[Job | None] = SimpleQueue()
        self._inboxes[number] = inbox

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
