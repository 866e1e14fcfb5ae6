"""Worker processes of this machine, with processes of the test; test_engines uses real ones."""

from __future__ import annotations

import os
import signal
from multiprocessing import Pipe
from types import SimpleNamespace

import pytest

from tam_video.batch.engines import local
from tam_video.batch.engines.local import LocalEngine, visible_gpus
from tam_video.batch.jobs import Began, Broken, Died, Ready
from tam_video.errors import ModelError

VISIBLE = "CUDA_VISIBLE_DEVICES"


class Process:
    """A process that never runs; the test holds the worker's end of its pipe."""

    def __init__(self, *, target, args, name, daemon):
        self.target, self.args, self.name, self.daemon = target, args, name, daemon
        self.calls, self.exitcode = [], None

    def start(self):
        _, connection, self.gpu = self.args
        self.end = type(connection)(os.dup(connection.fileno()))
        self.calls.append("start")

    def kill(self):
        self.calls.append("kill")

    def join(self, timeout=None):
        self.calls.append("join")


@pytest.fixture
def processes(monkeypatch):
    made = []

    def create(**options):
        made.append(Process(**options))
        return made[-1]

    methods = []

    def get_context(method):
        methods.append(method)
        return SimpleNamespace(Pipe=Pipe, Process=create)

    monkeypatch.setattr(local, "get_context", get_context)
    yield made
    assert set(methods) == {"spawn"}  # a forked process can't use CUDA
    for process in made:
        process.end.close()


def factory():
    raise ModelError("no weights")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", ["0"]),
        ("2, 5", ["2", "5"]),
        ("GPU-8f1,MIG-2", ["GPU-8f1", "MIG-2"]),
        ("", []),
        ("-1", []),
        (" ,3,", ["3"]),
    ],
)
def test_visible_gpus_are_those_of_the_environment(monkeypatch, value, expected):
    monkeypatch.setenv(VISIBLE, value)
    assert visible_gpus() == expected


def test_all_gpus_of_the_driver_are_visible_without_the_variable(monkeypatch, tmp_path):
    monkeypatch.delenv(VISIBLE, raising=False)
    for name in ("0000:01:00.0", "0000:02:00.0", "0000:03:00.0"):
        (tmp_path / name).mkdir()
    opened = []
    monkeypatch.setattr(local, "Path", lambda text: opened.append(text) or tmp_path)
    assert visible_gpus() == ["0", "1", "2"]
    assert opened == ["/proc/driver/nvidia/gpus"]


@pytest.mark.parametrize(("gpus", "workers"), [("", 1), ("0", 1), ("3,4,7", 3)])
def test_there_is_a_worker_for_each_gpu_or_one(monkeypatch, gpus, workers):
    monkeypatch.setenv(VISIBLE, gpus)
    assert LocalEngine(factory).default_workers == workers


def test_workers_are_spread_over_the_gpus(monkeypatch, processes):
    monkeypatch.setenv(VISIBLE, "3,7")
    engine = LocalEngine(factory)
    for number in range(3):
        engine.start(number)
    assert [process.gpu for process in processes] == ["3", "7", "3"]
    engine.stop(0)
    engine.start(3)
    assert processes[-1].gpu == "3"
    engine.stop(1)
    engine.start(4)
    assert processes[-1].gpu == "7"
    assert [process.name for process in processes] == [f"tam-video-{n}" for n in range(5)]
    assert all(process.daemon for process in processes)
    assert {process.args[0] for process in processes} == {factory}
    engine.close()
    assert [process.calls for process in processes] == [["start", "kill", "join"]] * 5


def test_without_gpus_a_worker_keeps_its_environment(monkeypatch, processes):
    monkeypatch.setenv(VISIBLE, "")
    engine = LocalEngine(factory)
    engine.start(0)
    assert processes[0].gpu is None
    engine.close()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (0, "the worker ended with exit code 0"),
        (1, "the worker ended with exit code 1"),
        (None, "the worker ended with exit code None"),
        (-9, "the worker was killed by SIGKILL"),
        (-1, "the worker was killed by SIGHUP"),
        (-50, "the worker was killed by 50"),
    ],
)
def test_the_end_of_a_process_is_reported_after_its_events(processes, code, reason):
    engine = LocalEngine(factory)
    engine.start(4)
    engine.start(5)
    assert engine.events(0.0) == []
    process = processes[0]
    for event in (Ready(), Began("read", 1)):
        process.end.send(event)
    assert engine.events(5) == [(4, Ready()), (4, Began("read", 1))]
    process.end.send(Ready())
    process.exitcode = code
    process.end.close()
    assert engine.events(5) == [(4, Ready()), (4, Died(reason))]
    assert process.calls == ["start", "join", "kill", "join"]
    assert engine.events(0.0) == []
    engine.send(4, "nobody")  # no error
    engine.send(5, "job")
    assert processes[1].end.recv() == "job"
    engine.close()


def test_a_job_for_a_process_that_has_just_ended_is_dropped(processes):
    engine = LocalEngine(factory)
    engine.start(0)
    processes[0].end.close()
    engine.send(0, "job")
    assert [type(event) for _, event in engine.events(5)] == [Died]


@pytest.mark.parametrize("gpu", [None, "6"])
def test_a_worker_ignores_ctrl_c_sees_its_gpu_and_ends_with_its_inbox(monkeypatch, gpu):
    monkeypatch.setenv(VISIBLE, "0,6")
    own, worker = Pipe()
    seen = []

    def serve(factory, inbox, report):
        seen.append((factory, os.environ[VISIBLE], signal.getsignal(signal.SIGINT)))
        report(Ready())
        own.send("job")
        seen.append(inbox())
        own.close()
        seen.append(inbox())

    monkeypatch.setattr(local, "serve", serve)
    before = signal.getsignal(signal.SIGINT)
    try:
        local._work(factory, worker, gpu)
    finally:
        signal.signal(signal.SIGINT, before)
        worker.close()
    assert seen == [(factory, gpu or "0,6", signal.SIG_IGN), "job", None]


def test_a_worker_that_cannot_start_reports_it(monkeypatch):
    own, worker = Pipe()
    before = signal.getsignal(signal.SIGINT)
    try:
        local._work(factory, worker, None)
    finally:
        signal.signal(signal.SIGINT, before)
    event = own.recv()
    assert isinstance(event, Broken)
    assert event.error.message == "no weights"
    own.close()
    worker.close()
