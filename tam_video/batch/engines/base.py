"""What an engine is: a place where workers run, reached by messages.

An engine starts and stops workers, carries jobs to them and events back. It decides nothing: which
worker gets which job, what is too slow, and what is tried again is the same for all engines
(`tam_video.batch.dispatch`).
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
    """Runs workers. A worker is known by a number that is never used again.

    Attributes:
        default_workers: how many workers there is room for.
    """

    default_workers: int

    def start(self, number: int) -> None:
        """Begin to make a worker; returns at once. A `Ready` event tells when it is there."""
        ...

    def send(self, number: int, job: Job) -> None:
        """Put a job into the inbox of a worker. Sending to a lost worker does nothing."""
        ...

    def events(self, timeout_seconds: float) -> list[tuple[int, WorkerEvent]]:
        """What workers have said, each one's in its order; waits until there is something.

        `Died` is the last that is heard of a worker that was not stopped.

        Args:
            timeout_seconds: longest wait; nothing is returned after it.
        """
        ...

    def stop(self, number: int) -> None:
        """End a worker at once, whatever it does; its jobs are lost. Nothing is heard of it."""
        ...

    def close(self) -> None:
        """End all workers."""
        ...


EngineFactory: TypeAlias = Callable[..., Engine]
"""Called as `factory(worker_factory, **options)`; options are the engine's own, by name."""


def make_engine(engine: str | EngineFactory, factory: WorkerFactory, **options: Any) -> Engine:
    """Make an engine from its name or its class.

    Raises:
        UnknownNameError: no engine has this name.
        MissingDependencyError: a package that it needs is not installed.
    """
    make = ENGINES.load(engine) if isinstance(engine, str) else engine
    made: Engine = make(factory, **options)
    return made
