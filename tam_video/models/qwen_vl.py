"""Qwen2-VL, Qwen2.5-VL, Qwen3-VL and Qwen3.5: where their visual tokens sit.

A video's tokens are `video_token_id`, row-major (t, h, w) after merging: one run of t*h*w (Qwen2,
Qwen2.5), or one run of h*w for each slot behind its time, `<0.5 seconds>` (Qwen3, Qwen3.5). An
image's are `image_token_id`, one run. Pictures are resized whole. Source: transformers 5,
`models/qwen{2,2_5,3}_vl`, `models/qwen3_5`.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np

from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import (
    Kind,
    check_runs,
    place_videos_and_images,
    split_counts,
    thw_layouts,
)
from tam_video.models.sizing import size_by_rule
from tam_video.types import FrameBatch

Runs = Literal["one", "per_slot"]
WHOLE = "whole picture, resized"


def place_by_thw(
    prompt: EncodedPrompt, checkpoint: Checkpoint, *, runs: Runs
) -> tuple[PlacedLayout, ...]:
    """Place the inputs of a family with `video_grid_thw`, `image_grid_thw` and Qwen's token ids.

    Args:
        prompt: the encoded prompt.
        checkpoint: the model and processor that made it.
        runs: whether the tokens of a video are one run, or one run per slot.

    Raises:
        TokenAlignmentError: placeholders and grids don't add up.
    """
    return place_videos_and_images(prompt, partial(_place_kind, prompt, checkpoint, runs))


def _place_kind(
    prompt: EncodedPrompt,
    checkpoint: Checkpoint,
    runs: Runs,
    kind: Kind,
    batches: tuple[FrameBatch, ...],
) -> list[PlacedLayout]:
    config = checkpoint.model.config
    layouts = thw_layouts(prompt, checkpoint.processor, batches, kind=kind)
    token = config.image_token_id if kind == "image" else config.video_token_id
    positions = np.flatnonzero(prompt.input_ids == token)
    parts = split_counts(positions, [layout.num_cells for layout in layouts], kind=kind)
    for layout, part in zip(layouts, parts, strict=True):
        per_slot = runs == "per_slot" and kind == "video"
        lengths = [layout.h * layout.w] * layout.t if per_slot else [layout.num_cells]
        check_runs(part, lengths, kind=kind)
    return list(map(PlacedLayout, layouts, parts))


def _in_one_run(model_type: str) -> Family:
    """A family that takes its input from Qwen2-VL's processor."""
    place = partial(place_by_thw, runs="one")
    return Family(model_type, place, "2", WHOLE, token_types=True, frame_size=size_by_rule)


QWEN2_VL = _in_one_run("qwen2_vl")
QWEN2_5_VL = _in_one_run("qwen2_5_vl")


def _behind_times(model_type: str) -> Family:
    """A family that takes its input from Qwen3-VL's processor."""
    return Family(
        model_type,
        partial(place_by_thw, runs="per_slot"),
        "2",
        WHOLE,
        least_frames=2,
        token_types=True,
        frame_size=size_by_rule,
    )


QWEN3_VL = _behind_times("qwen3_vl")
QWEN3_VL_MOE = _behind_times("qwen3_vl_moe")
QWEN3_5 = _behind_times("qwen3_5")
QWEN3_5_MOE = _behind_times("qwen3_5_moe")
