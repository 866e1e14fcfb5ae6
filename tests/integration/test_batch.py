"""`tam-video batch` with the embedded model: the whole way, and faults of the real parts."""

from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from batch_jobs import a_job
from batch_workers import OnceOutOfMemory, ledger_lines

from tam_video import batch
from tam_video.batch.estimate import estimate
from tam_video.batch.storage import FolderStorage
from tam_video.batch.work import KEEP, ExplainWork, ExplainWorker
from tam_video.config import RunConfig
from tam_video.datasets.worlds import make_world, write_scene
from tam_video.errors import ModelError, OutputExistsError
from tam_video.export.manifest import verify_run
from tam_video.models import load_model
from tam_video.runs import explain_to_folder
from tam_video.video.reader import DEFAULT_LIMITS, ReadLimits

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.reliability.kill import disturbed_run
from benchmarks.reliability.verify import check_batch, digest_of_run

QUESTION = "Describe the video."
SHORT = RunConfig(num_frames=4, max_new_tokens=6)


def command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "tam_video", "batch", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        **options,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("items")
    for number in range(3):
        write_scene(make_world("base", 700 + number), made / f"clip{number}.mp4")
    (made / "broken.mp4").write_bytes((made / "clip0.mp4").read_bytes()[:900])
    rows = [
        {"id": "one", "video": "clip0.mp4", "questions": [QUESTION, "What moves?"], "ward": "A"},
        {"id": "two", "video": "clip1.mp4", "question": QUESTION, "end": 1.0, "ward": "=1+1"},
        {"id": "bad", "video": "broken.mp4", "question": QUESTION},
        {"id": "none", "video": "missing.mp4", "question": QUESTION},
        {"id": "odd", "video": "clip2.mp4"},
    ]
    (made / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("batch") / "out"
    options = ["-n", 4, "--max-new-tokens", 6, "--workers", 2, "--timeout", 240, "--json"]
    options += ["--keep", "maps,mp4,vtt"]
    return out, command(folder / "items.jsonl", "-o", out, *options)


@pytest.fixture(scope="module")
def model():
    return load_model("tiny")


@pytest.fixture
def worker(tmp_path, model):
    storage = FolderStorage(tmp_path / "out")
    storage.acquire("ledger")
    storage.begin({})
    storage.release()
    work = ExplainWork(SHORT, str(tmp_path / "out"), "ledger", frozenset({"maps"}), DEFAULT_LIMITS)
    return ExplainWorker(work, model)


def test_failed_items_are_reported_and_the_exit_code_is_three(finished):
    out, done = finished
    assert done.returncode == 3, done.stderr
    record = json.loads(done.stdout)
    assert (record["items"], record["done"], record["failed"]) == (6, 3, 3)
    assert "failed: bad: Video" in done.stderr
    assert "Traceback" not in done.stderr
    lines = {line["id"]: line for line in ledger_lines(out)}
    assert {id_ for id_, line in lines.items() if line["status"] == "done"} == {
        "one#1",
        "one#2",
        "two",
    }
    assert lines["none"]["error"]["type"] == "VideoOpenError"
    assert lines["odd"]["error"]["type"] == "ConfigError"
    for line in lines.values():
        if line["status"] == "done":
            run = out / "runs" / line["run"]
            assert verify_run(run)
            assert {path.name for path in run.iterdir()} >= {"maps.npz", "annotated.mp4"}


def test_tables_and_page_exist_and_are_safe(finished):
    out, _ = finished
    with (out / "summary.csv").open(newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["one#1", "one#2", "two", "bad", "none", "odd"]
    assert rows["two"]["ward"] == "'=1+1"
    assert (out / rows["two"]["run"] / "explanation.json").is_file()
    assert len((out / "failed.jsonl").read_text().splitlines()) == 3
    assert rows["one#1"]["run"] in (out / "index.html").read_text()


@pytest.mark.usefixtures("one_thread")
def test_a_run_folder_is_what_explain_writes(finished, folder, model, tmp_path):
    out, _ = finished
    line = next(line for line in ledger_lines(out) if line["id"] == "two")
    config = SHORT.model_copy(update={"end_seconds": 1.0})
    explain_to_folder(
        folder / "clip1.mp4",
        tmp_path / "run",
        QUESTION,
        model=model,
        config=config,
        outputs=("maps", "video", "captions"),
    )
    assert digest_of_run(tmp_path / "run") == digest_of_run(out / "runs" / line["run"])


def test_the_same_command_does_nothing_again_and_other_settings_are_refused(finished, folder):
    out, _ = finished
    before = (out / "ledger.jsonl").read_bytes()
    how = batch.BatchOptions(workers=2, keep=frozenset({"maps", "mp4", "vtt"}))
    results = list(batch.run(folder / "items.jsonl", out, config=SHORT, options=how))
    assert all(r.is_resumed for r in results)
    assert (out / "ledger.jsonl").read_bytes() == before
    with pytest.raises(OutputExistsError, match="num_frames"):
        list(
            batch.run(
                folder / "items.jsonl",
                out,
                config=SHORT.model_copy(update={"num_frames": 5}),
                options=how,
            )
        )


def test_dry_run_opens_clips_estimates_the_cost_and_writes_nothing(finished, folder, tmp_path):
    out, _ = finished
    before = sorted(out.rglob("*"))
    how = batch.BatchOptions(keep=frozenset({"maps", "mp4", "vtt"}))
    result = estimate(folder / "items.jsonl", out, config=SHORT, options=how)
    assert (result.num_items, result.num_done, result.num_failed, result.num_to_run) == (6, 3, 3, 0)
    assert sorted(out.rglob("*")) == before
    with pytest.raises(OutputExistsError, match="keep"):
        estimate(folder / "items.jsonl", out, config=SHORT)
    new = tmp_path / "new"
    result = estimate(folder / "items.jsonl", new, question=QUESTION)
    assert (result.num_to_run, result.seconds) == (6, None)
    assert set(result.problems) == {"bad", "none"}
    assert result.clip_seconds > 1
    assert not new.exists()


def test_a_clip_is_decoded_once_for_all_its_questions(worker, folder, monkeypatch):
    opened = []
    real = batch.runner.READERS.load("pyav")
    monkeypatch.setattr(
        "tam_video.video.av_reader.PyAvReader.read",
        lambda self, indices, read=real.read: opened.append(1) or read(self, indices),
    )
    job = a_job(folder / "clip0.mp4", QUESTION, "What moves?", "What stays still?")
    clip = worker.read(job)
    answers = [worker.answer(job, question, clip).answer for question in job.questions]
    assert len(opened) == 1
    assert len(set(answers)) > 1


def test_a_failed_allocation_is_tried_once_more(worker, folder):
    job = a_job(folder / "clip0.mp4", QUESTION)
    clip = worker.read(job)
    expected = worker.answer(job, job.questions[0], clip).answer
    worker._model = OnceOutOfMemory(worker._model)
    assert worker.answer(job, job.questions[0], clip).answer == expected
    assert worker._model.num_failures == 1

    class Never(OnceOutOfMemory):
        def generate(self, *args, **options):
            raise ModelError("tiny ran out of memory") from MemoryError()

    worker._model = Never(worker._model)
    with pytest.raises(ModelError, match="out of memory"):
        worker.answer(job, job.questions[0], clip)


def test_what_is_not_kept_is_not_in_the_folder(worker, folder):
    job = a_job(folder / "clip0.mp4", QUESTION)
    clip = worker.read(job)
    outcome = worker.write(job, job.questions[0], clip, worker.answer(job, job.questions[0], clip))
    worker.forget(clip)
    names = {path.name for path in (worker._storage.folder / "runs" / outcome.run).iterdir()}
    assert "maps.npz" in names
    assert not any(name.startswith(("annotated", "captions")) for name in names)
    assert KEEP.keys() == {"maps", "mp4", "vtt", "html"}
    assert not list(worker._folder.iterdir())


def test_a_report_is_kept_without_the_maps_that_it_was_made_from(worker, folder):
    worker._work = replace(worker._work, keep=frozenset({"html"}))
    job = a_job(folder / "clip0.mp4", QUESTION)
    clip = worker.read(job)
    outcome = worker.write(job, job.questions[0], clip, worker.answer(job, job.questions[0], clip))
    run = worker._storage.folder / "runs" / outcome.run
    assert verify_run(run)
    assert {"report.html", "thumb.jpg"} <= {path.name for path in run.iterdir()}
    assert not (run / "maps.npz").exists()
    assert outcome.maps is None


def test_limits_refuse_files_before_anything_is_decoded(folder, tmp_path):
    limits = {
        "pixels": ReadLimits(max_pixels=100),
        "frames": ReadLimits(max_frames=3),
        "seconds": ReadLimits(max_seconds=0.1),
    }
    for words, limit in limits.items():
        result = estimate(
            folder / "clip0.mp4",
            tmp_path / "out",
            question=QUESTION,
            options=batch.BatchOptions(limits=limit),
        )
        (problem,) = result.problems.values()
        assert words in problem


def test_a_worker_without_memory_ends_the_batch_with_a_reason(folder, tmp_path):
    def little():
        resource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20))

    done = command(folder / "clip0.mp4", "-o", tmp_path / "o", "-q", QUESTION, preexec_fn=little)
    assert done.returncode in (1, 3)
    assert "error:" in done.stderr or "failed:" in done.stderr
    assert not any(line["status"] == "done" for line in ledger_lines(tmp_path / "o"))


def test_killed_workers_and_killed_batches_lose_nothing(folder, finished, tmp_path):
    out = tmp_path / "out"
    rows = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()][:2]
    rows = [{**row, "video": str(folder / row["video"])} for row in rows]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = [sys.executable, "-m", "tam_video", "batch", str(tmp_path / "items.jsonl")]
    options = ["-n", "4", "--max-new-tokens", "6", "--workers", "2", "-o", str(out)]
    import random

    counts = disturbed_run([*run, *options], rng=random.Random(5), kills=2, longest_wait=9.0)
    result = check_batch(out, count=3)
    assert not result["problems"], (counts, result)
    same = {line["id"]: line["maps"] for line in ledger_lines(finished[0]) if "maps" in line}
    assert {line["id"]: line["maps"] for line in ledger_lines(out)} == same
