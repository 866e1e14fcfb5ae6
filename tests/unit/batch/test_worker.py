"""The line in a worker: stages overlap, one item's failure is its own, clips are let go."""

from __future__ import annotations

import threading
import time
from queue import Queue

import pytest

from tam_video.batch.jobs import (
    Began,
    Broken,
    Ended,
    Finished,
    ItemRequest,
    Job,
    Outcome,
    Ready,
    as_exception,
    is_broken_output,
    is_out_of_memory,
    item_error,
)
from tam_video.batch.worker import serve
from tam_video.errors import (
    ExportError,
    ModelError,
    ModelLoadError,
    UnknownNameError,
    VideoDecodeError,
    VideoOpenError,
)
from tam_video.types import Message

ASKED = (Message("user", "?"),)


class Recorder:
    """Take some seconds for each stage, and raises the errors it is given."""

    def __init__(self, *, seconds=0.0, errors=None, finished=()):
        self.seconds, self.errors, self.finished = seconds, errors or {}, set(finished)
        self.read_clips, self.forgotten, self.open = [], [], 0
        self.most_open = 0
        self.lock = threading.Lock()

    def find(self, question):
        return Outcome(question.key, run="before") if question.key in self.finished else None

    def read(self, job):
        self._work("read", job.questions[0].key)
        with self.lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        self.read_clips.append(job.number)
        return job.number

    def answer(self, job, question, clip):
        self._work("answer", question.key)
        return question.key

    def write(self, job, question, clip, answered):
        self._work("write", question.key)
        return Outcome(question.key, run="made")

    def forget(self, clip):
        with self.lock:
            self.open -= 1
        self.forgotten.append(clip)

    def close(self):
        self.forgotten.append("closed")

    def _work(self, stage, key):
        time.sleep(self.seconds)
        if (stage, key) in self.errors:
            raise self.errors[stage, key]


def a_job(number, *keys, may_exist=False):
    questions = tuple(ItemRequest(key, key, ASKED, may_exist=may_exist) for key in keys)
    return Job(number, ("clip",), questions)


def serve_all(worker, jobs):
    inbox = Queue()
    for job in (*jobs, None):
        inbox.put(job)
    events = []
    serve(lambda: worker, inbox.get, events.append)
    return events


def outcomes(events):
    return {e.outcome.key: e.outcome for e in events if isinstance(e, Finished)}


def test_every_question_ends_once_and_its_clip_is_released():
    worker = Recorder()
    events = serve_all(worker, [a_job(1, "a", "b"), a_job(2, "c")])
    assert isinstance(events[0], Ready)
    assert sorted(outcomes(events)) == ["a", "b", "c"]
    assert worker.read_clips == [1, 2]
    assert sorted(worker.forgotten[:2]) == [1, 2]
    assert worker.forgotten[2:] == ["closed"]


def test_any_error_fails_only_its_item():
    errors = {
        ("read", "r"): VideoDecodeError("bad frame", hint="repair"),
        ("answer", "a"): KeyError("bug"),
        ("write", "w"): MemoryError(),
    }
    worker = Recorder(errors=errors)
    jobs = [a_job(1, "r", "r2"), a_job(2, "a", "a2"), a_job(3, "w", "w2")]
    results = outcomes(serve_all(worker, jobs))
    errors_by_key = {key: o.error.type if o.error else "" for key, o in results.items()}
    both = dict.fromkeys(["r", "r2"], "VideoDecodeError")
    assert errors_by_key == {**both, "a": "KeyError", "a2": "", "w": "MemoryError", "w2": ""}
    assert sorted(map(str, worker.forgotten)) == ["2", "3", "closed"]


def test_runs_of_an_earlier_worker_are_kept():
    worker = Recorder(finished=["a", "b", "c"])
    jobs = [a_job(1, "a", "x", may_exist=True), a_job(2, "b", may_exist=True), a_job(3, "c")]
    results = outcomes(serve_all(worker, jobs))
    assert {key: o.run for key, o in results.items()} == {
        "a": "before",
        "x": "made",
        "b": "before",
        "c": "made",
    }
    assert worker.read_clips == [1, 3]


def test_stages_of_different_items_overlap_with_few_open_clips():
    worker = Recorder(seconds=0.05)
    began = time.monotonic()
    serve_all(worker, [a_job(n, f"k{n}") for n in range(12)])
    one_after_the_other = 12 * 3 * 0.05
    assert time.monotonic() - began < 0.75 * one_after_the_other
    assert worker.most_open <= 6


