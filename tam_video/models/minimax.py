"""MiniMax-M3: where its visual tokens sit.

A slot is one run of h*w `video_token_id` between the markers of an image, behind its time; an image
is one run of `image_token_id`. `video_grid_thw` has one row for every segment of a few slots that
attend to each other in the vision tower: the rows of a video follow one another. Pictures are
resized whole, which the processor has to be told for videos: it takes them for resized already and
fails on sides that are no multiple of a token. Source: transformers 5, `models/minimax_m3_vl`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import (
    FOREIGN,
    Kind,
    check_runs,
    grid_layout,
    place_videos_and_images,
    slot_frames,
    split_counts,
)
from tam_video.types import FrameBatch


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
    processor = getattr(checkpoint.processor, f"{kind}_processor")
    frames_per_slot = int(processor.temporal_patch_size)
    segments = prompt.fields[f"{kind}_grid_thw"].tolist() if batches else []
    num_slots = [
        len(slot_frames(len(batch.frames), temporal_patch_size=frames_per_slot))
        for batch in batches
    ]
    layouts = [
        grid_layout(
            grid,
            len(batch.frames),
            merge_size=int(processor.merge_size),
            temporal_patch_size=frames_per_slot,
        )
        for grid, batch in zip(join_segments(segments, num_slots, kind=kind), batches, strict=True)
    ]
    token_id = getattr(checkpoint.model.config, f"{kind}_token_id")
    positions = np.flatnonzero(prompt.input_ids == token_id)
    parts = split_counts(positions, [layout.num_cells for layout in layouts], kind=kind)
    for layout, part in zip(layouts, parts, strict=True):
        check_runs(part, [layout.h * layout.w] * layout.t, kind=kind)
    return list(map(PlacedLayout, layouts, parts))


def join_segments(
    segments: Sequence[Sequence[int]], num_slots: Sequence[int], *, kind: Kind
) -> Iterator[tuple[int, int, int]]:
    """Add segments up to the grids of whole videos.

    Args:
        segments: (t, h, w) of each segment, those of a video one after the other.
        num_slots: slots of each video.
        kind: what they are, for the message.

    Yields:
        (t, h, w) of each video.

    Raises:
        TokenAlignmentError: segments don't add up to the slots, or differ in size within a video.
    """
    rest = list(segments)
    for wanted in num_slots:
        t, sizes = 0, set()
        while t < wanted and rest:
            slots, *size = rest.pop(0)
            t += slots
            sizes.add(tuple(size))
        if t != wanted or len(sizes) != 1:
            raise TokenAlignmentError(
                f"the segments {list(segments)} are not those of {kind}s of {list(num_slots)} "
                "slots",
                hint=FOREIGN,
            )
        ((h, w),) = sizes
        yield t, h, w
    if rest:
        raise TokenAlignmentError(f"{len(rest)} segments belong to no {kind}", hint=FOREIGN)


def resize_videos(_batches: Sequence[FrameBatch], _processor: Any) -> dict[str, Any]:
    """Processor options: let it resize videos, which its own default leaves to the caller."""
    return {"do_resize": True}


MINIMAX_M3_VL = Family(
    "minimax_m3_vl", place, "2", "whole picture, resized", processor_options=resize_videos
)
