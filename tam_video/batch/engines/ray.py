"""An engine that runs workers as actors on a Ray cluster.

Jobs and events are small; workers read videos from and write run folders to their storage, not
through Ray. Actors wait for free resources, which makes an autoscaler add nodes.
"""

from __future__ import annotations

import logging
import os
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from tam_video.batch.jobs import Died, Job, WorkerEvent
from tam_video.batch.worker import WorkerFactory, serve
from tam_video.errors import ConfigError, optional_import

_POLL_SECONDS = 30.0


class RayEngine:
    """An engine that runs each worker in a Ray actor; see `Engine`."""

    def __init__(
        self,
        factory: WorkerFactory,
        *,
        address: str | None = None,
        num_cpus: float = 1,
        num_gpus: float | None = None,
    ) -> None:
        """Connect to a Ray cluster.

        Args:
            factory: creates a worker in the process of an actor.
            address: of a running cluster ("auto", "ray://host:10001"); None for that of the
                environment variable RAY_ADDRESS, else a local one is started.
            num_cpus: CPUs of an actor.
            num_gpus: GPUs of an actor; None for one if the cluster has any.

        Raises:
            MissingDependencyError: Ray is not installed.
            ConfigError: no cluster at the address.
        """
        with optional_import("the ray engine needs ray", install="'tam-video[ray]'"):
            import ray
        self._ray: Any = ray
        self._owns_cluster = self._connect(address)
        resources = self._ray.cluster_resources()
        gpus = resources.get("GPU", 0.0)
        claim = (1.0 if gpus else 0.0) if num_gpus is None else num_gpus
        room = gpus / claim if claim else resources.get("CPU", 1.0) / (num_cpus or 1)
        self.default_workers = max(1, int(room))
        # Ray restarts nothing: the dispatcher decides about retries.
        self._actor = self._ray.remote(
            num_cpus=num_cpus,
            num_gpus=claim,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=4,
            scheduling_strategy="SPREAD",
        )(_Actor)
        self._factory = factory
        self._actors: dict[int, Any] = {}
        self._polls: dict[Any, int] = {}

    def start(self, number: int) -> None:
        """Create the actor of a worker and start waiting for its events."""
        self._actors[number] = self._actor.remote(self._factory)
        self._listen(number)

    def send(self, number: int, job: Job) -> None:
        """Send a job to the actor of a worker without waiting for a reply."""
        if number in self._actors:
            self._actors[number].give.remote(job)

    def events(self, timeout_seconds: float) -> list[tuple[int, WorkerEvent]]:
        """Wait until an actor has events, then return the events of all actors."""
        if not self._polls:
            return []
        ready, _ = self._ray.wait(list(self._polls), num_returns=1, timeout=timeout_seconds)
        if ready:
            refs = list(self._polls)
            ready, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        events: list[tuple[int, WorkerEvent]] = []
        for ref in ready:
            number = self._polls.pop(ref)
            try:
                received: list[WorkerEvent] = self._ray.get(ref)
            except self._ray.exceptions.RayError as exc:
                events.append((number, Died(f"the worker died: {type(exc).__name__}")))
                self._actors.pop(number, None)
                continue
            events += [(number, event) for event in received]
            self._listen(number)
        return events

    def stop(self, number: int) -> None:
        """Kill the process of an actor."""
        actor = self._actors.pop(number, None)
        if actor is not None:
            self._ray.kill(actor)
            self._polls = {ref: of for ref, of in self._polls.items() if of != number}

    def close(self) -> None:
        """Kill all actors, and shut down the cluster if this process started it."""
        for number in list(self._actors):
            self.stop(number)
        if self._owns_cluster:
            self._ray.shutdown()

    def _listen(self, number: int) -> None:
        self._polls[self._actors[number].poll.remote(_POLL_SECONDS)] = number

    def _connect(self, address: str | None) -> bool:
        if self._ray.is_initialized():
            return False
        address = address or os.environ.get("RAY_ADDRESS")
        # Without "local", Ray would connect to a cluster that another program started here.
        local = {"address": "local", "include_dashboard": False}
        try:
            self._ray.init(
                log_to_driver=False,
                logging_level=logging.ERROR,
                **({"address": address} if address else local),
            )
        except (ConnectionError, RuntimeError, ValueError, OSError) as exc:
            raise ConfigError(
                f"no Ray cluster at {address or 'this machine'}: {exc}",
                hint="start a cluster with `ray start --head`, or omit --ray-address",
            ) from exc
        return True


class _Actor:
    """A Ray actor that runs a worker in a thread, so that the actor can always answer calls."""

    def __init__(self, factory: WorkerFactory) -> None:
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._events: SimpleQueue[WorkerEvent] = SimpleQueue()
        line = (factory, self._jobs.get, self._events.put)
        Thread(target=serve, args=line, daemon=True).start()

    def give(self, job: Job) -> None:
        self._jobs.put(job)

    def poll(self, wait_seconds: float) -> list[WorkerEvent]:
        events: list[WorkerEvent] = []
        try:
            events.append(self._events.get(timeout=wait_seconds))
            while True:
                events.append(self._events.get_nowait())
        except Empty:
            return events
