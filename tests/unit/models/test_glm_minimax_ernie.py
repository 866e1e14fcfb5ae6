"""Several videos and images in one prompt, and grids that don't add up: GLM, MiniMax, ERNIE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from zoo import all_cases

from tam_video.errors import ConfigError, TokenAlignmentError
from tam_video.models import load_model
from tam_video.models.base import EncodedPrompt
from tam_video.models.boundary import quiet
from tam_video.models.minimax import join_segments
from tam_video.models.prompt import encode_prompt
from tam_video.testing import SHORT, assert_cells_are_localised, make_batch, make_image
from tam_video.types import FrameBatch, Message

PICTURES = (
    make_image(96, 160),
    make_batch(7, 96, 160),
    make_image(80, 56, seed=4),
    make_batch(2, 112, 80, seed=5),
)
MIXED = ("minimax_m3_vl", "ernie4_5_vl_moe")


@pytest.fixture(scope="module", params=["glm4v", *MIXED])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with quiet():
        folder = all_cases()[request.param].save(tmp_path_factory.mktemp(request.param))
    return load_model(str(folder))


def _turns(num_inputs: int) -> tuple[Message, ...]:
    """Half of the inputs in the first turn, half in the last."""
    half = num_inputs // 2
    return (
        Message("user", "where is the picture?", tuple(range(half))),
        Message("assistant", "there"),
        Message("user", "and in these?", tuple(range(half, num_inputs))),
    )


def _encode(model: Any, inputs: Sequence[FrameBatch]) -> EncodedPrompt:
    with quiet():
        return encode_prompt(
            inputs, _turns(len(inputs)), checkpoint=model.checkpoint, family=model.adapter
        )[1]


def _sets(model: Any) -> list[list[FrameBatch]]:
    """Which inputs a model is shown together: GLM takes videos or images."""
    if model.family in MIXED:
        return [list(PICTURES)]
    return [[PICTURES[1], PICTURES[3]], [PICTURES[0], PICTURES[2]]]


def test_inputs_keep_the_order_of_the_prompt(model: Any) -> None:
    for inputs in _sets(model):
        placed = model.adapter.place(_encode(model, inputs), model.checkpoint)
        assert [each.layout.t for each in placed] == [-(-len(each.frames) // 2) for each in inputs]
        positions = np.concatenate([each.positions for each in placed])
        assert (np.diff(positions) > 0).all()


def test_every_input_is_localised_beside_the_others(model: Any) -> None:
    for inputs in _sets(model):
        for number in range(len(inputs)):
            turns = _turns(len(inputs))
            assert_cells_are_localised(model, inputs, number=number, turns=turns, num_probes=4)


def test_source_frames_are_left_as_they_were(model: Any) -> None:
    for inputs in _sets(model):
        before = [batch.frames.copy() for batch in inputs]
        _encode(model, inputs)
        for batch, frames in zip(inputs, before, strict=True):
            np.testing.assert_array_equal(batch.frames, frames)


def test_glm_says_that_it_takes_videos_or_images(model: Any) -> None:
    if model.family in MIXED:
        return
    with pytest.raises(ConfigError, match="either videos or images"):
        model.generate(list(PICTURES), _turns(4), options=SHORT)


def test_transformers_still_fails_on_glm_with_videos_and_images(model: Any) -> None:
    """When this fails, the release works: let `place` do both."""
    if model.family in MIXED:
        return
    with quiet():
        tensors, _prompt = encode_prompt(
            PICTURES, _turns(4), checkpoint=model.checkpoint, family=model.adapter
        )
        with pytest.raises(ValueError, match="features and image tokens do not match"):
            model.checkpoint.model(**tensors, use_cache=False)


def _one_grid_less(prompt: EncodedPrompt) -> EncodedPrompt:
    grids = prompt.fields["video_grid_thw"]
    return replace(prompt, fields={**prompt.fields, "video_grid_thw": grids[:-1]})


def _another_grid(prompt: EncodedPrompt) -> EncodedPrompt:
    grids = prompt.fields["video_grid_thw"].clone()
    grids[:, 1] += 2
    return replace(prompt, fields={**prompt.fields, "video_grid_thw": grids})


def _another_time(prompt: EncodedPrompt) -> EncodedPrompt:
    grids = prompt.fields["video_grid_thw"] + torch.tensor([1, 0, 0])
    return replace(prompt, fields={**prompt.fields, "video_grid_thw": grids})


def _a_gap(prompt: EncodedPrompt) -> EncodedPrompt:
    """One visual token moved to the end of the prompt: the count still fits."""
    ids = prompt.input_ids.copy()
    values, counts = np.unique(ids, return_counts=True)
    place = int(np.flatnonzero(ids == values[counts.argmax()])[1])
    return replace(prompt, input_ids=np.append(np.delete(ids, place), ids[place]))


@pytest.mark.parametrize("damage", [_one_grid_less, _another_grid, _another_time, _a_gap])
def test_what_does_not_add_up_is_refused(
    model: Any, damage: Callable[[EncodedPrompt], EncodedPrompt]
) -> None:
    prompt = _encode(model, [PICTURES[1], PICTURES[3]])
    with pytest.raises(TokenAlignmentError):
        model.adapter.place(damage(prompt), model.checkpoint)


def test_segments_add_up_to_videos() -> None:
    segments = [[4, 6, 8], [4, 6, 8], [1, 6, 8], [2, 4, 4]]
    assert list(join_segments(segments, [9, 2], kind="video")) == [(9, 6, 8), (2, 4, 4)]


@pytest.mark.parametrize(
    ("segments", "num_slots"),
    [
        ([[4, 6, 8]], [3]),
        ([[2, 6, 8]], [3]),
        ([[2, 6, 8], [1, 6, 6]], [3]),
        ([[3, 6, 8], [1, 6, 8]], [3]),
    ],
    ids=["too many slots", "too few", "another size", "one segment too many"],
)
def test_segments_that_do_not_are_refused(segments: list[list[int]], num_slots: list[int]) -> None:
    with pytest.raises(TokenAlignmentError):
        list(join_segments(segments, num_slots, kind="video"))
