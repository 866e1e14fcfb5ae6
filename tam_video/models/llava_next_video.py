"""Locate the visual tokens of LLaVA-NeXT-Video.

A video's tokens are `video_token_id`, one run: frames resized to a shortest edge and cropped around
their centre, their patches pooled, row-major, nothing between the frames. An image's are
`image_token_id`: first a base view of the whole picture, which the layout describes, then crops
with newlines. Source: transformers 5, `models/llava_next_video`.
"""

from __future__ import annotations

from functools import partial

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import (
    FOREIGN,
    Batches,
    Kind,
    centre_crop,
    check_runs,
    patch_layout,
    pixel_size,
    place_by_kind,
    resized_and_cropped,
    split_counts,
    split_runs,
)
from tam_video.types import IntArray


def place_pooled_frames(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Locate the visual tokens of pooled video frames and of the base views of images."""
    return place_by_kind(prompt, checkpoint, partial(_place_kind, prompt, checkpoint))


def _place_kind(
    prompt: EncodedPrompt, checkpoint: Checkpoint, kind: Kind, batches: Batches, positions: IntArray
) -> list[PlacedLayout]:
    if kind == "image":
        return _place_images(prompt, checkpoint, batches, positions)
    config = checkpoint.model.config
    pooled = config.vision_config.patch_size * config.spatial_pool_stride
    layouts = [
        patch_layout(
            len(batch.frames),
            pixel_size(prompt, kind),
            (pooled, pooled),
            view=resized_and_cropped(checkpoint.processor.video_processor, batch),
        )
        for batch in batches
    ]
    parts = split_counts(positions, [layout.num_cells for layout in layouts], kind=kind)
    for part in parts:
        check_runs(part, [len(part)], kind=kind)
    return list(map(PlacedLayout, layouts, parts))


def _place_images(
    prompt: EncodedPrompt, checkpoint: Checkpoint, batches: Batches, positions: IntArray
) -> list[PlacedLayout]:
    """Locate the tokens of each image's base view, at the start of the image's token run.

    The number of tokens of the crops is checked by the model, which compares it with its features.
    """
    processor = checkpoint.processor
    patch = checkpoint.model.config.vision_config.patch_size
    height, width = pixel_size(prompt, "image")
    # The base view is resized to a square whatever its shape, then cropped as the crops are.
    edge = processor.image_processor.size.get("shortest_edge") or min(height, width)
    view = centre_crop(edge, edge, shortest_edge=edge, crop=(width, height))
    layout = patch_layout(1, (height, width), (patch, patch), view=view)
    is_default = processor.vision_feature_select_strategy == "default"
    skipped = processor.num_additional_image_tokens - is_default
    runs = split_runs(positions)
    if len(runs) != len(batches) or any(len(run) < skipped + layout.num_cells for run in runs):
        raise TokenAlignmentError(
            f"{len(runs)} runs of image tokens do not fit {len(batches)} images of "
            f"{(layout.h, layout.w)} patches each",
            hint=FOREIGN,
        )
    return [PlacedLayout(layout, run[skipped:][: layout.num_cells]) for run in runs]


LLAVA_NEXT_VIDEO = Family(
    "llava_next_video",
    place_pooled_frames,
    "1",
    "centre crop; images by their base view, the whole picture",
    problem="the videos of one prompt need the same number of frames (transformers stacks them)",
    default_num_frames=32,
)
