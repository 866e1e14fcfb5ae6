"""Cohere Compass: where its visual tokens sit, and how it scales its logits.

As in Qwen3-VL, each slot of a video is a run of h*w tokens behind its time, `<0.5 seconds>`.
Source: transformers 5, `models/cohere_compass`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from tam_video.models.base import Family, LogitTransform
from tam_video.models.qwen_vl import WHOLE, place_by_thw


def scaled_logits(config: Any) -> LogitTransform:
    """The model multiplies with `logit_scale`, where its config has one."""
    scale = config.text_config.logit_scale
    return LogitTransform() if scale is None else LogitTransform(scale=float(scale))


COHERE_COMPASS = Family(
    "cohere_compass",
    partial(place_by_thw, runs="per_slot"),
    "2",
    WHOLE,
    least_frames=2,
    token_types=True,
    logit_transform=scaled_logits,
)
