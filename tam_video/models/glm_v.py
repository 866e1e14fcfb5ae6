"""GLM-4.1V, GLM-4.5V and GLM-4.6V: where their visual tokens sit.

Images and frames share `image_token_id`; what lies between `video_start_token_id` and
`video_end_token_id` is a video. A slot is one run of h*w tokens between the markers of an image,
followed by its time (`1` or `1.0 seconds`); an image is one run. Rows and columns are those after
merging, pictures are resized whole. Because of the shared token, transformers up to 5.23 takes
either videos or images in a prompt. Source: transformers 5, `models/glm4v` and `models/glm46v`.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from tam_video.errors import ConfigError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import (
    Kind,
    check_runs,
    place_videos_and_images,
    split_counts,
    thw_layouts,
)
from tam_video.types import FrameBatch, IntArray


def place(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Place videos and images by their grids.

    Args:
        prompt: the encoded prompt.
        checkpoint: the model and processor that made it.

    Raises:
        ConfigError: the prompt shows videos and images.
        TokenAlignmentError: placeholders and grids don't add up.
    """
    if len({batch.info.is_image for batch in prompt.inputs}) > 1:
        raise ConfigError(
            "GLM models take either videos or images in one conversation",
            hint="ask about the videos and the images one after the other",
        )
    return place_videos_and_images(prompt, partial(_place_kind, prompt, checkpoint))


def _place_kind(
    prompt: EncodedPrompt, checkpoint: Checkpoint, kind: Kind, batches: tuple[FrameBatch, ...]
) -> list[PlacedLayout]:
    layouts = thw_layouts(prompt, checkpoint.processor, batches, kind=kind)
    positions = _positions(prompt.input_ids, checkpoint.model.config, kind=kind)
    parts = split_counts(positions, [layout.num_cells for layout in layouts], kind=kind)
    for layout, part in zip(layouts, parts, strict=True):
        check_runs(part, [layout.h * layout.w] * layout.t, kind=kind)
    return list(map(PlacedLayout, layouts, parts))


def _positions(ids: IntArray, config: object, *, kind: Kind) -> IntArray:
    """Positions int64 [n] of the shared token inside of videos, or outside of them."""
    start, end, token = (
        getattr(config, name)
        for name in ("video_start_token_id", "video_end_token_id", "image_token_id")
    )
    in_video = np.cumsum(ids == start) > np.cumsum(ids == end)
    return np.flatnonzero((ids == token) & (in_video == (kind == "video")))


def _family(model_type: str) -> Family:
    return Family(
        model_type, place, "2", "whole picture, resized", least_frames=2, token_types=True
    )


GLM4V = _family("glm4v")
GLM4V_MOE = _family("glm4v_moe")
GLM46V = _family("glm46v")
