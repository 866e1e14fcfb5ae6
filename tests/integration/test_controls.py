"""`tam-video evaluate controls` with the embedded model, on very few clips."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner

from tam_video.cli import cli
from tam_video.evaluation.clip import ClipJob, measure_clip
from tam_video.evaluation.controls_clip import measure_controls
from tam_video.evaluation.controls_settings import ControlSettings
from tam_video.evaluation.settings import ShapesSettings
from tam_video.methods import METHODS
from tam_video.models import load_model

SETTINGS = ControlSettings(
    methods=("tam",),
    metrics=("auc", "temporal_auc", "coherence", "tiou"),
    parts=("controls", "cascade", "lds", "flips"),
    masks=3,
    steps=4,
)
JOB = ClipJob("base", 3, 3)
"""Three objects, two of which move."""


@pytest.fixture(scope="module")
def model(one_thread):
    return load_model("tiny")


@pytest.fixture(scope="module")
def row(model):
    before = weights_of(model)
    result = measure_controls(model, SETTINGS, JOB)
    assert_same_weights(model, before)
    return result


def weights_of(model):
    return [weight.detach().clone() for weight in model.checkpoint.model.parameters()]


def assert_same_weights(model, before):
    for ours, theirs in zip(model.checkpoint.model.parameters(), before, strict=True):
        assert torch.equal(ours, theirs)


def test_true_run_is_what_the_evaluation_of_methods_measures(model, row):
    settings = ShapesSettings(methods=SETTINGS.methods, metrics=("auc", "temporal_auc"))
    record = measure_clip(model, settings, JOB)
    assert record.answer == row.answer
    for method, values in record.values.items():
        for metric, value in values.items():
            assert row.values[method][f"true:{metric}"] == pytest.approx(value, abs=1e-4)


def test_controls_that_do_not_know_the_clip_fall_and_the_true_run_stands(row):
    for method in SETTINGS.methods:
        record = row.values[method]
        for source in ("swapped", "blank", "random weights"):
            assert record["true:auc"] > record[f"{source}:auc"] + 0.2, source
        assert record["true:auc"] > record["chance of true:auc"] + 0.2
        assert record["true:temporal_auc"] > record["shuffled:temporal_auc"] + 0.1
        assert record["smoothed:temporal_auc"] == 0.5
        assert record["smoothed:coherence"] == pytest.approx(1.0)
        assert record["random weights:spearman"] < record["top 25 %:spearman"] < 1


def test_every_source_of_every_method_has_its_values(row):
    for method in SETTINGS.explained:
        sources = SETTINGS.sources if method in SETTINGS.methods else ("true",)
        record = row.values[method]
        for source in sources:
            assert {f"{source}:{metric}" for metric in SETTINGS.metrics} <= set(record)
            assert f"chance of {source}:coherence" not in record
        assert -1 <= record["true:lds"] <= 1
        assert 0 < record["seen:area"] <= 1
    assert set(row.costs) == {"sources", "lds", "flips"}


def test_method_that_fails_amid_noise_leaves_the_weights_as_they_were(model, monkeypatch):
    before = weights_of(model)
    logit, calls = METHODS.load("logit"), []

    def explain(self, evidence):
        calls.append(self)
        if len(calls) > 1:
            raise KeyError("stop")
        return original(self, evidence)

    original = logit.explain
    monkeypatch.setattr(logit, "explain", explain)
    settings = ControlSettings(methods=("logit",), metrics=("auc",), parts=("cascade",))
    with pytest.raises(KeyError, match="stop"):
        measure_controls(model, settings, JOB)
    assert_same_weights(model, before)


def test_command_resumes_a_folder_and_reports_the_same_twice(tmp_path):
    asked = ["--methods=logit", "--metrics=auc", "--parts=controls", f"--output={tmp_path / 'out'}"]
    first = CliRunner().invoke(cli, ["evaluate", "controls", *asked, "-n", "1", "--json"])
    assert first.exit_code == 0, first.output
    document = json.loads(first.stdout)
    record = document["methods"]["logit"]
    assert list(record) == ["true", "smoothed", "swapped", "shuffled", "blank", "random weights"]
    assert set(record["true"]["auc"]) == {"value", "chance", "above_chance", "below_true"}
    again = CliRunner().invoke(cli, ["evaluate", "controls", *asked, "-n", "1"])
    assert again.exit_code == 0
    assert "1 clips were measured before" in again.stderr
    assert "base: AUC" in again.stdout
    assert (
        json.loads((tmp_path / "out" / "results.json").read_text())["methods"]
        == (document["methods"])
    )
    other = CliRunner().invoke(cli, ["evaluate", "controls", *asked, "-n", "1", "--seed", "4"])
    assert other.exit_code == 1
    assert "seed" in other.stderr


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        (["--parts", "lsd"], "lds"),
        (["--metrics", "insertion"], "known: auc"),
        (["--methods", "tan"], "tam"),
        (["--masks", "2"], "masks"),
        (["--keep-share", "1"], "keep_share"),
    ],
)
def test_invalid_settings_are_reported_before_anything_is_written(tmp_path, asked, hint):
    done = CliRunner().invoke(cli, ["evaluate", "controls", *asked, "-o", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert hint in done.stderr
    assert not (tmp_path / "out").exists()
