"""Locate the visual tokens of InternVL.

Videos and images share `image_token_id`. A frame is one square tile, resized whole, after its
number: `Frame1: <img>...</img>`. An image is one run: its tiles, then, if there are several, a
thumbnail of the whole picture, which the layout describes. Source: transformers 5,
`models/internvl`, `models/got_ocr2`.
"""

from __future__ import annotations

import numpy as np

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import (
    FOREIGN,
    patch_layout,
    pixel_size,
    resized_and_cropped,
    split_runs,
)
from tam_video.types import FrameBatch, IntArray, View


def place_tiles(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Locate the visual tokens of every frame, and of the last tile of every image."""
    config, processor = checkpoint.model.config, checkpoint.processor
    patch_size = tuple(config.vision_config.patch_size)
    pixels = pixel_size(prompt, "image")
    h, w = (
        int(side // patch * config.downsample_ratio)
        for side, patch in zip(pixels, patch_size, strict=True)
    )
    # The model uses the square root of the number of patches for both sides.
    if h != w or h * w != processor.image_seq_length:
        raise TokenAlignmentError(
            f"the model uses {h} x {w} tokens per tile, but the processor inserts "
            f"{processor.image_seq_length} tokens",
            hint=FOREIGN,
        )
    runs = split_runs(np.flatnonzero(prompt.input_ids == config.image_token_id))
    wanted = [1 if batch.info.is_image else len(batch.frames) for batch in prompt.inputs]
    if len(runs) != sum(wanted):
        raise TokenAlignmentError(
            f"there are {len(runs)} runs of visual tokens for {sum(wanted)} frames and images",
            hint=FOREIGN,
        )
    placed = []
    for batch, start in zip(prompt.inputs, np.cumsum([0, *wanted]).tolist(), strict=False):
        view = View()
        if not batch.info.is_image:
            view = resized_and_cropped(processor.video_processor, batch)
        tiles = [
            _whole_picture(run, batch, h * w) for run in runs[start : start + len(batch.frames)]
        ]
        layout = patch_layout(len(batch.frames), pixels, patch_size, grid=(h, w), view=view)
        placed.append(PlacedLayout(layout, np.concatenate(tiles)))
    return tuple(placed)


def _whole_picture(run: IntArray, batch: FrameBatch, tile: int) -> IntArray:
    """Return the token positions of a run's last tile, which shows the whole picture."""
    fits = len(run) % tile == 0 if batch.info.is_image else len(run) == tile
    if not fits:
        raise TokenAlignmentError(
            f"a run of {len(run)} visual tokens is not made of {tile}-token tiles", hint=FOREIGN
        )
    return run[-tile:]


INTERNVL = Family(
    "internvl",
    place_tiles,
    "1",
    "whole picture, resized to a square; images by their thumbnail",
    problem="the videos of one prompt need the same number of frames (transformers stacks them)",
    default_num_frames=8,
)
