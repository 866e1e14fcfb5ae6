"""Locate the visual tokens of MiniCPM-V 4.6.

Every frame is an overview, `<image>` with a run of h*w tokens, and optionally slices of it at a
higher resolution, each a run after `<slice>`. The map is made of the overviews; the tokens of
slices are left out, though the model uses them. An image is a video of one frame with
`image_token_id`. An overview is the whole picture, resized. Frames are not stacked into composites,
whose cells would belong to several times. Source: transformers 5, `models/minicpmv4_6`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import (
    Batches,
    Kind,
    check_runs,
    frame_layouts,
    place_by_kind,
    split_counts,
)
from tam_video.types import FrameBatch, IntArray

SIZES = {"video": "target_sizes_videos", "image": "target_sizes"}
PATCHES_PER_TOKEN = {"4x": 2, "16x": 4}  # along each side


def place_overviews(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Locate the visual tokens of the overviews. Tokens of detail slices are left out."""

    def place(kind: Kind, batches: Batches, positions: IntArray) -> list[PlacedLayout]:
        overviews = _overviews(prompt, checkpoint, positions, kind=kind)
        layouts = frame_layouts([size for size, _run in overviews], batches, kind=kind)
        tokens = np.concatenate([run for _size, run in overviews])
        parts = split_counts(tokens, [layout.num_cells for layout in layouts], kind=kind)
        return list(map(PlacedLayout, layouts, parts))

    return place_by_kind(prompt, checkpoint, place)


def _overviews(
    prompt: EncodedPrompt, checkpoint: Checkpoint, positions: IntArray, *, kind: Kind
) -> list[tuple[tuple[int, int], IntArray]]:
    """Return the (rows, columns) and the token positions of every overview, in prompt order."""
    processor = checkpoint.processor
    merged = PATCHES_PER_TOKEN[getattr(processor, f"{kind}_processor").downsample_mode]
    sizes = [(h // merged, w // merged) for h, w in prompt.fields[SIZES[kind]].tolist()]
    counts = [h * w for h, w in sizes]
    runs = split_counts(positions, counts, kind=kind)
    check_runs(positions, counts, kind=kind)
    start = processor.tokenizer.image_start_token_id
    return [
        (size, run)
        for size, run in zip(sizes, runs, strict=True)
        if prompt.input_ids[run[0] - 1] == start
    ]


def unstacked(batches: Sequence[FrameBatch], _processor: Any) -> dict[str, Any]:
    """Return the processor option that keeps frames separate, or no option if there is no video."""
    return {} if all(batch.info.is_image for batch in batches) else {"stack_frames": 1}


MINICPMV4_6 = Family(
    "minicpmv4_6",
    place_overviews,
    "1",
    "whole picture, resized; slices are left out",
    processor_options=unstacked,
)
