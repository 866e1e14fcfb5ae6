"""Locate the visual tokens of SmolVLM.

Videos and images share `image_token_id`. Every frame, and the global view that ends every image, is
one run after the token `<global-img>`; the tiles of an image before it are not used. Frames are
resized whole, in two steps that end in a square. Source: transformers 5,
`models/smolvlm`.
"""

from __future__ import annotations

import numpy as np

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import FOREIGN, patch_layout, pixel_size, split_runs


def place_global_views(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Locate the visual tokens of every global view, which shows a whole frame or image."""
    config, processor = checkpoint.model.config, checkpoint.processor
    patch = config.vision_config.patch_size
    pixels = pixel_size(prompt, "image")
    h, w = (side // patch // config.scale_factor for side in pixels)
    if h != w or h * w != processor.image_seq_len:
        raise TokenAlignmentError(
            f"the model uses {h} x {w} tokens per view, but the processor inserts "
            f"{processor.image_seq_len} tokens",
            hint=FOREIGN,
        )
    marker = processor.tokenizer.convert_tokens_to_ids(processor.global_image_token)
    runs = split_runs(np.flatnonzero(prompt.input_ids == config.image_token_id))
    views = [run for run in runs if prompt.input_ids[run[0] - 1] == marker]
    num_views = sum(len(batch.frames) for batch in prompt.inputs)
    if len(views) != num_views or any(len(run) != h * w for run in runs):
        raise TokenAlignmentError(
            f"there are {len(views)} global views for {num_views} frames and images, or a "
            f"run does not have {h * w} visual tokens",
            hint=FOREIGN,
        )
    placed, start = [], 0
    for batch in prompt.inputs:
        end = start + len(batch.frames)
        layout = patch_layout(len(batch.frames), pixels, (patch, patch), grid=(h, w))
        placed.append(PlacedLayout(layout, np.concatenate(views[start:end])))
        start = end
    return tuple(placed)


SMOLVLM = Family(
    "smolvlm",
    place_global_views,
    "1",
    "whole picture, resized to a square; images by their global view",
    problem="a prompt shows videos or images, not both (transformers keeps the pixels of one kind)",
)
