"""LLaVA-NeXT-Video: where its visual tokens sit.

A video's tokens are `video_token_id`, one run: frames resized to a shortest edge and cropped around
their centre, their patches pooled, row-major, nothing between the frames. An image's are
`image_token_id`: a base view of the whole picture first, which is what its layout stands for, then
crops with newlines. Source: transformers 5, `models/llava_next_video`.
"""

from __future__ import annotations

import numpy as np

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import (
    FOREIGN,
    Kind,
    centre_crop,
    check_runs,
    frame_layout,
    place_videos_and_images,
    resized_and_cropped,
    split_counts,
    split_runs,
    whole_patches,
)
from tam_video.types import FrameBatch, IntArray


def place_pooled_frames(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Place videos by their pooled frames, images by their base view.

    Raises:
        TokenAlignmentError: placeholders and grids don't add up.
    """

    def place(kind: Kind, batches: tuple[FrameBatch, ...]) -> list[PlacedLayout]:
        token = "video_token_id" if kind == "video" else "image_token_id"
        positions = np.flatnonzero(prompt.input_ids == getattr(checkpoint.model.config, token))
        if not batches:
            split_counts(positions, [], kind=kind)
            return []
        asked = _place_videos if kind == "video" else _place_images
        return asked(prompt, checkpoint, batches, positions)

    return place_videos_and_images(prompt, place)


def _place_videos(
    prompt: EncodedPrompt,
    checkpoint: Checkpoint,
    batches: tuple[FrameBatch, ...],
    positions: IntArray,
) -> list[PlacedLayout]:
    config = checkpoint.model.config
    pooled = config.vision_config.patch_size * config.spatial_pool_stride
    height, width = prompt.fields["pixel_values_videos"].shape[-2:]
    layouts = []
    for batch in batches:
        view = resized_and_cropped(checkpoint.processor.video_processor, batch)
        view = whole_patches(view, (height, width), (pooled, pooled))
        grid = (height // pooled, width // pooled)
        layouts.append(frame_layout(len(batch.frames), grid, view))
    parts = split_counts(positions, [layout.num_cells for layout in layouts], kind="video")
    for part in parts:
        check_runs(part, [len(part)], kind="video")
    return [PlacedLayout(layout, part) for layout, part in zip(layouts, parts, strict=True)]


def _place_images(
    prompt: EncodedPrompt,
    checkpoint: Checkpoint,
    batches: tuple[FrameBatch, ...],
    positions: IntArray,
) -> list[PlacedLayout]:
    """Place images by the base view that begins the run of each.

    Raises:
        TokenAlignmentError: not one run an image, or one too short. How many tokens its crops
            have is left to the model, which compares them with its features.
    """
    processor = checkpoint.processor
    patch = checkpoint.model.config.vision_config.patch_size
    height, width = prompt.fields["pixel_values"].shape[-2:]
    grid = (height // patch, width // patch)
    is_default = processor.vision_feature_select_strategy == "default"
    skipped = processor.num_additional_image_tokens - is_default
    runs = split_runs(positions)
    if len(runs) != len(batches) or any(len(run) < skipped + grid[0] * grid[1] for run in runs):
        raise TokenAlignmentError(
            f"{len(runs)} runs of image tokens for {len(batches)} images of {grid} patches",
            hint=FOREIGN,
        )
    # The base view is resized to a square whatever its shape, then cropped as the crops are.
    edge = processor.image_processor.size.get("shortest_edge") or min(height, width)
    view = centre_crop(edge, edge, shortest_edge=edge, crop=(width, height))
    layout = frame_layout(1, grid, whole_patches(view, (height, width), (patch, patch)))
    return [PlacedLayout(layout, run[skipped:][: layout.num_cells]) for run in runs]


LLAVA_NEXT_VIDEO = Family(
    "llava_next_video",
    place_pooled_frames,
    "1",
    "centre crop; images by their base view, the whole picture",
    problem="the videos of one prompt need the same number of frames (transformers stacks them)",
    default_num_frames=32,
)
