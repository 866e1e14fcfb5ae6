"""Read, render and resume folders of version 0.1.0; see tests/golden/v1/README.md."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import tam_video
from tam_video.cli import cli

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden/v1"
ANSWER = "A cyan ring moves right and a purple triangle moves down."


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A working directory with copies of the stored folders and of the clips they explain."""
    shutil.copytree(GOLDEN, tmp_path, dirs_exist_ok=True)
    (tmp_path / "samples").mkdir()
    for name in ("shapes.mp4", "three_shapes.mp4"):
        shutil.copy(ROOT / "samples" / name, tmp_path / "samples" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments, exit_code=0):
    result = CliRunner().invoke(cli, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def json_lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_read_run(work):
    explanation = tam_video.Explanation.load("run")

    assert explanation.answer == ANSWER
    assert [word.text for word in explanation.words][:3] == ["A", "cyan", "ring"]
    assert len(explanation.inputs) == 1
    stored = np.load("run/maps.npz")
    np.testing.assert_array_equal(explanation.inputs[0].word_maps, stored["word_maps"])


def test_read_run_with_two_inputs(work):
    explanation = tam_video.Explanation.load("two_inputs")

    assert [each.info.path.name for each in explanation.inputs] == [
        "shapes.mp4",
        "three_shapes.mp4",
    ]
    assert all(len(each.maps) == len(explanation.tokens) for each in explanation.inputs)


def test_render_report_and_export_run(work):
    before = Path("run/annotated.mp4").read_bytes()

    invoke("render", "run", "--video", "samples/shapes.mp4", "--colormap", "inferno")
    assert Path("run/annotated.mp4").read_bytes() != before

    Path("run/report.html").unlink()
    invoke("report", "run", "--video", "samples/shapes.mp4")
    assert ANSWER in Path("run/report.html").read_text(encoding="utf-8")

    invoke("export", "run", "-f", "coco", "-o", "coco", "--video", "samples/shapes.mp4")
    assert any(Path("coco").rglob("*.json"))


def test_render_run_with_two_inputs(work):
    videos = ("--video", "samples/shapes.mp4", "--video", "samples/three_shapes.mp4")

    invoke("render", "two_inputs", *videos, "--crf", "30")

    assert Path("two_inputs/annotated.mp4").stat().st_size > 0
    assert Path("two_inputs/annotated_1.mp4").stat().st_size > 0


def test_resume_batch(work):
    stored = {line["id"]: line for line in json_lines(work / "batch/ledger.jsonl")}
    removed = stored["two"]
    shutil.rmtree(work / "batch/runs" / removed["run"])
    ledger = work / "batch/ledger.jsonl"
    lines = [line for line in ledger.read_bytes().splitlines(True) if b'"id": "two"' not in line]
    ledger.write_bytes(b"".join(lines))

    invoke("batch", "batch.jsonl", "-n", 4, "--keep", "maps,html", "-o", "batch", exit_code=3)

    added = json_lines(ledger)[len(lines) :]
    assert [(line["id"], line["key"], line["answer"]) for line in added if "answer" in line] == [
        ("two", removed["key"], removed["answer"])
    ]
    assert (work / "batch/runs" / removed["run"] / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        ("evaluation", ("shapes", "--clips", 2, "--methods", "tam,random")),
        ("controls", ("controls", "--clips", 2, "--methods", "tam")),
        ("reliance", ("reliance", "--clips", 1, "--worlds", "base")),
    ],
)
def test_resume_evaluation(work, folder, command):
    path = work / folder / "clips.jsonl"
    stored = path.read_bytes().splitlines(True)
    path.write_bytes(b"".join(stored[:-1]))

    invoke("evaluate", *command, "-o", folder)

    resumed = path.read_bytes().splitlines(True)
    assert resumed[:-1] == stored[:-1]
    assert len(resumed) == len(stored)
    assert (work / folder / "results.json").is_file()


def test_reread_evaluation_without_running_the_model(work):
    stored = json.loads(Path("evaluation/results.json").read_text(encoding="utf-8"))
    lines = Path("evaluation/clips.jsonl").read_bytes()

    again = invoke(
        "evaluate", "shapes", "--clips", 2, "--methods", "tam,random", "-o", "evaluation"
    )

    assert Path("evaluation/clips.jsonl").read_bytes() == lines
    for method, metrics in stored["methods"].items():
        for metric, values in metrics.items():
            assert again["methods"][method][metric]["mean"] == values["mean"]
            assert again["methods"][method][metric]["n"] == values["n"]


def test_resume_long_video(work):
    windows = sorted((work / "long/windows").iterdir())
    stored = tam_video.Explanation.load(windows[1]).answer
    kept = (windows[0] / "maps.npz").stat().st_mtime_ns
    shutil.rmtree(windows[1])
    (work / "long/timeline.json").unlink()

    invoke(
        "explain",
        "samples/three_shapes.mp4",
        *("-q", "Describe the video.", "-n", 4, "--window", "2s", "--no-gate", "-o", "long"),
    )

    assert tam_video.Explanation.load(windows[1]).answer == stored
    assert (windows[0] / "maps.npz").stat().st_mtime_ns == kept
    assert (work / "long/timeline.json").is_file()