def test_worker_that_cannot_start_is_reported():
    events = []

    def fails():
        raise ModelError("no weights", hint="get some")

    serve(fails, lambda: None, events.append)
    (event,) = events
    assert isinstance(event, Broken)
    error = as_exception(event.error)
    assert (type(error), error.message, error.hint) == (ModelError, "no weights", "get some")


def caused(error, cause):
    error.__cause__ = cause
    return error


def test_full_disk_differs_from_an_error_of_the_item():
    full, denied = OSError(28, "full"), PermissionError(13, "no")
    assert is_broken_output(caused(ExportError("x"), full))
    assert is_broken_output(caused(VideoOpenError("copy"), full))
    assert is_broken_output(caused(ExportError("x"), denied))
    assert not is_broken_output(caused(VideoOpenError("x"), denied))
    assert not is_broken_output(ExportError("too small to encode"))
    worker = Recorder(errors={("write", "a"): caused(ExportError("full"), full)})
    events = serve_all(worker, [a_job(1, "a")])
    assert [type(e) for e in events if isinstance(e, Broken | Finished)] == [Broken]


def test_errors_survive_serialisation():
    unknown = UnknownNameError("reader", "x", ["pyav"])
    assert as_exception(item_error(unknown)).exit_code == 2
    assert "KeyError" in as_exception(item_error(KeyError("x"))).message
    assert is_out_of_memory(caused(ModelError("x"), MemoryError()))
    assert is_out_of_memory(caused(ModelError("x"), RuntimeError("can't allocate memory: 9")))
    assert not is_out_of_memory(ModelError("x"))


def test_the_stages_of_an_item_are_reported_in_order_also_if_one_fails():
    whole = [Began("read", 1), Ended("read", 1), Began("answer", 1, "a"), Ended("answer", 1, "a")]
    write = [Began("write", 1, "a"), Ended("write", 1, "a")]
    done = Finished(1, Outcome("a", run="made"))
    assert serve_all(Recorder(), [a_job(1, "a")]) == [Ready(), *whole, *write, done]
    for stage, begun in (("read", whole[:2]), ("answer", whole), ("write", whole + write)):
        events = serve_all(Recorder(errors={(stage, "a"): KeyError()}), [a_job(1, "a")])
        assert events[:-1] == [Ready(), *begun]
        assert events[-1].outcome.error.type == "KeyError"


def test_an_item_that_an_earlier_worker_finished_needs_no_answer():
    events = serve_all(Recorder(finished=["a"]), [a_job(1, "a", may_exist=True)])
    done = Finished(1, Outcome("a", run="before"))
    assert events == [Ready(), Began("read", 1), done, Ended("read", 1)]


@pytest.mark.parametrize("stage", ["read", "answer", "write"])
def test_a_model_that_cannot_be_loaded_ends_the_batch(stage):
    worker = Recorder(errors={(stage, "a"): ModelLoadError("no weights")})
    events = serve_all(worker, [a_job(1, "a")])
    ends = [event for event in events if isinstance(event, Broken | Finished)]
    assert [event.error.message for event in ends] == ["no weights"]


def test_six_clips_are_open_at_most_when_writing_is_slow():
    blocked = threading.Event()

    class Slow(Recorder):
        def write(self, job, question, clip, answered):
            assert blocked.wait(30)
            return super().write(job, question, clip, answered)

    worker = Slow()
    inbox = Queue()
    for job in (*(a_job(n, f"k{n}") for n in range(20)), None):
        inbox.put(job)
    before = set(threading.enumerate())
    server = threading.Thread(
        target=serve, args=(lambda: worker, inbox.get, [].append), daemon=True
    )
    server.start()
    end = time.monotonic() + 10
    while len(worker.read_clips) < 6 and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.1)
    # One is written, two wait for that, one is answered, one waits for that, and one is read.
    assert worker.read_clips == [0, 1, 2, 3, 4, 5]
    assert all(thread.daemon for thread in set(threading.enumerate()) - before)
    blocked.set()
    server.join(10)
    assert sorted(worker.forgotten[:-1]) == list(range(20))
    assert worker.forgotten[-1] == "closed"


def test_a_clip_is_released_after_its_last_item_and_the_worker_is_closed_last():
    order = []

    class Ordered(Recorder):
        def write(self, job, question, clip, answered):
            time.sleep(0.02)
            order.append(question.key)
            return super().write(job, question, clip, answered)

        def forget(self, clip):
            order.append(f"forget {clip}")

        def close(self):
            order.append("close")

    errors = {("answer", "b"): KeyError(), ("write", "f"): KeyError()}
    serve_all(Ordered(errors=errors), [a_job(1, "a", "b", "c"), a_job(2, "d", "e", "f")])
    assert order == ["a", "c", "forget 1", "d", "e", "f", "forget 2", "close"]
