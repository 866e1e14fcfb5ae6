"""Interface of engines. An engine runs workers and exchanges messages with the workers.

An engine starts and stops workers, and delivers jobs and events. It decides nothing: assignment,
time limits and retries are the same for all engines (`tam_video.batch.dispatch`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from tam_video.batch.jobs import Job, WorkerEvent
from tam_video.batch.worker import WorkerFactory
from tam_video.registry import Registry

ENGINES = Registry(
    kind="engine",
    targets={
        "local": "tam_video.batch.engines.local:LocalEngine",
        "ray": "tam_video.batch.engines.ray:RayEngine",
    },
    group="tam_video.engines",
)


class Engine(Protocol):
    """Interface of an engine, which runs numbered workers. A number is never reused.

    Attributes:
        default_workers: number of workers that the resources allow.
    """

    default_workers: int

    def start(self, number: int) -> None:
        """Start a worker and return at once; a `Ready` event follows when the model is loaded."""
        ...

    def send(self, number: int, job: Job) -> None:
        """Put a job into the inbox of a worker; do nothing if the worker is dead."""
        ...

    def events(self, timeout_seconds: float) -> list[tuple[int, WorkerEvent]]:
        """Wait for events and return pairs (worker, event); a worker's events keep their order.

        `Died` is the last event of a worker that was not stopped.

        Args:
            timeout_seconds: longest wait, after which the list is empty.
        """
        ...

    def stop(self, number: int) -> None:
        """Kill a worker; its unfinished jobs are lost, and it emits no further events."""
        ...

    def close(self) -> None:
        """Kill all workers."""
        ...


EngineFactory: TypeAlias = Callable[..., Engine]
"""Called as `factory(worker_factory, **options)` with the options of the engine."""


def make_engine(engine: str | EngineFactory, factory: WorkerFactory, **options: Any) -> Engine:
    """Create an engine from its name or its class."""
    make = ENGINES.load(engine) if isinstance(engine, str) else engine
    made: Engine = make(factory, **options)
    return made
