"""Reading frames as small as the processor makes them, beside reading them whole."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_models import save_tiny
from zoo import all_cases

import tam_video
from tam_video.config import RunConfig
from tam_video.models import load_model
from tam_video.models.boundary import quiet
from tam_video.sampling import read_frames

BIG = (480, 640)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A street of soft shapes that moves, larger than any small model sees."""
    from tam_video.testing import make_batch
    from tam_video.video.writer import write_video

    path = tmp_path_factory.mktemp("clip") / "street.mp4"
    frames = make_batch(12, *BIG).frames
    shown = ((number / 4, each) for number, each in enumerate(frames))
    write_video(path, shown, width=BIG[1], height=BIG[0])
    return path


@pytest.mark.parametrize("model_type", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_the_model_is_given_nearly_the_same_pixels(model_type, clip, tmp_path):
    with quiet():
        folder = save_tiny(model_type, tmp_path / "model")
    model = load_model(str(folder))
    result = {
        size: read_frames(clip, model=model, settings=RunConfig(num_frames=6, frame_size=size))
        for size in ("source", "processor")
    }
    (large,), (small,) = result["source"].batches, result["processor"].batches
    assert large.frames.shape[1:3] == BIG
    assert small.frames.nbytes < large.frames.nbytes / 2
    assert result["processor"].warnings == ()
    processor = model.checkpoint.processor.video_processor
    with quiet():
        pixels = [
            processor(videos=[each.frames], do_sample_frames=False, return_tensors="pt")
            for each in (large, small)
        ]
    assert (pixels[0]["video_grid_thw"] == pixels[1]["video_grid_thw"]).all()
    one, two = (each["pixel_values_videos"].numpy() for each in pixels)
    assert np.abs(one - two).mean() < 0.05  # deviations of the pixels; about 2 of 255 levels


def test_the_answer_is_explained_on_the_same_cells(clip):
    model = tam_video.load_model("tiny")
    result = [
        tam_video.explain(
            clip,
            "What moves?",
            model=model,
            config=RunConfig(num_frames=4, frame_size=size, max_new_tokens=4),
        )
        for size in ("source", "processor")
    ]
    assert result[0].layout == result[1].layout
    assert result[0].info == result[1].info
    assert result[1].settings["frame_size"] == "processor"
    assert result[1].maps.shape[1:] == result[0].maps.shape[1:]


def test_a_model_that_does_otherwise_is_given_whole_frames_and_says_so(clip, tmp_path):
    with quiet():
        folder = all_cases()["llava_next_video"].save(tmp_path / "model")
    model = load_model(str(folder))
    frames = read_frames(
        clip, model=model, settings=RunConfig(num_frames=4, frame_size="processor")
    )
    assert frames.batches[0].frames.shape[1:3] == BIG
    assert any("read in the source's size" in words for words in frames.warnings)


def test_frames_are_never_made_larger(tmp_path):
    from tam_video.testing import make_info

    with quiet():
        model = load_model(str(save_tiny("qwen2_vl", tmp_path / "model")))
    assert model.frame_size(make_info(2, 20, 30), 2) is None
