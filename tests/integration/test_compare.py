"""Methods and questions compared on one clip, with the embedded model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tam_video
from tam_video.analysis import compare_runs
from tam_video.config import RunConfig
from tam_video.errors import UnknownNameError
from tam_video.video.reader import open_video

SAMPLE = Path(__file__).parents[2] / "samples" / "shapes.mp4"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """By method, each with frames and a question of its own."""
    model = tam_video.load_model("tiny")
    folder = tmp_path_factory.mktemp("runs")
    asked = {
        "tam": ("Describe the video.", 8),
        "attention": ("Describe the video.", 4),
        "logit": ("What shape is the cyan object?", 8),
    }
    result = {}
    for method, (question, count) in asked.items():
        config = RunConfig(method=method, num_frames=count, render=False)
        run = tam_video.explain_to_folder(
            SAMPLE, folder / method, question, model=model, config=config
        )
        result[method] = run.run_dir
    return result


def test_every_method_makes_a_run_with_maps_of_the_answer_and_the_same_reliance(runs):
    loaded = {name: tam_video.Explanation.load(place) for name, place in runs.items()}
    for name, run in loaded.items():
        assert run.settings["method"] == name
        content = [word.index for word in run.words if word.is_content]
        assert (run.word_maps[content].max(axis=(1, 2, 3)) > 0).all()
        assert run.visual_reliance is not None
        assert run.visual_reliance.shape == (len(run.words),)
        assert np.nanmin(run.visual_reliance) >= 0
        assert np.nanmax(run.visual_reliance) <= 1
    assert loaded["tam"].text_scores.any()
    assert not loaded["attention"].text_scores.any()


def test_runs_are_compared_and_drawn_side_by_side(runs, tmp_path):
    done = compare_runs(list(runs.values()), tmp_path / "out")
    record = json.loads(done.files["comparison"].read_text())
    assert [run["method"] for run in record["runs"]] == list(runs)
    assert len({run["name"] for run in record["runs"]}) == 3
    methods, questions, _ = done.comparison.pairs
    assert "cyan" in [word.text for word in methods.words]
    assert 0 < methods.answer.iou < 1
    assert [word.text for word in questions.words] == ["cyan", "ring"]
    assert done.comparison.grid.shape[0] == max(run["grid"][0] for run in record["runs"])
    with open_video(SAMPLE) as source, open_video(done.files["video"]) as drawn:
        assert drawn.info.num_frames == source.info.num_frames
    assert done.files["captions"].exists()


def test_an_unknown_method_is_refused_before_a_model_is_loaded():
    with pytest.raises(UnknownNameError, match="grad_cam"):
        tam_video.explain(
            SAMPLE, "What?", model="/no/such/model", config=RunConfig(method="grad_cam")
        )
