"""`tam-video evaluate shapes` with the embedded model, on a few clips."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import pytest
from click.testing import CliRunner

from tam_video.cli import cli
from tam_video.errors import ModelLoadError, OutputExistsError
from tam_video.evaluation.run import evaluate
from tam_video.evaluation.settings import ShapesSettings

ASKED = {
    "methods": ("tam", "logit", "random", "attention"),
    "metrics": ("viou", "f1_iou", "tiou", "auc", "insertion", "deletion"),
    "worlds": ("base", "cut"),
    "clips": 1,
    "seed": 3,
    "steps": 3,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return evaluate(ShapesSettings.make(ASKED), tmp_path_factory.mktemp("run") / "out", workers=1)


def without_seconds(path):
    document = json.loads(path.read_text())
    for cost in document["costs"].values():
        del cost["seconds"]
    return document


def arguments(folder, **changed):
    options = {**ASKED, **changed, "output": folder}
    record = {k: ",".join(v) if isinstance(v, tuple) else str(v) for k, v in options.items()}
    return ["evaluate", "shapes", *(f"--{name}={value}" for name, value in record.items())]


def lines(path):
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


def wait_for_a_clip(process, ledger):
    until = time.monotonic() + 300
    while not lines(ledger):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)


def test_files_have_the_same_figures(finished):
    document = json.loads((finished.folder / "results.json").read_text())
    assert set(document["methods"]) == set(ASKED["methods"])
    for figures in document["methods"].values():
        assert set(figures) == set(ASKED["metrics"])
        assert figures["auc"]["n"] == 2
    assert set(document["worlds"]) == set(ASKED["worlds"])
    assert set(document["paired"]["auc"]) == {"tam - logit", "tam - random", "tam - attention"}
    assert document["costs"]["tam"]["passes"] == 0
    assert document["costs"]["attention"]["passes"] == 1
    with (finished.folder / "results.csv").open() as file:
        result = {(r["world"], r["method"], r["metric"]): r for r in csv.DictReader(file)}
    record = result["all", "tam", "auc"]
    assert float(record["mean"]) == document["methods"]["tam"]["auc"]["mean"]
    names = {path.name for path in finished.files["plots"]}
    assert names == {f"{name}.svg" for name in (*ASKED["metrics"], "insertion_curve")} | {
        "deletion_curve.svg"
    }
    for path in finished.files["plots"]:
        ET.parse(path)


def test_maps_of_the_method_are_better_than_chance(finished):
    figures = finished.report.overall.methods
    assert figures["tam"]["auc"].mean > figures["random"]["auc"].mean + 0.2
    assert figures["tam"]["insertion"].mean > figures["random"]["insertion"].mean
    assert figures["tam"]["deletion"].mean < figures["random"]["deletion"].mean


def test_number_of_workers_changes_nothing(finished, tmp_path):
    other = evaluate(ShapesSettings.make(ASKED), tmp_path / "out", workers=2)
    ours, theirs = (without_seconds(each.folder / "results.json") for each in (finished, other))
    assert ours == theirs
    assert (other.folder / "results.csv").read_text() == (
        finished.folder / "results.csv"
    ).read_text()


def test_finished_folder_answers_without_a_model(finished):
    before = lines(finished.folder / "clips.jsonl")
    done = CliRunner().invoke(cli, [*arguments(finished.folder), "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["methods"] == finished.report.as_dict()["methods"]
    assert set(document) >= {"methods", "paired", "worlds", "costs", "settings", "files"}
    assert lines(finished.folder / "clips.jsonl") == before
    shown = CliRunner().invoke(cli, arguments(finished.folder))
    assert shown.exit_code == 0
    assert "all worlds" in shown.stdout
    assert "Insertion AUC ↑" in shown.stdout


def test_other_settings_are_refused(finished):
    refused = CliRunner().invoke(cli, [*arguments(finished.folder, seed=4), "--json"])
    assert refused.exit_code == 1
    error = json.loads(refused.stdout)["error"]
    assert error["type"] == "OutputExistsError"
    assert "seed" in error["message"]
    assert "--force" in error["hint"]
    with pytest.raises(OutputExistsError, match="methods"):
        evaluate(ShapesSettings.make({**ASKED, "methods": ("tam",)}), finished.folder)


@pytest.mark.parametrize(
    ("changed", "hint"),
    [({"metrics": ("viuo",)}, "viou"), ({"methods": ("grad-kam",)}, "grad-cam")],
)
def test_unknown_names_are_reported_before_anything_is_written(tmp_path, changed, hint):
    done = CliRunner().invoke(cli, arguments(tmp_path / "out", **changed))
    assert done.exit_code == 2
    assert hint in done.stderr
    assert not (tmp_path / "out").exists()


def test_model_that_is_not_there_is_a_typed_error(tmp_path):
    with pytest.raises(ModelLoadError):
        evaluate(ShapesSettings(model=str(tmp_path / "none")), tmp_path / "out")


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_stopped_run_keeps_its_clips_and_is_resumed(finished, tmp_path, sign, code):
    ledger = tmp_path / "out" / "clips.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "tam_video", *arguments(tmp_path / "out")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        # a job in the background ignores it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for_a_clip(process, ledger)
    process.send_signal(sign)
    _, record = process.communicate(timeout=120)
    assert process.returncode == code, record
    assert "Traceback" not in record
    kept = lines(ledger)
    assert len(kept) == 1
    with ledger.open("ab") as file:
        file.write(kept[0][:40])
    done = evaluate(ShapesSettings.make(ASKED), tmp_path / "out")
    assert done.num_resumed == 1
    assert lines(ledger)[:1] == kept
    assert without_seconds(tmp_path / "out" / "results.json") == without_seconds(
        finished.folder / "results.json"
    )
