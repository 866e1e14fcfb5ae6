"""Calibration of the embedded model, from clips to a verdict."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tam_video.calibration.candidates import built_in
from tam_video.calibration.evidence import ClipEvidence, ask_clip
from tam_video.calibration.run import calibrate_model
from tam_video.calibration.verdict import judge
from tam_video.cli import cli
from tam_video.datasets.worlds import make_world
from tam_video.evaluation.clip import CAPTION_QUESTION, read_back
from tam_video.models import load_model
from tam_video.models.base import GenerationOptions
from tam_video.models.inference import TransformersModel
from tam_video.types import Message


@pytest.fixture(scope="module")
def tiny() -> TransformersModel:
    return load_model("tiny")


@pytest.fixture(scope="module")
def evidence(tiny: TransformersModel) -> list[ClipEvidence]:
    asked = [ask_clip(tiny, "shapes", seed=5, number=number) for number in range(10)]
    return [each.evidence for each in asked if each.evidence is not None]


def test_all_layers_in_one_pass_score_like_layers_on_request(tiny: TransformersModel) -> None:
    batch = read_back(make_world("base", 3, split="dev"), tiny)
    turns = [Message("user", CAPTION_QUESTION)]
    answer = "A red star moves left."
    options = GenerationOptions(layer=0, mixed_layers=(1, 2, 3))
    expected = tiny.generate(batch, turns, options=options, answer=answer)
    scored = tiny.score_layers(batch, turns, answer)
    rows = np.concatenate([expected.visual_positions, expected.text_positions])
    for one, other in zip(expected.layer_scores, scored.layer_scores[1:], strict=True):
        np.testing.assert_allclose(other, one[rows], atol=1e-4)
    np.testing.assert_allclose(scored.layer_scores[0], expected.scores[rows], atol=1e-4)
    assert [t.text for t in scored.tokens] == [t.text for t in expected.tokens]
    assert scored.tokens[-1].probability == pytest.approx(expected.tokens[-1].probability)


def test_maps_of_tiny_are_trusted_and_permuted_ones_are_not(evidence: list[ClipEvidence]) -> None:
    assert judge(evidence, built_in(4)).verdict == "trust"
    rng = np.random.default_rng(0)
    permuted = []
    for each in evidence:
        cells = len(each.layout.visual_positions)
        order = np.concatenate([rng.permutation(cells), np.arange(cells, len(each.scores[0]))])
        permuted.append(replace(each, scores=tuple(table[order] for table in each.scores)))
    assert judge(permuted, built_in(4)).verdict == "do-not-trust"


@pytest.mark.usefixtures("three_worlds")
def test_tiny_understands_shapes_and_not_pictograms(tiny: TransformersModel) -> None:
    profile = calibrate_model(tiny, num_clips=10).profile
    assert profile.used_worlds[0] == "shapes"
    assert not {"pictograms", "signs"} & set(profile.used_worlds)
    assert profile.worlds["pictograms"] < 0.8
    assert profile.verdict == "trust"
    assert set(profile.curves) == {"auc", "pointing", "temporal_auc"}


def test_the_same_seed_gives_the_same_profile(tiny: TransformersModel) -> None:
    one, other = (calibrate_model(tiny, worlds=("shapes",), num_clips=10) for _ in range(2))
    assert one.profile.to_json() == other.profile.to_json()


@pytest.mark.usefixtures("three_worlds")
def test_a_model_that_understands_nothing_is_not_measurable(
    tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tam_video.calibration.run.LEAST_UNDERSTOOD", 1.1)
    profile = calibrate_model(tiny, num_clips=10).profile
    assert profile.verdict == "not-measurable"
    assert profile.is_built_in
    assert "does not understand" in profile.sentence


def test_the_command_stores_the_profile(tmp_path: Path, data_folder: Path) -> None:
    options = ["calibrate", "--world", "shapes", "--clips", "10", "--json", "--quiet"]
    options += ["-o", str(tmp_path / "out")]
    result = CliRunner().invoke(cli, options)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["verdict"] == "trust"
    assert Path(document["path"]).parent == data_folder / "profiles"
    page = (tmp_path / "out" / "calibration.html").read_text()
    assert "TRUST: maps of this model find their objects" in page
    assert page.count("data:image/png") == 4 * (2 if document["is_built_in"] else 3)
    assert "data:image/svg+xml" in page
    assert (tmp_path / "out" / "profile.json").read_bytes() == Path(document["path"]).read_bytes()


def test_an_unknown_world_is_refused() -> None:
    result = CliRunner().invoke(cli, ["calibrate", "--world", "moon", "--clips", "10"])
    assert result.exit_code == 2
    assert "moon" in result.output
