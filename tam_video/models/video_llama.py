"""Locate the visual tokens of VideoLLaMA3, with and without token compression.

A slot is one frame: `Time 0.5s:` and a run of `video_token_id`, row-major after merging. With token
compression, a token whose pixels hardly differ from those of the previous frame is dropped
(`video_compression_mask`): its cell uses the token of the same cell one slot earlier. An image
is one run of `image_token_id`. Frames are resized whole. Source: transformers 5,
`models/video_llama_3`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import (
    FOREIGN,
    Batches,
    Kind,
    check_runs,
    grid_layouts,
    place_by_kind,
    split_counts,
)
from tam_video.types import BoolArray, IntArray, VisualLayout


def place(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Locate the cells of videos and images by the processor's grids and compression mask."""
    return place_by_kind(prompt, checkpoint, partial(_place_kind, prompt, checkpoint))


def _place_kind(
    prompt: EncodedPrompt, checkpoint: Checkpoint, kind: Kind, batches: Batches, positions: IntArray
) -> list[PlacedLayout]:
    processor = getattr(checkpoint.processor, f"{kind}_processor")
    layouts = grid_layouts(
        prompt.fields[f"{kind}_grid_thw"].tolist(),
        batches,
        kind=kind,
        merge_size=prompt.fields[f"{kind}_merge_sizes"].tolist(),
        temporal_patch_size=int(getattr(processor, "temporal_patch_size", None) or 1),
    )
    masks = _kept(prompt.fields, layouts, kind=kind)
    parts = split_counts(positions, [int(mask.sum()) for mask in masks], kind=kind)
    return [
        place_kept(layout, mask, part, kind=kind)
        for layout, mask, part in zip(layouts, masks, parts, strict=True)
    ]


def _kept(
    fields: Mapping[str, Any], layouts: Sequence[VisualLayout], *, kind: Kind
) -> list[BoolArray]:
    """Return for each input a mask of the cells that have their own token: bool [t*h*w]."""
    counts = [layout.num_cells for layout in layouts]
    mask = fields.get("video_compression_mask")
    if kind == "image" or mask is None:
        return [np.ones(count, dtype=bool) for count in counts]
    flat = mask.flatten().bool().cpu().numpy()
    if len(flat) != sum(counts):
        raise TokenAlignmentError(
            f"the compression mask has {len(flat)} cells, but the grids have {sum(counts)}",
            hint=FOREIGN,
        )
    return np.split(flat, np.cumsum(counts)[:-1])


def place_kept(
    layout: VisualLayout, kept: BoolArray, positions: IntArray, *, kind: Kind
) -> PlacedLayout:
    """Assign a token position to every cell; a cell without a token uses the previous slot's token.

    Args:
        layout: the full grid.
        kept: bool [t*h*w], whether a cell has a token.
        positions: int64 [n], the positions of the kept cells, ascending.
        kind: what it is, for messages.

    Raises:
        TokenAlignmentError: a slot's tokens are not consecutive, or the first slot lacks some.
    """
    by_slot = kept.reshape(layout.t, -1)
    check_runs(positions, [count for count in by_slot.sum(axis=1).tolist() if count], kind=kind)
    if not by_slot[0].all():
        raise TokenAlignmentError(f"the first slot of a {kind} lacks tokens", hint=FOREIGN)
    indices = np.full(by_slot.shape, -1, dtype=np.int64)
    indices[by_slot] = positions
    for slot in range(1, layout.t):
        indices[slot] = np.where(by_slot[slot], indices[slot], indices[slot - 1])
    whole = VisualLayout(
        layout.t,
        layout.h,
        layout.w,
        layout.frame_slots,
        deduplicated=tuple(np.flatnonzero(~kept).tolist()),
    )
    return PlacedLayout(whole, indices.ravel())


VIDEO_LLAMA_3 = Family(
    "video_llama_3",
    place,
    "1",
    "whole picture, resized; still cells share the token of the frame before",
    default_fps=1.0,
)
