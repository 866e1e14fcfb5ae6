"""Locate the visual tokens of LLaVA-OneVision.

A video's tokens are `video_token_id`, one run: frames resized whole to a square, their patches
pooled 2 x 2, row-major, and one newline token after the last. An image's are `image_token_id`:
first a base view of the whole picture, which the layout describes, then crops with newlines.
Several images in one prompt have the base view only, padded to a square, and a newline. Source:
transformers 5, `models/llava_onevision`.
"""

from __future__ import annotations

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import (
    FOREIGN,
    Batches,
    Kind,
    check_runs,
    patch_layout,
    pixel_size,
    place_by_kind,
    resized_and_cropped,
    split_counts,
    split_runs,
)
from tam_video.types import FrameBatch, IntArray, View


def place_pooled_frames(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Locate the visual tokens of pooled video frames and of the base views of images."""
    patch = checkpoint.model.config.vision_config.patch_size
    side = checkpoint.model.config.vision_config.image_size // patch

    def place(kind: Kind, batches: Batches, positions: IntArray) -> list[PlacedLayout]:
        if kind == "video":
            grid = (-(-side // 2), -(-side // 2))
            counts = [len(batch.frames) * grid[0] * grid[1] + 1 for batch in batches]
            parts = split_counts(positions, counts, kind=kind)
        else:
            grid = (side, side)
            parts = _image_parts(prompt, positions, batches, base=side * side)
        placed = []
        for batch, part in zip(batches, parts, strict=True):
            check_runs(part, [len(part)], kind=kind)
            if kind == "video":
                view = resized_and_cropped(checkpoint.processor.video_processor, batch)
            else:
                view = _padded_to_square(batch) if _are_padded(prompt) else View()
            pixels = pixel_size(prompt, kind)
            layout = patch_layout(len(batch.frames), pixels, (patch, patch), grid=grid, view=view)
            placed.append(PlacedLayout(layout, part[: layout.num_cells]))
        return placed

    return place_by_kind(prompt, checkpoint, place)


def _are_padded(prompt: EncodedPrompt) -> bool:
    """Return whether images are padded, not cropped. They are if the prompt has several images."""
    counts = prompt.fields.get("batch_num_images")
    return counts is not None and int(counts[0]) != 1


def _image_parts(
    prompt: EncodedPrompt, positions: IntArray, batches: Batches, *, base: int
) -> list[IntArray]:
    """Split the image tokens by image; the number of crops differs between images.

    The number of tokens of the crops is checked by the model, which compares it with its features.
    """
    if _are_padded(prompt):
        return split_counts(positions, [base + 1] * len(batches), kind="image")
    runs = split_runs(positions)
    if len(runs) != len(batches) or any(len(run) <= base for run in runs):
        raise TokenAlignmentError(
            f"{len(runs)} runs of image tokens do not fit {len(batches)} images of more than "
            f"{base} tokens each",
            hint=FOREIGN,
        )
    return runs


def _padded_to_square(batch: FrameBatch) -> View:
    height, width = batch.frames.shape[1:3]
    side = max(height, width)
    left, top = (side - width) // 2, (side - height) // 2
    return View(-left / width, -top / height, (side - left) / width, (side - top) / height)


LLAVA_ONEVISION = Family(
    "llava_onevision",
    place_pooled_frames,
    "1",
    "whole picture, resized to a square; images by their base view",
    problem="the videos of one prompt need the same number of frames (transformers stacks them)",
    default_num_frames=32,
)
