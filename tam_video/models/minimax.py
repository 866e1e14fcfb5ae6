"""Locate the visual tokens of MiniMax-M3.

A slot is one run of h*w `video_token_id` between the markers of an image, after its time; an image
is one run of `image_token_id`. `video_grid_thw` has one row for every segment of a few slots that
attend to each other in the vision tower: the rows of a video follow one another. Frames are
resized whole. For videos this needs `do_resize`: by default the processor expects resized frames
and fails on sides that are not a multiple of a token. Source: transformers 5,
`models/minimax_m3_vl`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family
from tam_video.models.placing import (
    FOREIGN,
    WHOLE,
    Batches,
    Kind,
    grid_layouts,
    place_grids,
    slot_frames,
)
from tam_video.types import FrameBatch, VisualLayout


def segment_layouts(
    prompt: EncodedPrompt, checkpoint: Checkpoint, kind: Kind, batches: Batches
) -> list[VisualLayout]:
    """Compute each input's layout. The processor returns one grid per segment of a few slots."""
    processor = getattr(checkpoint.processor, f"{kind}_processor")
    frames_per_slot = int(processor.temporal_patch_size)
    num_slots = [
        len(slot_frames(len(batch.frames), temporal_patch_size=frames_per_slot))
        for batch in batches
    ]
    segments = prompt.fields[f"{kind}_grid_thw"].tolist()
    return grid_layouts(
        list(join_segments(segments, num_slots, kind=kind)),
        batches,
        kind=kind,
        merge_size=int(processor.merge_size),
        temporal_patch_size=frames_per_slot,
    )


def join_segments(
    segments: Sequence[Sequence[int]], num_slots: Sequence[int], *, kind: Kind
) -> Iterator[tuple[int, int, int]]:
    """Join consecutive segment grids (t, h, w) into one grid for each video."""
    rest = list(segments)
    for wanted in num_slots:
        t, sizes = 0, set()
        while t < wanted and rest:
            slots, *size = rest.pop(0)
            t += slots
            sizes.add(tuple(size))
        if t != wanted or len(sizes) != 1:
            raise TokenAlignmentError(
                f"the segments {list(segments)} do not add up to {kind}s of {list(num_slots)} "
                "slots",
                hint=FOREIGN,
            )
        ((h, w),) = sizes
        yield t, h, w
    if rest:
        raise TokenAlignmentError(f"{len(rest)} segments belong to no {kind}", hint=FOREIGN)


def resize_videos(_batches: Sequence[FrameBatch], _processor: Any) -> dict[str, Any]:
    """Return the processor option that turns on the resizing of videos."""
    return {"do_resize": True}


MINIMAX_M3_VL = Family(
    "minimax_m3_vl",
    partial(place_grids, layouts_of=segment_layouts),
    "2",
    WHOLE,
    processor_options=resize_videos,
)
