"""MiniCPM-V 4.6: where its visual tokens sit.

Every frame is an overview, `<image>` with a run of h*w tokens, and maybe slices of it at a higher
resolution, each a run behind `<slice>`. The map is made of the overviews; the tokens of slices are
left out, though the model sees them. An image is a video of one frame with `image_token_id`. An
overview is the whole picture, resized. Frames are never stacked into composites: their cells would
stand for several moments. Source: transformers 5, `models/minicpmv4_6`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import (
    FOREIGN,
    Kind,
    check_runs,
    place_videos_and_images,
    slot_frames,
    split_counts,
)
from tam_video.types import FrameBatch, IntArray, VisualLayout

SIZES = {"video": "target_sizes_videos", "image": "target_sizes"}
PATCHES_PER_TOKEN = {"4x": 2, "16x": 4}  # along each side


def place_overviews(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Place videos and images of MiniCPM-V by their overviews.

    Raises:
        TokenAlignmentError: placeholders and sizes don't add up.
    """

    def place(kind: Kind, batches: tuple[FrameBatch, ...]) -> list[PlacedLayout]:
        overviews = _overviews(prompt, checkpoint, batches, kind=kind)
        if len(overviews) != sum(len(batch.frames) for batch in batches):
            raise TokenAlignmentError(
                f"{len(overviews)} overviews for {kind}s of "
                f"{[len(batch.frames) for batch in batches]} frames",
                hint=FOREIGN,
            )
        placed, first = [], 0
        for batch in batches:
            count = len(batch.frames)
            own = overviews[first : first + count]
            sizes = {size for size, _run in own}
            if len(sizes) != 1:
                raise TokenAlignmentError(f"frames of one {kind} differ in size", hint=FOREIGN)
            h, w = sizes.pop()
            layout = VisualLayout(count, h, w, slot_frames(count, temporal_patch_size=1))
            placed.append(PlacedLayout(layout, np.concatenate([run for _size, run in own])))
            first += count
        return placed

    return place_videos_and_images(prompt, place)


def _overviews(
    prompt: EncodedPrompt, checkpoint: Checkpoint, batches: Sequence[FrameBatch], *, kind: Kind
) -> list[tuple[tuple[int, int], IntArray]]:
    """(rows, columns) and positions of every overview, in the order of the prompt."""
    processor = checkpoint.processor
    merged = PATCHES_PER_TOKEN[getattr(processor, f"{kind}_processor").downsample_mode]
    patches = prompt.fields[SIZES[kind]].tolist() if batches else []
    sizes = [(h // merged, w // merged) for h, w in patches]
    token = getattr(checkpoint.model.config, f"{kind}_token_id")
    positions = np.flatnonzero(prompt.input_ids == token)
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
    """Every frame on its own, also where a checkpoint joins the frames of a second."""
    return {} if all(batch.info.is_image for batch in batches) else {"stack_frames": 1}


MINICPMV4_6 = Family(
    "minicpmv4_6",
    place_overviews,
    "1",
    "whole picture, resized; slices are left out",
    processor_options=unstacked,
)
