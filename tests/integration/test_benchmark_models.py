"""The stored benchmark models: they are built once, and are what they are made to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.checkpoints import checkpoint
from tam_video.calibration.candidates import RAW, Candidate
from tam_video.calibration.evidence import score_clip
from tam_video.calibration.scoring import candidate_values
from tam_video.datasets.worlds import make_clip
from tam_video.evaluation.clip import read_back
from tam_video.models import load_model
from training import build


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


def test_early_layers_of_late_are_unreadable_and_later_ones_readable() -> None:
    model = load_model(checkpoint("late"))
    assert model.num_layers == 12
    layers = [Candidate((number,), RAW) for number in range(model.num_layers)]
    values = []
    for seed in range(3):
        clip = make_clip(seed, split="test")
        evidence = score_clip(model, clip, read_back(clip, model), world="shapes", number=seed)
        values.append(candidate_values(evidence, layers, ("auc",))[:, 0])
    means = np.mean(values, axis=0)
    assert (means[:4] < 0.65).all()
    assert (means[4:] > 0.9).all()


def test_a_model_is_built_once(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = build.model_folder("noise")
    assert first.is_relative_to(cache)
    assert "building noise" in capsys.readouterr().err
    assert build.model_folder("noise") == first
    assert capsys.readouterr().err == ""
    assert [each.name for each in first.parent.glob("noise*")] == [first.name]


def test_an_unknown_model_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError, match="moon"):
        build.model_folder("moon")
    with pytest.raises(SystemExit):
        build.main(["moon"])
    assert "choose from late, deepstack, sinks, noise, smol" in capsys.readouterr().err
