"""LLaVA-OneVision: where its visual tokens sit.

A video's tokens are `video_token_id`, one run: frames resized whole to a square, their patches
pooled 2 x 2, row-major, and one newline token behind the last. An image's are `image_token_id`: a
base view of the whole picture first, which is what its layout stands for, then crops with newlines.
Several images in one prompt have the base view only, padded to a square, and a newline. Source:
transformers 5, `models/llava_onevision`.
"""

from __future__ import annotations

import numpy as np

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import (
    FOREIGN,
    Kind,
    check_runs,
    frame_layout,
    place_videos_and_images,
    resized_and_cropped,
    split_counts,
    split_runs,
    whole_patches,
)
from tam_video.types import FrameBatch, IntArray, View


def place_pooled_frames(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Place videos by their pooled frames, images by their base view.

    Raises:
        TokenAlignmentError: placeholders and grids don't add up.
    """
    config = checkpoint.model.config
    patch = config.vision_config.patch_size
    side = config.vision_config.image_size // patch

    def place(kind: Kind, batches: tuple[FrameBatch, ...]) -> list[PlacedLayout]:
        token = config.video_token_id if kind == "video" else config.image_token_id
        positions = np.flatnonzero(prompt.input_ids == token)
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
            pixels = prompt.fields[PIXELS[kind]].shape[-2:]
            view = whole_patches(view, tuple(pixels), (patch, patch))
            layout = frame_layout(len(batch.frames), grid, view)
            placed.append(PlacedLayout(layout, part[: layout.num_cells]))
        return placed

    return place_videos_and_images(prompt, place)


PIXELS = {"video": "pixel_values_videos", "image": "pixel_values"}


def _are_padded(prompt: EncodedPrompt) -> bool:
    """Whether the images were not cut into crops: so it is where a prompt has several."""
    counts = prompt.fields.get("batch_num_images")
    return counts is not None and int(counts[0]) != 1


def _image_parts(
    prompt: EncodedPrompt, positions: IntArray, batches: tuple[FrameBatch, ...], *, base: int
) -> list[IntArray]:
    """Share out the image tokens; crops make their number depend on the picture.

    How many tokens the crops have is left to the model, which compares them with its features.

    Raises:
        TokenAlignmentError: the tokens of several images can't be told apart, or are too few.
    """
    if batches and _are_padded(prompt):
        return split_counts(positions, [base + 1] * len(batches), kind="image")
    runs = split_runs(positions)
    if len(runs) != len(batches) or any(len(run) <= base for run in runs):
        raise TokenAlignmentError(
            f"{len(runs)} runs of image tokens for {len(batches)} images of more than {base}",
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
