"""Molmo 2: where its visual tokens sit.

The tokens of videos and images are the same `image_patch_id`: for a video h*w of each frame behind
its time, `0.5`; for an image those of the whole picture at low resolution, then those of a finer
grid of overlapping crops, which the map leaves out. Rows may end in a column token. A frame is
resized to a square of patches and pooled; where the patches don't divide, the grid is padded on
both sides. A prompt shows one video or images, not both. Source: transformers 5, `models/molmo2`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tam_video.errors import ConfigError, TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import (
    FOREIGN,
    check_runs,
    slot_frames,
    split_counts,
)
from tam_video.types import View, VisualLayout


def place_by_pooled_grids(
    prompt: EncodedPrompt, checkpoint: Checkpoint
) -> tuple[PlacedLayout, ...]:
    """Place the video or the images of Molmo 2.

    Raises:
        ConfigError: a video and an image in one prompt.
        TokenAlignmentError: placeholders and grids don't add up.
    """
    processor = checkpoint.processor
    kinds = {"image" if batch.info.is_image else "video" for batch in prompt.inputs}
    if len(kinds) > 1:
        raise ConfigError(
            "Molmo 2 takes a video or images, not both", hint="ask about them one by one"
        )
    kind = kinds.pop()
    grids = prompt.fields[f"{kind}_grids"].tolist()
    shapes = grids if kind == "video" else [[1, h, w] for h, w, _rows, _columns in grids]
    if [t for t, _h, _w in shapes] != [len(batch.frames) for batch in prompt.inputs]:
        raise TokenAlignmentError(f"the grids {grids} are not of these {kind}s", hint=FOREIGN)
    fine = [0 if kind == "video" else grid[2] * grid[3] for grid in grids]
    counts = [t * h * w + more for (t, h, w), more in zip(shapes, fine, strict=True)]
    positions = np.flatnonzero(prompt.input_ids == checkpoint.model.config.image_patch_id)
    placed = []
    for (t, h, w), part in zip(shapes, split_counts(positions, counts, kind=kind), strict=True):
        own = part[: t * h * w]
        lengths = [w] * (t * h) if _has_row_ends(processor, kind) else [h * w] * t
        check_runs(own, lengths, kind=kind)
        view = pooled_view(getattr(processor, f"{kind}_processor"), rows=h, columns=w)
        layout = VisualLayout(t, h, w, slot_frames(t, temporal_patch_size=1), view=view)
        placed.append(PlacedLayout(layout, own))
    return tuple(placed)


def _has_row_ends(processor: Any, kind: str) -> bool:
    """Whether a column token stands behind each row of a frame or of a low-resolution picture."""
    if kind == "video":
        return bool(processor.video_use_col_tokens)
    own = processor.use_single_crop_col_tokens
    return bool(processor.image_use_col_tokens if own is None else own)


def pooled_view(processor: Any, *, rows: int, columns: int) -> View:
    """What a pooled grid covers: missing patches are added on both sides, the odd one behind.

    Args:
        processor: video or image processor.
        rows: of the pooled grid.
        columns: of the pooled grid.

    Raises:
        TokenAlignmentError: the grid is not that of the processor's square.
    """
    sides = []
    for edge, pooling, cells in zip(
        ("height", "width"), processor.pooling_size, (rows, columns), strict=True
    ):
        patches = int(processor.size[edge]) // int(processor.patch_size)
        missing = cells * int(pooling) - patches
        if not 0 <= missing < pooling:
            raise TokenAlignmentError(
                f"{cells} cells can't be pooled from {patches} patches, {pooling} each",
                hint=FOREIGN,
            )
        before = missing // 2
        sides.append((-before / patches, (patches + missing - before) / patches))
    (top, bottom), (left, right) = sides
    return View(left, top, right, bottom)


MOLMO2 = Family(
    "molmo2",
    place_by_pooled_grids,
    "1",
    "whole picture, resized to a square; images at low resolution",
    token_types=True,
)
