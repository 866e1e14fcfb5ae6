"""Locate the visual tokens of Molmo 2.

The tokens of videos and images are the same `image_patch_id`: for a video h*w of each frame after
its time, `0.5`; for an image those of the whole picture at low resolution, then those of a finer
grid of overlapping crops, which the map leaves out. Rows may end in a column token. A frame is
resized to a square of patches and pooled; if the patches are not divisible by the pooling size, the
grid is padded on both sides. A prompt has one video or images, not both. Source: transformers 5,
`models/molmo2`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tam_video.errors import ConfigError, TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import FOREIGN, check_runs, frame_layout, split_counts
from tam_video.types import View


def place_by_pooled_grids(
    prompt: EncodedPrompt, checkpoint: Checkpoint
) -> tuple[PlacedLayout, ...]:
    """Locate the cells of a video or of images in the prompt of Molmo 2."""
    processor = checkpoint.processor
    kinds = {"image" if batch.info.is_image else "video" for batch in prompt.inputs}
    if len(kinds) > 1:
        raise ConfigError(
            "Molmo 2 takes a video or images in one conversation, not both",
            hint="ask about the video and the images in separate conversations",
        )
    kind = kinds.pop()
    grids = prompt.fields[f"{kind}_grids"].tolist()
    shapes = grids if kind == "video" else [[1, h, w] for h, w, _rows, _columns in grids]
    if [t for t, _h, _w in shapes] != [len(batch.frames) for batch in prompt.inputs]:
        raise TokenAlignmentError(
            f"the processor's grids {grids} do not match the frames of the {kind}s", hint=FOREIGN
        )
    fine = [0 if kind == "video" else grid[2] * grid[3] for grid in grids]
    counts = [t * h * w + more for (t, h, w), more in zip(shapes, fine, strict=True)]
    positions = np.flatnonzero(prompt.input_ids == checkpoint.model.config.image_patch_id)
    placed = []
    for (t, h, w), part in zip(shapes, split_counts(positions, counts, kind=kind), strict=True):
        own = part[: t * h * w]
        lengths = [w] * (t * h) if _has_row_ends(processor, kind) else [h * w] * t
        check_runs(own, lengths, kind=kind)
        view = pooled_view(getattr(processor, f"{kind}_processor"), rows=h, columns=w)
        placed.append(PlacedLayout(frame_layout(t, (h, w), view), own))
    return tuple(placed)


def _has_row_ends(processor: Any, kind: str) -> bool:
    """Return whether each row of a frame or a low-resolution image ends with a column token."""
    if kind == "video":
        return bool(processor.video_use_col_tokens)
    own = processor.use_single_crop_col_tokens
    return bool(processor.image_use_col_tokens if own is None else own)


def pooled_view(processor: Any, *, rows: int, columns: int) -> View:
    """Return the view of a padded grid. If the padding is odd, the end gets one patch more."""
    sides = []
    for edge, pooling, cells in zip(
        ("height", "width"), processor.pooling_size, (rows, columns), strict=True
    ):
        patches = int(processor.size[edge]) // int(processor.patch_size)
        missing = cells * int(pooling) - patches
        if not 0 <= missing < pooling:
            raise TokenAlignmentError(
                f"{cells} cells of {pooling} patches each do not match {patches} patches",
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
