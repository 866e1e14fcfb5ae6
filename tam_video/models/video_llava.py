"""Video-LLaVA: where its visual tokens sit.

A video's tokens are `video_token_id`, one run: for each frame its class token, then its patches,
row-major. An image's are `image_token_id`; its class token is dropped by the default feature
selection. Pictures are resized to a shortest edge and cropped around their centre. Source:
transformers 5, `models/video_llava`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
from tam_video.types import FrameBatch


def place_cropped_frames(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Place frames and images without their class tokens.

    Raises:
        TokenAlignmentError: placeholders and grids don't add up.
    """
    config, processor = checkpoint.model.config, checkpoint.processor
    patch = config.vision_config.patch_size

    def place(kind: Kind, batches: tuple[FrameBatch, ...]) -> list[PlacedLayout]:
        token = config.video_token_id if kind == "video" else config.image_token_id
        positions = np.flatnonzero(prompt.input_ids == token)
        if not batches:
            split_counts(positions, [], kind=kind)
            return []
        pixels = "pixel_values_videos" if kind == "video" else "pixel_values"
        height, width = prompt.fields[pixels].shape[-2:]
        grid = (height // patch, width // patch)
        extra = processor.num_additional_image_tokens
        # The selection of features is for images only: videos keep their class tokens.
        if kind == "image" and processor.vision_feature_select_strategy == "default":
            extra -= 1
        tokens = extra + grid[0] * grid[1]
        counts = [len(batch.frames) * tokens for batch in batches]
        placed = []
        for batch, part in zip(batches, split_counts(positions, counts, kind=kind), strict=True):
            check_runs(part, [len(part)], kind=kind)
            view = resized_and_cropped(getattr(processor, f"{kind}_processor"), batch)
            view = whole_patches(view, (height, width), (patch, patch))
            layout = frame_layout(len(batch.frames), grid, view)
            own = part.reshape(layout.t, tokens)[:, extra:]
            placed.append(PlacedLayout(layout, own.ravel()))
        return placed

    return place_videos_and_images(prompt, place)


def name_pixels(batches: Sequence[FrameBatch], processor: Any) -> dict[str, Any]:
    """Have an image's pixels called `pixel_values`: the model no longer takes the old name."""
    has_image = any(batch.info.is_image for batch in batches)
    known = getattr(processor.image_processor.valid_kwargs, "__annotations__", {})
    if has_image and "return_legacy_image_output" in known:
        return {"return_legacy_image_output": False}
    return {}


VIDEO_LLAVA = Family(
    "video_llava",
    place_cropped_frames,
    "1",
    "centre crop",
    problem="the videos of one prompt need the same number of frames (transformers stacks them)",
    default_num_frames=8,
    processor_options=name_pixels,
)
