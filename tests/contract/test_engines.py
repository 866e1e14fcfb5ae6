"""What every engine promises, and a batch on it: local processes, Ray, and the documented plug-in.

Workers do what an item's question says, without a model; the run folders are real.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from batch_workers import ScriptedWork, finished_once, ledger_lines

from tam_video import batch
from tam_video.batch.engines.base import make_engine
from tam_video.batch.jobs import Broken, Died, Finished, ItemRequest, Job, Ready
from tam_video.errors import BatchError, ExportError, ModelError
from tam_video.export.manifest import verify_run
from tam_video.types import Message

TESTS = str(Path(__file__).parents[1])
RAY_SLOWLY = pytest.param("ray", marks=pytest.mark.slow)  # an actor takes seconds to start
LOCAL_AND_RAY = ["local", RAY_SLOWLY]
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "my_engine.py"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The documented engine as an installed distribution with an entry point."""
    site = tmp_path_factory.mktemp("site")
    (site / "my_engine.py").write_text(EXAMPLE.read_text())
    info = site / "my_engine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-engine\nVersion: 1.0\n")
    points = "[tam_video.engines]\nthreads = my_engine:ThreadEngine\n"
    (info / "entry_points.txt").write_text(points)
    sys.path.insert(0, str(site))
    yield
    sys.path.remove(str(site))


@pytest.fixture(scope="module")
def ray_cluster():
    """A real cluster of this machine, with room for two workers and their kin."""
    import ray

    environ = {"PYTHONPATH": os.pathsep.join([TESTS, *sys.path]), "OMP_NUM_THREADS": "1"}
    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 2**20,
        runtime_env={"env_vars": environ},
    )
    yield
    ray.shutdown()


@pytest.fixture(params=["local", "threads", "ray"])
def engine(request):
    """The engine's name; `threads` is the documented one, which can't kill."""
    needs = {"ray": "ray_cluster", "threads": "installed"}
    if request.param in needs:
        request.getfixturevalue(needs[request.param])
    return request.param


@pytest.fixture
def place(tmp_path):
    """Some files to ask about, and where the batch writes."""
    for number in range(6):
        (tmp_path / f"clip{number}.mp4").write_bytes(bytes([number]) * 100)
    return tmp_path


def rows(place, *questions):
    return [
        {"id": f"i{n}", "video": str(place / f"clip{n % 6}.mp4"), "question": f"{text} #{n}"}
        for n, text in enumerate(questions)
    ]


def run(place, engine, asked, *, out="out", **options):
    work = ScriptedWork(str(place / out), str(place / "traces"))
    how = batch.BatchOptions(engine=engine, **{"workers": 2, **options})
    results = list(batch.run(asked, place / out, options=how, task=batch.BatchTask(work)))
    lines = ledger_lines(place / out)
    assert finished_once(lines)
    for line in lines:
        assert line["status"] == "failed" or verify_run(place / out / "runs" / line["run"])
    return results


def a_job(place, text="ok"):
    question = ItemRequest("0" * 64, "clip0-0", (Message("user", text),))
    return Job(1, (str(place / "clip0.mp4"),), (question,))


def heard(engine, until, seconds=60.0):
    end, result = time.monotonic() + seconds, []
    while time.monotonic() < end and not any(isinstance(event, until) for event in result):
        result += [event for _, event in engine.events(0.2)]
    return result


def test_a_worker_gets_ready_works_and_tells(engine, place):
    work = ScriptedWork(str(place / "out"), str(place / "traces"))
    (place / "out" / "runs").mkdir(parents=True)
    made = make_engine(engine, work)
    assert made.default_workers >= 1
    made.start(7)
    assert heard(made, Ready)
    made.send(7, a_job(place))
    record = heard(made, Finished)
    assert record[-1].outcome.answer == "ok of clip0.mp4"
    kinds = [type(event).__name__ for event in record]
    assert kinds == ["Began", "Ended"] * 3 + ["Finished"]
    made.stop(7)
    made.send(7, a_job(place))
    assert made.events(0.2) == []
    made.close()


@pytest.mark.parametrize("engine", ["local", "threads", RAY_SLOWLY], indirect=True)
def test_a_worker_that_can_not_start_says_why(engine, place):
    work = ScriptedWork(str(place / "out"), str(place / "traces"), start_error="no such model")
    made = make_engine(engine, work)
    made.start(0)
    record = heard(made, Broken)
    assert record[-1].error.message == "no such model"
    made.close()
    with pytest.raises(ModelError, match="no such model"):
        list(
            batch.run(
                rows(place, "ok"),
                place / "out",
                options=batch.BatchOptions(engine=engine),
                task=batch.BatchTask(work),
            )
        )


def test_all_engines_write_the_same_lines(engine, place, tmp_path_factory):
    asked = rows(place, *["ok"] * 8, "fail read", "fail answer", "fail write", "bug answer")
    results = run(place, engine, asked, out="out")
    assert Counter(r.status for r in results) == {"done": 8, "failed": 4}
    types = {r.item.id: r.error.type for r in results if r.error}
    assert types == dict.fromkeys(["i8", "i9", "i10"], "VideoDecodeError") | {"i11": "KeyError"}
    run(place, "local", asked, out="other", workers=1)
    one, other = (sorted(map(repr, ledger_lines(place / name))) for name in ("out", "other"))
    assert one == other
    maps = [
        sorted(p.read_bytes() for p in (place / n / "runs").glob("*/maps.npz"))
        for n in ("out", "other")
    ]
    assert maps[0] == maps[1]


