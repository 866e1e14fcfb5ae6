"""Locate the visual tokens of GLM-4.1V, GLM-4.5V and GLM-4.6V.

Images and frames share `image_token_id`; the part between `video_start_token_id` and
`video_end_token_id` is a video. A slot is one run of h*w tokens between the markers of an image,
followed by its time (`1` or `1.0 seconds`); an image is one run. Rows and columns are those after
merging, frames are resized whole. Because of the shared token, transformers up to 5.23 takes
either videos or images in a prompt. Source: transformers 5, `models/glm4v` and `models/glm46v`.
"""

from __future__ import annotations

import numpy as np

from tam_video.errors import ConfigError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import WHOLE, Kind, place_grids
from tam_video.types import IntArray


def place(prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Locate the cells of videos or images by the processor's grids."""
    if len({batch.info.is_image for batch in prompt.inputs}) > 1:
        raise ConfigError(
            "GLM models take either videos or images in one conversation",
            hint="ask about the videos and the images in separate conversations",
        )
    return place_grids(prompt, checkpoint, positions_of=_positions)


def _positions(prompt: EncodedPrompt, checkpoint: Checkpoint, kind: Kind) -> IntArray:
    """Return the positions of the visual tokens of one kind, "video" or "image": int64 [n]."""
    start, end, token = (
        getattr(checkpoint.model.config, name)
        for name in ("video_start_token_id", "video_end_token_id", "image_token_id")
    )
    ids = prompt.input_ids
    in_video = np.cumsum(ids == start) > np.cumsum(ids == end)
    return np.flatnonzero((ids == token) & (in_video == (kind == "video")))


def _family(model_type: str) -> Family:
    return Family(model_type, place, "2", WHOLE, least_frames=2, token_types=True)


GLM4V = _family("glm4v")
GLM4V_MOE = _family("glm4v_moe")
GLM46V = _family("glm46v")
