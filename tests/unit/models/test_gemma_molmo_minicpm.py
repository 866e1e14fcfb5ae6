"""Grids that don't add up in Gemma 4, Molmo 2, MiniCPM-V, without any network."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tam_video.errors import ConfigError, TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, LogitTransform
from tam_video.models.gemma import GEMMA4
from tam_video.models.minicpm_v import MINICPMV4_6
from tam_video.models.molmo import MOLMO2, pooled_view
from tam_video.models.qwen_vl import MUSE_GLIMMER
from tam_video.testing import make_batch, make_image
from tam_video.types import FrameBatch, View

VIDEO, START, SLICE, TEXT = 90, 91, 92, 1
CLIP = make_batch(2, 8, 8)


def checkpoint(**processor: Any) -> Checkpoint:
    config = SimpleNamespace(video_token_id=VIDEO, image_token_id=80, image_patch_id=VIDEO)
    return Checkpoint("x", None, SimpleNamespace(config=config), SimpleNamespace(**processor))


def prompt(
    ids: list[int], inputs: tuple[FrameBatch, ...] = (CLIP,), **fields: Any
) -> EncodedPrompt:
    tensors = {name: torch.tensor(value) for name, value in fields.items()}
    return EncodedPrompt(np.array(ids), tensors, inputs)


def gemma(ids: list[int], patches: list[list[int]], **fields: Any) -> Any:
    pooled = SimpleNamespace(pooling_kernel_size=2)
    fields = {"video_position_ids": [patches] * 2, "num_frames_per_video": [2], **fields}
    model = checkpoint(video_processor=pooled, image_processor=pooled)
    return GEMMA4.place(prompt(ids, **fields), model)


PATCHES = [[x, y] for y in range(2) for x in range(4)] + [[-1, -1]] * 3
FRAMES = [TEXT, VIDEO, VIDEO, TEXT, VIDEO, VIDEO]


def test_gemma_counts_patches_that_are_no_padding() -> None:
    (placed,) = gemma(FRAMES, PATCHES)
    assert placed.layout.shape == (2, 1, 2)
    assert placed.positions.tolist() == [1, 2, 4, 5]


@pytest.mark.parametrize(
    ("ids", "patches", "fields"),
    [
        (FRAMES[:-1], PATCHES, {}),
        ([TEXT, *[VIDEO] * 4], PATCHES, {}),
        (FRAMES, PATCHES[1:], {}),
        (FRAMES, [[x, y] for y in range(2) for x in range(3)], {}),
        (FRAMES, PATCHES, {"num_frames_per_video": [1]}),
        ([*FRAMES, 80], PATCHES, {}),
    ],
)
def test_gemma_refuses_what_does_not_add_up(
    ids: list[int], patches: list[list[int]], fields: dict[str, Any]
) -> None:
    with pytest.raises(TokenAlignmentError):
        gemma(ids, patches, **fields)


def square(patches: int, pooling: int) -> SimpleNamespace:
    side = patches * 14
    return SimpleNamespace(
        size={"height": side, "width": side}, patch_size=14, pooling_size=[pooling, pooling]
    )


@pytest.mark.parametrize(
    ("patches", "pooling", "cells", "low", "high"),
    [(27, 3, 9, 0, 27), (27, 2, 14, 0, 28), (13, 3, 5, -1, 14), (16, 3, 6, -1, 17)],
)
def test_molmo_pads_the_pooled_grid_on_both_sides(
    patches: int, pooling: int, cells: int, low: int, high: int
) -> None:
    low_share, high_share = low / patches, high / patches
    result = pooled_view(square(patches, pooling), rows=cells, columns=cells)
    assert result == View(low_share, low_share, high_share, high_share)


@pytest.mark.parametrize("cells", [8, 10])
def test_molmo_refuses_a_grid_of_another_square(cells: int) -> None:
    with pytest.raises(TokenAlignmentError, match="do not match 27 patches"):
        pooled_view(square(27, 3), rows=cells, columns=9)


def test_molmo_takes_a_video_or_images() -> None:
    with pytest.raises(ConfigError, match="not both"):
        MOLMO2.place(prompt([TEXT], (CLIP, make_image(8, 8))), checkpoint())


def minicpm(ids: list[int], sizes: list[list[int]]) -> Any:
    mode = SimpleNamespace(downsample_mode="16x")
    model = checkpoint(
        video_processor=mode,
        image_processor=mode,
        tokenizer=SimpleNamespace(image_start_token_id=START),
    )
    return MINICPMV4_6.place(prompt(ids, target_sizes_videos=sizes), model)


SLICED = [START, VIDEO, VIDEO, SLICE, VIDEO, START, VIDEO, VIDEO, SLICE, VIDEO]


def test_minicpm_leaves_slices_out() -> None:
    (placed,) = minicpm(SLICED, [[4, 8], [4, 4]] * 2)
    assert placed.layout.shape == (2, 1, 2)
    assert placed.positions.tolist() == [1, 2, 6, 7]


@pytest.mark.parametrize(
    ("ids", "sizes"),
    [
        (SLICED, [[4, 8], [4, 8]] * 2),
        (SLICED, [[4, 4], [4, 8]] * 2),
        ([START, VIDEO, VIDEO], [[4, 8]]),
        ([START, VIDEO, VIDEO, START, VIDEO], [[4, 8], [4, 4]]),
        ([START, VIDEO, SLICE, VIDEO], [[4, 4], [4, 4]]),
    ],
)
def test_minicpm_refuses_what_does_not_add_up(ids: list[int], sizes: list[list[int]]) -> None:
    with pytest.raises(TokenAlignmentError):
        minicpm(ids, sizes)


def test_logits_follow_the_config() -> None:
    text = SimpleNamespace(output_multiplier=0.5, final_logit_softcapping=20.0)
    config = SimpleNamespace(text_config=text, get_text_config=lambda: text)
    assert MUSE_GLIMMER.logit_transform(config) == LogitTransform(0.5, 20.0)
    assert GEMMA4.logit_transform(config) == LogitTransform(softcap=20.0)
    text.final_logit_softcapping = None
    assert GEMMA4.logit_transform(config) == LogitTransform()