@pytest.mark.parametrize("engine", ["local", "threads", RAY_SLOWLY], indirect=True)
def test_what_was_done_is_not_done_again(engine, place):
    asked = rows(place, "ok", "ok", "fail answer")
    run(place, engine, asked)
    traces = (place / "traces").read_text()
    results = run(place, engine, asked)
    assert (place / "traces").read_text() == traces
    assert all(r.is_resumed for r in results)
    assert sorted(r.status for r in results) == ["done", "done", "failed"]
    again = run(place, engine, asked, retry_failed=True)
    assert [r.item.id for r in again if not r.is_resumed] == ["i2"]


def test_a_name_that_is_no_utf_8_is_done_once_and_told(installed, place):
    odd = place / os.fsdecode(b"cl\xffip.mp4")
    odd.write_bytes(b"x")
    asked = [{"id": odd.name, "video": str(odd), "question": "ok", odd.name: odd.name}]
    for is_resumed in (False, True):
        (result,) = run(place, "threads", asked)
        assert (result.status, result.is_resumed) == ("done", is_resumed)
    (line,) = ledger_lines(place / "out")
    assert line["id"] == odd.name
    assert "cl\\udcffip.mp4" in (place / "out" / "summary.csv").read_text()
    assert (place / "out" / "summary.parquet").is_file()


@pytest.mark.parametrize("engine", ["local", "threads", RAY_SLOWLY], indirect=True)
def test_questions_on_a_clip_share_its_frames(engine, place):
    asked = [{"id": "a", "video": str(place / "clip0.mp4"), "questions": ["ok 1", "ok 2", "ok 3"]}]
    results = run(place, engine, asked, workers=1)
    assert [r.item.id for r in results] == ["a#1", "a#2", "a#3"]
    traces = (place / "traces").read_text().splitlines()
    assert traces.count("forget clip0.mp4") == 1
    assert len({line.split()[-2] for line in traces if line.startswith("answer")}) == 1


@pytest.mark.parametrize("engine", ["local", "threads", RAY_SLOWLY], indirect=True)
def test_a_full_disk_ends_the_batch_and_the_rest_is_done_later(engine, place):
    asked = rows(place, *["ok"] * 3, "full write", *["ok"] * 3)
    with pytest.raises(ExportError, match="No space left"):
        run(place, engine, asked, workers=1)
    assert {line["status"] for line in ledger_lines(place / "out")} <= {"done"}
    results = run(place, engine, [row for row in asked if "full" not in row["question"]])
    assert len(results) == 6
    assert {r.status for r in results} == {"done"}


@pytest.mark.parametrize("engine", LOCAL_AND_RAY, indirect=True)
def test_a_stuck_worker_is_killed_and_its_other_items_are_done(engine, place):
    asked = rows(place, "ok", "hang read", "ok", "hang write", "ok", "ok")
    results = run(place, engine, asked, timeout_seconds=2.0)
    failed = {r.item.id: r.error.type for r in results if r.error}
    assert failed == {"i1": "ItemTimeoutError", "i3": "ItemTimeoutError"}
    assert len(results) == 6


@pytest.mark.parametrize("engine", LOCAL_AND_RAY, indirect=True)
def test_an_item_that_kills_its_worker_fails_and_the_rest_is_done(engine, place):
    results = run(place, engine, rows(place, "ok", "die answer", "ok", "ok"))
    failed = {r.item.id: r.error.type for r in results if r.error}
    assert failed == {"i1": "WorkerDiedError"}
    assert len(results) == 4


@pytest.mark.parametrize("engine", ["local", "ray"], indirect=True)
def test_items_of_a_lost_worker_are_done_by_another(engine, place):
    asked = rows(place, "ok", "ok", "die answer 1", "ok", "ok")
    asked[2]["question"] = "die answer 1"
    results = run(place, engine, asked)
    assert [r.status for r in results] == ["done"] * 5


def test_a_run_folder_whose_worker_was_lost_before_it_could_tell_is_not_made_again(place):
    asked = [{"id": "a", "video": str(place / "clip0.mp4"), "question": "die published 1"}]
    (result,) = run(place, "local", asked)
    assert result.status == "done"
    assert (place / "traces").read_text().count("write die published 1") == 1


@pytest.mark.parametrize("engine", ["local", "threads", RAY_SLOWLY], indirect=True)
def test_a_batch_stops_when_too_many_fail(engine, place):
    asked = rows(place, "fail read", "fail read", "ok", "ok", "ok", "ok")
    with pytest.raises(BatchError, match="max-failures") as caught:
        run(place, engine, asked, workers=1, max_failures=0)
    assert caught.value.exit_code == 3
    assert "failed" in {line["status"] for line in ledger_lines(place / "out")}
    assert (place / "out" / "summary.csv").is_file()


def test_died_is_the_last_word_of_a_lost_worker(place):
    (place / "out" / "runs").mkdir(parents=True)
    made = make_engine("local", ScriptedWork(str(place / "out"), str(place / "traces")))
    made.start(0)
    heard(made, Ready)
    made.send(0, a_job(place, "die answer"))
    record = heard(made, Died)
    assert "SIGKILL" in record[-1].reason
    assert made.events(0.1) == []
    made.close()
