"""One conversation about two videos and an image, with a random Qwen3-VL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from tiny_models import save_tiny

from tam_video import Explanation, explain, explain_to_folder, load_model
from tam_video.config import RunConfig
from tam_video.errors import ConfigError, RunFolderError
from tam_video.models import GenerationOptions
from tam_video.models.boundary import quiet
from tam_video.runs import render_run
from tam_video.tam.activation import activate
from tam_video.testing import assert_cells_are_localised, make_batch, make_image
from tam_video.types import Message
from tam_video.video import open_video

TURNS = (
    Message("user", "what moves?", (0, 1)),
    Message("assistant", "the red square"),
    Message("user", "where is it?", (2,)),
)
SHORT = GenerationOptions(max_new_tokens=4)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with quiet():
        folder = save_tiny("qwen3_vl", tmp_path_factory.mktemp("qwen3_vl"))
    return load_model(str(folder))


@pytest.fixture(scope="module")
def inputs() -> list[Any]:
    """A wide clip, an image between the clips, a tall clip of another length."""
    return [make_batch(5, 96, 160), make_image(128, 96), make_batch(4, 160, 96, seed=5)]


@pytest.fixture(scope="module")
def paths(inputs: list[Any], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("inputs")
    result = [folder / "a.mp4", folder / "b.png", folder / "c.mp4"]
    for batch, path in zip(inputs, result, strict=True):
        if batch.info.is_image:
            Image.fromarray(batch.frames[0]).save(path)
            continue
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=4)
            stream.height, stream.width = batch.frames.shape[1:3]
            stream.pix_fmt = "yuv420p"
            for frame in batch.frames:
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
    return result


def test_each_input_has_a_layout_and_maps_of_its_own(model: Any, inputs: list[Any]) -> None:
    generation = model.generate(inputs, TURNS, options=SHORT)
    assert [layout.t for layout in generation.layouts] == [3, 1, 2]
    assert [layout.frame_slots[-1] for layout in generation.layouts] == [(4,), (0,), (2, 3)]
    wide, _, tall = generation.layouts
    assert wide.w > wide.h
    assert tall.h > tall.w
    assert (np.diff(generation.visual_positions) > 0).all()
    result = activate(generation, profile="published")
    assert [each.maps.shape[1:] for each in result] == [each.shape for each in generation.layouts]
    assert all(0 < each.maps.max() <= 1 for each in result)


@pytest.mark.parametrize("number", range(3))
def test_each_input_is_localised(model: Any, inputs: list[Any], number: int) -> None:
    assert_cells_are_localised(model, inputs, number=number, turns=TURNS, num_probes=12)


def test_a_run_folder_holds_all_inputs(model: Any, paths: list[Path], tmp_path: Path) -> None:
    config = RunConfig(sampler="all", max_new_tokens=4, speed_preset="ultrafast")
    run = explain_to_folder(
        paths, tmp_path / "run", conversation=TURNS, model=model, config=config, answer="red square"
    )
    assert set(run.files) == {
        "explanation",
        "maps",
        "manifest",
        *("video", "video_1", "video_2", "captions", "captions_1", "captions_2", "image_1"),
        *("report", "clip", "clip_2", "still_1", "thumb"),
    }
    assert run.videos == tuple(run.files[name] for name in ("video", "video_1", "video_2"))
    for path, video in zip(paths, run.videos, strict=True):
        with open_video(path) as before, open_video(video) as after:
            assert after.info.num_frames == before.info.num_frames
            assert after.info.height >= before.info.height
    read = Explanation.load(tmp_path / "run")
    assert [given.info.path for given in read.inputs] == paths
    assert [given.info.is_image for given in read.inputs] == [False, True, False]
    assert [turn.inputs for turn in read.conversation] == [(0, 1), (), (2,)]
    assert [given.layout.t for given in read.inputs] == [3, 1, 2]

    before = run.videos[2].read_bytes()
    again = render_run(tmp_path / "run")
    assert again.videos[2].read_bytes() != before  # drawn with another preset
    assert set(again.files) == set(run.files)
    render_run(tmp_path / "run", video=paths)
    with pytest.raises(ConfigError, match="1 videos are given, but there are 3 inputs"):
        render_run(tmp_path / "run", video=paths[0])
    with pytest.raises(RunFolderError, match="not the video that was explained"):
        render_run(tmp_path / "run", video=[paths[0], paths[1], paths[0]])


def test_options_for_clips_leave_images_alone(model: Any, paths: list[Path]) -> None:
    config = RunConfig(start_seconds=0.5, num_frames=2, layer=0.75, logits="head")
    result = explain(paths, "what moves?", model=model, config=config, answer="red")
    assert [given.indices.tolist() for given in result.inputs] == [[2, 4], [0], [2, 3]]
    assert result.conversation == (Message("user", "what moves?", (0, 1, 2)),)
    assert (result.settings["layer"], result.settings["logits"]) == (0.75, "head")


def test_frames_of_all_inputs_count(model: Any, paths: list[Path]) -> None:
    config = RunConfig(sampler="all", max_frames=9)
    with pytest.raises(ConfigError, match="10 frames were sampled"):
        explain(paths, "what?", model=model, config=config)


def test_inputs_that_the_turns_do_not_show_are_refused_before_the_model_loads() -> None:
    with pytest.raises(ConfigError, match="but there are 1"):
        explain(["none.mp4"], conversation=TURNS)
    with pytest.raises(ConfigError, match="no video or image"):
        explain([], "what?")
