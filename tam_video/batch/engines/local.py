"""An engine that runs workers as processes on this machine, one per GPU if there are GPUs.

A worker is killed instead of asked to stop, as a decoder may hang. It ends by itself when the
process of the batch ends.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import cast

from tam_video.batch.jobs import Died, Job, WorkerEvent
from tam_video.batch.worker import WorkerFactory, serve

_VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class _Process:
    process: BaseProcess
    connection: Connection
    gpu: str | None


class LocalEngine:
    """An engine that runs each worker in a local process; see `Engine`."""

    def __init__(self, factory: WorkerFactory) -> None:
        self._factory, self._context = factory, get_context("spawn")
        self._processes: dict[int, _Process] = {}
        self._gpus = visible_gpus()
        self.default_workers = max(1, len(self._gpus))

    def start(self, number: int) -> None:
        """Start a worker process; workers share a GPU only if there are fewer GPUs than workers."""
        used = [each.gpu for each in self._processes.values()]
        gpu = min(self._gpus, key=used.count) if self._gpus else None
        own_end, worker_end = self._context.Pipe()
        process = self._context.Process(
            target=_work,
            args=(self._factory, worker_end, gpu),
            name=f"tam-video-{number}",
            daemon=True,
        )
        process.start()
        worker_end.close()  # otherwise the end of the process is not noticed
        self._processes[number] = _Process(process, own_end, gpu)

    def send(self, number: int, job: Job) -> None:
        """Send a job to the process of a worker through its pipe."""
        if number in self._processes:
            with suppress(OSError):  # its death is reported as an event
                self._processes[number].connection.send(job)

    def events(self, timeout_seconds: float) -> list[tuple[int, WorkerEvent]]:
        """Wait for events from all pipes; a closed pipe means that its process has ended."""
        numbers = {each.connection: number for number, each in self._processes.items()}
        events: list[tuple[int, WorkerEvent]] = []
        for ready in wait(list(numbers), timeout_seconds):
            number = numbers[cast("Connection", ready)]
            connection = self._processes[number].connection
            try:
                while connection.poll():
                    events.append((number, connection.recv()))
            except (EOFError, OSError):
                events.append((number, Died(self._reap(number))))
        return events

    def stop(self, number: int) -> None:
        """Kill the process of a worker."""
        stopped = self._processes.pop(number, None)
        if stopped is not None:
            stopped.process.kill()
            stopped.process.join()
            stopped.connection.close()

    def close(self) -> None:
        """Kill all worker processes."""
        for number in list(self._processes):
            self.stop(number)

    def _reap(self, number: int) -> str:
        process = self._processes[number].process
        process.join(1)
        code = process.exitcode
        self.stop(number)
        if code is not None and code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
            return f"the worker was killed by {name}"
        return f"the worker ended with exit code {code}"


def visible_gpus() -> list[str]:
    """Return the ids of the GPUs that this process may use, without loading CUDA."""
    visible = os.environ.get(_VISIBLE)
    if visible is not None:
        return [part.strip() for part in visible.split(",") if part.strip() not in ("", "-1")]
    return [str(number) for number, _ in enumerate(Path("/proc/driver/nvidia/gpus").glob("*"))]


def _work(factory: WorkerFactory, connection: Connection, gpu: str | None) -> None:
    """Run a worker. This is the entry point of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    if gpu is not None:
        os.environ[_VISIBLE] = gpu
    lock = threading.Lock()

    def report(event: WorkerEvent) -> None:
        with lock:
            connection.send(event)

    def inbox() -> Job | None:
        try:
            return cast("Job", connection.recv())
        except (EOFError, OSError):
            return None

    serve(factory, inbox, report)


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
