"""Locate the visual tokens of ERNIE 4.5 VL.

A video is one run of `video_token_id`, row-major (t, h, w) after merging; an image one run of
`image_token_id`. `video_grid_thw` counts frames, rounded up to an even number by repeating the last
one; two of them become a slot. Frames are resized whole. By default the processor draws each
frame's time into its top left corner, as the original code does; the model sees these pixels, so
the checkpoint's setting is kept. Source: transformers 5, `models/ernie4_5_vl_moe`.
"""

from __future__ import annotations

from functools import partial

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family
from tam_video.models.placing import FOREIGN, Batches, Kind, grid_layouts, place_grids
from tam_video.types import VisualLayout


def frame_grid_layouts(
    prompt: EncodedPrompt, checkpoint: Checkpoint, kind: Kind, batches: Batches
) -> list[VisualLayout]:
    """Compute each input's layout from the processor's grids: (frames, rows, columns)."""
    processor = getattr(checkpoint.processor, f"{kind}_processor")
    frames_per_slot = int(processor.temporal_patch_size) if kind == "video" else 1
    grids = []
    for num_frames, rows, columns in prompt.fields[f"{kind}_grid_thw"].tolist():
        if num_frames % frames_per_slot:
            raise TokenAlignmentError(
                f"a grid of {num_frames} frames can't be split into slots of "
                f"{frames_per_slot} frames",
                hint=FOREIGN,
            )
        grids.append((num_frames // frames_per_slot, rows, columns))
    return grid_layouts(
        grids,
        batches,
        kind=kind,
        merge_size=int(processor.merge_size),
        temporal_patch_size=frames_per_slot,
    )


ERNIE4_5_VL_MOE = Family(
    "ernie4_5_vl_moe",
    partial(place_grids, runs="one", layouts_of=frame_grid_layouts),
    "2",
    "whole picture, resized; the processor writes the time into the top left corner",
    token_types=True,
    answer_fill={"attention_mask": 1, "mm_token_type_ids": 0, "moe_mm_token_type_ids": 0},
)
