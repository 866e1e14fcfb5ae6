"""What the words of the embedded model's answers lose with the video, on one clip."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from tam_video.cli import cli
from tam_video.datasets.worlds import make_world
from tam_video.evaluation.clip import CAPTION_QUESTION, ClipJob, read_back
from tam_video.evaluation.ledger import open_clip_log
from tam_video.evaluation.reliance_clip import measure_reliance
from tam_video.evaluation.reliance_settings import RelianceSettings
from tam_video.models import load_model
from tam_video.models.probing import Probe
from tam_video.tam import join_words
from tam_video.types import Message

SETTINGS = RelianceSettings(worlds=("base",))
JOB = ClipJob("base", 3, 3)


@pytest.fixture(scope="module")
def model(one_thread):
    return load_model("tiny")


@pytest.fixture(scope="module")
def row(model):
    return measure_reliance(model, SETTINGS, JOB)


def words(row, asked):
    return {key: record for key, record in row.values.items() if key.startswith(f"{asked}/")}


def test_every_answer_is_taken_word_by_word(row):
    said = [key.split("/")[2] for key in words(row, "caption")]
    assert " ".join(said) == row.answer.replace(",", "").rstrip(".")
    assert row.values["presence"] == {"yes": 1.0}
    assert row.values["bait"] == {"yes": 0.0}
    for key, record in row.values.items():
        if "/" in key:
            assert all(0 <= value <= 1 for value in record.values() if value is not None), key


def test_names_of_what_is_not_there_are_false(row):
    false = {
        kind: [each["false"] for each in words(row, kind).values() if each["false"] is not None]
        for kind in ("caption", "presence", "bait", "planted")
    }
    assert set(false["caption"]) == {0.0}
    assert false["presence"] == [0.0, 0.0]
    assert false["bait"] == [1.0, 1.0]
    assert sum(false["planted"]) == 1
    assert len(false["planted"]) == len(false["caption"])


def test_what_blanking_takes_is_that_of_a_probe_of_its_own(model, row):
    batch = read_back(make_world("base", JOB.seed), model)
    ask = [Message("user", CAPTION_QUESTION)]
    probe = Probe(model, batch, model.generate(batch, ask, options=SETTINGS.generation_options()))
    shape = probe.generation.layouts[0].shape
    shown, blank = probe.score_masked(np.stack([np.ones(shape, bool), np.zeros(shape, bool)]))
    falls = np.maximum(shown - blank, 0)
    result, num_compared = words(row, "caption"), 0
    for word in join_words(probe.generation.tokens):
        tokens = [index - probe.generation.num_prompt_tokens for index in word.token_indices]
        record = result.get(f"caption/{word.index}/{word.text}")
        if record is not None and len(tokens) == 1:
            assert record["probability"] == pytest.approx(math.exp(shown[tokens[0]]), abs=1e-4)
            assert record["blanked"] == pytest.approx(1 - math.exp(-falls[tokens[0]]), abs=1e-3)
            num_compared += 1
    assert num_compared >= 2
    assert max(record["blanked"] for record in result.values()) > 0.5


def test_command_reports_what_was_measured_and_another_threshold_resumes_it(tmp_path, row):
    with open_clip_log(tmp_path / "out", SETTINGS.identity()) as log:
        log.append(replace(row, number=0))
    asked = ["evaluate", "reliance", "--worlds=base", "-n", "1", f"--output={tmp_path / 'out'}"]
    first = CliRunner().invoke(cli, [*asked, "--json"])
    assert first.exit_code == 0, first.output
    record = json.loads(first.stdout)
    assert set(record["flags"]) == {"caption", "presence", "said", "planted"}
    assert record["settings"]["threshold"] == 0.4
    again = CliRunner().invoke(cli, [*asked, "--threshold", "0.5"])
    assert again.exit_code == 0
    assert "1 clips were measured before" in again.stderr
    assert "reliance below 0.5" in again.stdout


@pytest.mark.parametrize(
    ("asked", "hint"), [(["--threshold", "2"], "threshold"), (["--worlds", "bse"], "base")]
)
def test_invalid_settings_are_reported_before_anything_is_written(tmp_path, asked, hint):
    done = CliRunner().invoke(cli, ["evaluate", "reliance", *asked, "-o", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert hint in done.stderr
    assert not (tmp_path / "out").exists()
