"""What the Ray engine asks of Ray, with a stand-in for the package; test_engines uses a cluster."""

from __future__ import annotations

import logging
import sys
import threading
import time
from types import ModuleType, SimpleNamespace

import pytest

from tam_video.batch.engines.ray import RayEngine, _Actor
from tam_video.batch.jobs import Began, Broken, Died, ItemRequest, Job, Ready
from tam_video.errors import ConfigError, MissingDependencyError, ModelError

JOB = Job(1, ("clip",), (ItemRequest("k", "k", ()),))


class RayError(Exception):
    """Stands for Ray's base class of errors."""


class ActorDiedError(RayError):
    pass


class Handle:
    """An actor in the cluster: `polls` are the references to its unanswered polls."""

    def __init__(self, factory):
        self.factory, self.given, self.waits = factory, [], []
        self.give = SimpleNamespace(remote=self.given.append)
        self.poll = SimpleNamespace(remote=self._poll)

    def _poll(self, wait_seconds):
        self.waits.append(wait_seconds)
        return (self, len(self.waits))


class FakeRay(ModuleType):
    """Records the calls; `answers` maps the reference of a poll to its events or its error."""

    def __init__(self, resources, *, initialized=False, init_error=None):
        super().__init__("ray")
        self.exceptions = SimpleNamespace(RayError=RayError)
        self.resources, self.initialized, self.init_error = resources, initialized, init_error
        self.actors, self.killed, self.timeouts, self.answers = [], [], [], {}
        self.init_options = self.remote_options = None
        self.num_shutdowns = 0

    def is_initialized(self):
        return self.initialized

    def init(self, **options):
        self.init_options = options
        if self.init_error is not None:
            raise self.init_error

    def cluster_resources(self):
        return self.resources

    def remote(self, **options):
        self.remote_options = options
        return lambda actor: SimpleNamespace(remote=self._create)

    def _create(self, factory):
        self.actors.append(Handle(factory))
        return self.actors[-1]

    def wait(self, refs, *, num_returns, timeout):
        self.timeouts.append(timeout)
        ready = [ref for ref in refs if ref in self.answers][:num_returns]
        return ready, [ref for ref in refs if ref not in ready]

    def get(self, ref):
        answer = self.answers.pop(ref)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def kill(self, actor):
        self.killed.append(actor)

    def shutdown(self):
        self.num_shutdowns += 1

    def answer(self, index, events):
        """Answer the latest poll of an actor."""
        actor = self.actors[index]
        self.answers[actor, len(actor.waits)] = events


@pytest.fixture
def use(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def install(resources=None, **options):
        ray = FakeRay({"CPU": 4.0} if resources is None else resources, **options)
        monkeypatch.setitem(sys.modules, "ray", ray)
        return ray

    return install


def factory():
    raise ModelError("no weights")


@pytest.mark.parametrize(
    ("resources", "options", "workers", "gpus"),
    [
        ({"CPU": 4.0}, {}, 4, 0.0),
        ({"CPU": 4.0}, {"num_cpus": 2}, 2, 0.0),
        ({"CPU": 4.0}, {"num_cpus": 3}, 1, 0.0),
        ({"CPU": 4.0}, {"num_cpus": 0.5}, 8, 0.0),
        ({"CPU": 4.0}, {"num_cpus": 0}, 4, 0.0),
        ({"CPU": 4.0}, {"num_cpus": 8}, 1, 0.0),
        ({}, {}, 1, 0.0),
        ({"CPU": 16.0, "GPU": 2.0}, {}, 2, 1.0),
        ({"CPU": 16.0, "GPU": 2.0}, {"num_gpus": 0.5}, 4, 0.5),
        ({"CPU": 16.0, "GPU": 2.0}, {"num_gpus": 4}, 1, 4),
        ({"CPU": 16.0, "GPU": 2.0}, {"num_gpus": 0}, 16, 0),
    ],
)
def test_there_are_as_many_workers_as_the_cluster_has_room_for(
    use, resources, options, workers, gpus
):
    ray = use(resources)
    assert RayEngine(factory, **options).default_workers == workers
    assert ray.remote_options == {
        "num_cpus": options.get("num_cpus", 1),
        "num_gpus": gpus,
        "max_restarts": 0,  # the dispatcher decides what is run again
        "max_task_retries": 0,
        "max_concurrency": 4,  # jobs arrive while a poll waits
        "scheduling_strategy": "SPREAD",
    }


def test_a_local_cluster_is_started_without_an_address_and_shut_down_with_the_engine(use):
    ray = use()
    RayEngine(factory).close()
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    assert ray.init_options == {"address": "local", "include_dashboard": False, **quiet}
    assert ray.num_shutdowns == 1


def test_the_address_comes_from_the_option_then_from_the_environment(use, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "ray://one:1")
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    for options, address in (({}, "ray://one:1"), ({"address": "auto"}, "auto")):
        ray = use()
        RayEngine(factory, **options)
        assert ray.init_options == {"address": address, **quiet}


def test_a_cluster_of_the_caller_is_used_and_kept(use):
    ray = use(initialized=True)
    RayEngine(factory, address="auto").close()
    assert ray.init_options is None
    assert ray.num_shutdowns == 0


@pytest.mark.parametrize(
    "error", [ConnectionError("no"), RuntimeError("no"), ValueError("no"), OSError("no")]
)
def test_a_missing_cluster_is_a_config_error_that_names_the_address(use, error):
    use(init_error=error)
    with pytest.raises(ConfigError, match="no Ray cluster at ray://one:1: no") as caught:
        RayEngine(factory, address="ray://one:1")
    assert "ray start --head" in caught.value.hint
    with pytest.raises(ConfigError, match="no Ray cluster at this machine: no"):
        RayEngine(factory)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError) as caught:
        RayEngine(factory)
    assert "tam-video[ray]" in caught.value.hint


