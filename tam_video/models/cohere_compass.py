"""Cohere Compass: positions of its visual tokens, and its logit scale.

As in Qwen3-VL, each slot of a video is a run of h*w tokens after its time, `<0.5 seconds>`.
Source: transformers 5, `models/cohere_compass`.
"""

from __future__ import annotations

from typing import Any

from tam_video.models.base import Family, LogitTransform
from tam_video.models.placing import WHOLE, place_grids


def scaled_logits(config: Any) -> LogitTransform:
    """Return the config's `logit_scale`, a factor, if it has one."""
    scale = config.text_config.logit_scale
    return LogitTransform() if scale is None else LogitTransform(scale=float(scale))


COHERE_COMPASS = Family(
    "cohere_compass",
    place_grids,
    "2",
    WHOLE,
    least_frames=2,
    token_types=True,
    logit_transform=scaled_logits,
)
