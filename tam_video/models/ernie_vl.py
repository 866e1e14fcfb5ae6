"""ERNIE 4.5 VL: where its visual tokens sit.

A video is one run of `video_token_id`, row-major (t, h, w) after merging; an image one run of
`image_token_id`. `video_grid_thw` counts frames, the last one repeated where they are odd, and two
of them become a slot. Pictures are resized whole. By default the processor writes each frame's time
into its top left corner, as the makers' own does: these pixels are what the model sees, so it is
left as the checkpoint says. Source: transformers 5, `models/ernie4_5_vl_moe`.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import (
    FOREIGN,
    Kind,
    check_runs,
    grid_layout,
    place_videos_and_images,
    split_counts,
)
from tam_video.types import FrameBatch, VisualLayout


def place(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Place videos and images by their grids.

    Args:
        prompt: the encoded prompt.
        checkpoint: the model and processor that made it.

    Raises:
        TokenAlignmentError: placeholders and grids don't add up.
    """
    return place_videos_and_images(prompt, partial(_place_kind, prompt, checkpoint))


def _place_kind(
    prompt: EncodedPrompt, checkpoint: Checkpoint, kind: Kind, batches: tuple[FrameBatch, ...]
) -> list[PlacedLayout]:
    grids = prompt.fields[f"{kind}_grid_thw"].tolist() if batches else []
    if len(grids) != len(batches):
        raise TokenAlignmentError(f"{len(grids)} grids for {len(batches)} {kind}s", hint=FOREIGN)
    layouts = [
        _layout(grid, batch, checkpoint, kind=kind)
        for grid, batch in zip(grids, batches, strict=True)
    ]
    token_id = getattr(checkpoint.model.config, f"{kind}_token_id")
    positions = np.flatnonzero(prompt.input_ids == token_id)
    parts = split_counts(positions, [layout.num_cells for layout in layouts], kind=kind)
    for part in parts:
        check_runs(part, [len(part)], kind=kind)
    return list(map(PlacedLayout, layouts, parts))


def _layout(
    grid: list[int], batch: FrameBatch, checkpoint: Checkpoint, *, kind: Kind
) -> VisualLayout:
    processor = getattr(checkpoint.processor, f"{kind}_processor")
    num_frames, rows, columns = grid
    frames_per_slot = int(processor.temporal_patch_size) if kind == "video" else 1
    if num_frames % frames_per_slot:
        raise TokenAlignmentError(
            f"a grid of {num_frames} frames does not give slots of {frames_per_slot}", hint=FOREIGN
        )
    return grid_layout(
        (num_frames // frames_per_slot, rows, columns),
        len(batch.frames),
        merge_size=int(processor.merge_size),
        temporal_patch_size=frames_per_slot,
    )


ERNIE4_5_VL_MOE = Family(
    "ernie4_5_vl_moe",
    place,
    "2",
    "whole picture, resized; the processor writes the time into the top left corner",
    token_types=True,
    answer_fill={"attention_mask": 1, "mm_token_type_ids": 0, "moe_mm_token_type_ids": 0},
)
