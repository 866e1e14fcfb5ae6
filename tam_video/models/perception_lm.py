"""PerceptionLM: where its visual tokens sit.

A video's tokens are `video_token_id`, one run: frames resized whole to a square, their patches
pooled, row-major, no class token. An image's are `image_token_id`, one run: a thumbnail of the
whole picture first, which is what its layout stands for, then its tiles. Source: transformers 5,
`models/perception_lm`.
"""

from __future__ import annotations

import numpy as np

from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import (
    Kind,
    check_runs,
    frame_layout,
    place_videos_and_images,
    resized_and_cropped,
    split_counts,
    whole_patches,
)
from tam_video.types import FrameBatch, View


def place_pooled_frames(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Place videos by their pooled frames, images by their thumbnail.

    Raises:
        TokenAlignmentError: placeholders and grids don't add up.
    """
    config, processor = checkpoint.model.config, checkpoint.processor

    def place(kind: Kind, batches: tuple[FrameBatch, ...]) -> list[PlacedLayout]:
        token = config.video_token_id if kind == "video" else config.image_token_id
        positions = np.flatnonzero(prompt.input_ids == token)
        if not batches:
            split_counts(positions, [], kind=kind)
            return []
        pixels = prompt.fields["pixel_values_videos" if kind == "video" else "pixel_values"]
        height, width = pixels[0].shape[-2:]
        h, w = (side // processor.patch_size // processor.pooling_ratio for side in (height, width))
        # Along the first axis of an input: the frames of a video, thumbnail and tiles of an image.
        placed, counts = [], [len(each) * h * w for each in pixels]
        for batch, part in zip(batches, split_counts(positions, counts, kind=kind), strict=True):
            check_runs(part, [len(part)], kind=kind)
            whole = View()
            if kind == "video":
                whole = resized_and_cropped(processor.video_processor, batch)
            # Pooling is adaptive: its cells share the patches evenly, whole ones or not.
            patch = (processor.patch_size, processor.patch_size)
            view = whole_patches(whole, (height, width), patch)
            layout = frame_layout(len(batch.frames), (h, w), view)
            own = part if kind == "video" else part[: h * w]
            placed.append(PlacedLayout(layout, own))
        return placed

    return place_videos_and_images(prompt, place)


PERCEPTION_LM = Family(
    "perception_lm",
    place_pooled_frames,
    "1",
    "whole picture, resized to a square; images by their thumbnail",
    problem="the videos of one prompt need the same number of frames, its images the same number "
    "of tiles (transformers stacks them)",
    default_num_frames=32,
)