def test_events_of_all_ready_actors_are_returned_and_their_next_are_awaited(use):
    ray = use()
    engine = RayEngine(factory)
    assert engine.events(0.5) == []
    assert ray.timeouts == []  # nothing to wait for
    for number in (3, 5, 8):
        engine.start(number)
    assert [actor.factory for actor in ray.actors] == [factory] * 3
    assert engine.events(0.5) == []
    assert ray.timeouts == [0.5]
    ray.answer(0, [Ready(), Began("read", 1)])
    ray.answer(2, [Ready()])
    assert engine.events(0.5) == [(3, Ready()), (3, Began("read", 1)), (8, Ready())]
    assert ray.timeouts == [0.5, 0.5, 0]
    assert [len(actor.waits) for actor in ray.actors] == [2, 1, 2]
    ray.answer(0, [])
    ray.answer(1, [Ready()])
    assert engine.events(0.5) == [(5, Ready())]


def test_a_dead_actor_is_reported_once_and_gets_no_more_jobs(use):
    ray = use()
    engine = RayEngine(factory)
    for number in (0, 1):
        engine.start(number)
    ray.answer(0, ActorDiedError())
    ray.answer(1, [Ready()])
    assert engine.events(0.0) == [(0, Died("the worker died: ActorDiedError")), (1, Ready())]
    engine.send(0, JOB)
    engine.send(1, JOB)
    assert [actor.given for actor in ray.actors] == [[], [JOB]]
    engine.stop(0)
    assert ray.killed == []
    assert engine.events(0.0) == []
    assert [len(actor.waits) for actor in ray.actors] == [1, 2]


def test_a_stopped_actor_is_killed_and_no_longer_listened_to(use):
    ray = use()
    engine = RayEngine(factory)
    for number in (0, 1, 2):
        engine.start(number)
    engine.stop(1)
    engine.stop(1)
    assert ray.killed == [ray.actors[1]]
    for index in range(3):
        ray.answer(index, [Ready()])
    assert engine.events(0.0) == [(0, Ready()), (2, Ready())]
    engine.close()
    assert ray.killed == [ray.actors[1], ray.actors[0], ray.actors[2]]
    assert engine.events(0.0) == []


def test_an_actor_works_in_a_thread_and_hands_over_all_events_at_once():
    before = set(threading.enumerate())
    results = []

    class Worker:
        def find(self, question):
            return None

        def read(self, job):
            results.append(job)
            release.wait(10)
            return "clip"

        def answer(self, job, question, clip):
            raise KeyError("x")

        def forget(self, clip):
            forgotten.set()

    release, forgotten = threading.Event(), threading.Event()
    actor = _Actor(Worker)
    assert actor.poll(10) == [Ready()]
    # The process of the actor can end although its worker waits for jobs.
    assert all(thread.daemon for thread in set(threading.enumerate()) - before)
    actor.give(JOB)
    assert actor.poll(10)[0] == Began("read", 1)
    assert actor.poll(0.01) == []
    release.set()
    assert forgotten.wait(10)
    assert results == [JOB]
    names = [type(event).__name__ for event in actor.poll(10)]
    assert names == ["Ended", "Began", "Ended", "Finished"]


def test_an_actor_reports_that_it_cannot_start_and_polls_wait_no_longer_than_allowed():
    actor = _Actor(factory)
    (event,) = actor.poll(10)
    assert isinstance(event, Broken)
    began = time.monotonic()
    assert actor.poll(0.05) == []
    assert 0.04 < time.monotonic() - began < 5
