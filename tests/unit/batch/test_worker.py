"""The line in a worker: stages overlap, one item's failure is its own, clips are let go."""

from __future__ import annotations

import threading
import time
from queue import Queue

from tam_video.batch.jobs import (
    Broken,
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
