"""Layouts from hand-written ids; the real processors are in the contract suite."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt
from tam_video.models.qwen_vl import QWEN2_VL, QWEN3_VL
from tam_video.types import FrameBatch, VideoInfo, View

VIDEO, IMAGE = 4, 5  # 0 is text


def checkpoint() -> Checkpoint:
    """Patches merged two by two, two frames a slot."""
    vision = SimpleNamespace(merge_size=2, temporal_patch_size=2)
    config = SimpleNamespace(video_token_id=VIDEO, image_token_id=IMAGE)
    processor = SimpleNamespace(video_processor=vision, image_processor=vision)
    return Checkpoint("x", None, SimpleNamespace(config=config), processor)


def shown(num_frames: int, *, is_image: bool = False) -> FrameBatch:
    info = VideoInfo(Path("x"), num_frames, 8, 8, Fraction(4), 1.0, is_image=is_image)
    frames = np.zeros((num_frames, 8, 8, 3), np.uint8)
    return FrameBatch(frames, np.arange(num_frames), np.arange(num_frames) / 4, info)


def prompt(
    ids: list[int],
    inputs: list[FrameBatch],
    *,
    videos: list[tuple[int, int, int]] | None = None,
    images: list[tuple[int, int, int]] | None = None,
) -> EncodedPrompt:
    fields = {"video_grid_thw": np.array(videos), "image_grid_thw": np.array(images)}
    return EncodedPrompt(np.array(ids), fields, tuple(inputs))


def test_a_video_is_one_run_row_by_row() -> None:
    encoded = prompt([0, 0, 4, 4, 4, 4, 0], [shown(3)], videos=[(2, 2, 4)])
    (placed,) = QWEN2_VL.place(encoded, checkpoint())
    assert placed.positions.tolist() == [2, 3, 4, 5]
    assert placed.layout.shape == (2, 1, 2)
    assert placed.layout.frame_slots == ((0, 1), (2,))
    assert placed.layout.view == View()


def test_times_stand_between_the_slots_of_a_video() -> None:
    encoded = prompt([0, 4, 4, 0, 0, 4, 4], [shown(4)], videos=[(2, 2, 4)])
    (placed,) = QWEN3_VL.place(encoded, checkpoint())
    assert placed.positions.tolist() == [1, 2, 5, 6]


def test_videos_and_images_come_in_the_order_of_the_inputs() -> None:
    inputs = [shown(2), shown(1, is_image=True), shown(4), shown(1, is_image=True)]
    ids = [4, 0, 5, 5, 0, 4, 0, 4, 0, 5]
    encoded = prompt(ids, inputs, videos=[(1, 2, 2), (2, 2, 2)], images=[(1, 2, 4), (1, 2, 2)])
    placed = QWEN3_VL.place(encoded, checkpoint())
    assert [each.positions.tolist() for each in placed] == [[0], [2, 3], [5, 7], [9]]
    assert [each.layout.shape for each in placed] == [(1, 1, 1), (1, 1, 2), (2, 1, 1), (1, 1, 1)]


@pytest.mark.parametrize(
    ("family", "ids", "grid", "num_frames"),
    [
        (QWEN2_VL, [0, 4, 0], (2, 2, 2), 4),  # one placeholder lost
        (QWEN2_VL, [0, 4, 0, 4], (2, 2, 2), 4),  # two runs
        (QWEN3_VL, [0, 4, 4, 0], (2, 2, 2), 4),  # one run
        (QWEN2_VL, [0, 4, 4, 0], (2, 2, 2), 6),  # frames don't fit the slots
        (QWEN2_VL, [0, 4, 4, 0], (2, 3, 2), 4),  # not mergeable
        (QWEN2_VL, [0, 4, 4, 5], (2, 2, 2), 4),  # an image that nobody gave
    ],
)
def test_what_does_not_add_up_is_refused(
    family: Any, ids: list[int], grid: tuple[int, int, int], num_frames: int
) -> None:
    with pytest.raises(TokenAlignmentError) as caught:
        family.place(prompt(ids, [shown(num_frames)], videos=[grid]), checkpoint())
    assert caught.value.hint


def test_a_video_without_a_grid_is_refused() -> None:
    encoded = prompt([4, 0, 4], [shown(2), shown(2)], videos=[(1, 2, 2)])
    with pytest.raises(TokenAlignmentError, match="1 grids for 2 videos"):
        QWEN2_VL.place(encoded, checkpoint())
