"""An engine of your own: workers as threads of this process, for a notebook or a debugger.

Register it in the pyproject.toml of your package, and `--engine threads` finds it:

    [project.entry-points."tam_video.engines"]
    threads = "my_engine:ThreadEngine"

It starts and stops workers, carries jobs to them and events back, and decides nothing. A thread
can't be killed: `stop` only stops listening, so that a timeout leaves the stuck thread behind.
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
        self._said: SimpleQueue[tuple[int, WorkerEvent]] = SimpleQueue()

    def start(self, number: int) -> None:
        """`serve` works through the inbox until it gets None, and tells everything."""
        inbox: SimpleQueue[Job | None] = SimpleQueue()
        self._inboxes[number] = inbox

        def say(event: WorkerEvent) -> None:
            self._said.put((number, event))

        Thread(target=serve, args=(self._factory, inbox.get, say), daemon=True).start()

    def send(self, number: int, job: Job) -> None:
        """Put the job into the worker's inbox."""
        if number in self._inboxes:
            self._inboxes[number].put(job)

    def events(self, timeout_seconds: float) -> list[tuple[int, WorkerEvent]]:
        """Wait for the first event, then take all that are there; nothing of stopped workers."""
        result: list[tuple[int, WorkerEvent]] = []
        try:
            result.append(self._said.get(timeout=timeout_seconds))
            while True:
                result.append(self._said.get_nowait())
        except Empty:
            return [(number, event) for number, event in result if number in self._inboxes]

    def stop(self, number: int) -> None:
        """Let the worker end by itself, and hear nothing of it any more."""
        inbox = self._inboxes.pop(number, None)
        if inbox is not None:
            inbox.put(None)

    def close(self) -> None:
        """Let all workers end."""
        for number in list(self._inboxes):
            self.stop(number)
