"""Locate the visual tokens of PerceptionLM.

A video's tokens are `video_token_id`, one run: frames resized whole to a square, their patches
pooled, row-major, no class token. An image's are `image_token_id`, one run: first a thumbnail of
the whole picture, which the layout describes, then its tiles. Source: transformers 5,
`models/perception_lm`.
"""

from __future__ import annotations

from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import (
    Batches,
    Kind,
    check_runs,
    patch_layout,
    pixel_size,
    place_by_kind,
    resized_and_cropped,
    split_counts,
)
from tam_video.types import IntArray, View


def place_pooled_frames(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Locate the visual tokens of pooled video frames and of the thumbnails of images."""
    processor = checkpoint.processor

    def place(kind: Kind, batches: Batches, positions: IntArray) -> list[PlacedLayout]:
        is_video = kind == "video"
        size = pixel_size(prompt, kind)
        h, w = (side // processor.patch_size // processor.pooling_ratio for side in size)
        # The first axis of an input: the frames of a video, thumbnail and tiles of an image.
        pixels = prompt.fields["pixel_values_videos" if is_video else "pixel_values"]
        counts = [len(each) * h * w for each in pixels]
        placed = []
        for batch, part in zip(batches, split_counts(positions, counts, kind=kind), strict=True):
            check_runs(part, [len(part)], kind=kind)
            view = resized_and_cropped(processor.video_processor, batch) if is_video else View()
            # Pooling is adaptive: its cells divide the patches evenly, also across patch borders.
            patch = (processor.patch_size, processor.patch_size)
            layout = patch_layout(len(batch.frames), size, patch, grid=(h, w), view=view)
            placed.append(PlacedLayout(layout, part if is_video else part[: h * w]))
        return placed

    return place_by_kind(prompt, checkpoint, place)


PERCEPTION_LM = Family(
    "perception_lm",
    place_pooled_frames,
    "1",
    "whole picture, resized to a square; images by their thumbnail",
    problem="the videos of one prompt need the same number of frames, its images the same number "
    "of tiles (transformers stacks them)",
    default_num_frames=32,
)
