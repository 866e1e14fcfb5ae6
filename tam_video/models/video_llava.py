"""Locate the visual tokens of Video-LLaVA.

A video's tokens are `video_token_id`, one run: for each frame its class token, then its patches,
row-major. An image's are `image_token_id`; its class token is dropped by the default feature
selection. Frames are resized to a shortest edge and cropped around their centre. Source:
transformers 5, `models/video_llava`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
from tam_video.types import FrameBatch, IntArray


def place_cropped_frames(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Locate the cells of frames and images. Class tokens belong to no cell."""
    processor = checkpoint.processor
    patch = checkpoint.model.config.vision_config.patch_size

    def place(kind: Kind, batches: Batches, positions: IntArray) -> list[PlacedLayout]:
        extra = processor.num_additional_image_tokens
        # The selection of features is for images only: videos keep their class tokens.
        if kind == "image" and processor.vision_feature_select_strategy == "default":
            extra -= 1
        layouts = [
            patch_layout(
                len(batch.frames),
                pixel_size(prompt, kind),
                (patch, patch),
                view=resized_and_cropped(getattr(processor, f"{kind}_processor"), batch),
            )
            for batch in batches
        ]
        counts = [layout.t * (extra + layout.h * layout.w) for layout in layouts]
        placed = []
        for layout, part in zip(layouts, split_counts(positions, counts, kind=kind), strict=True):
            check_runs(part, [len(part)], kind=kind)
            own = part.reshape(layout.t, -1)[:, extra:]
            placed.append(PlacedLayout(layout, own.ravel()))
        return placed

    return place_by_kind(prompt, checkpoint, place)


def name_pixels(batches: Sequence[FrameBatch], processor: Any) -> dict[str, Any]:
    """Return the processor option that names image pixels `pixel_values`, as the model expects."""
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
