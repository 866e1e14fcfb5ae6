"""Muse Glimmer: where its visual tokens sit, and what it does to its logits.

A video's tokens are `video_token_id`, a run of h*w after merging for each slot of two frames behind
its time, `Time: 0.5s`; an image's are `image_token_id`, one run. Pictures are resized whole. Logits
are scaled before they are softcapped. Source: transformers 5, `models/muse_glimmer`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from tam_video.models.base import Family, LogitTransform
from tam_video.models.qwen_vl import WHOLE, place_by_thw


def scaled_and_softcapped(config: Any) -> LogitTransform:
    """The decoder's output multiplier, then its softcap."""
    text = config.text_config
    return LogitTransform(scale=text.output_multiplier, softcap=text.final_logit_softcapping)


MUSE_GLIMMER = Family(
    "muse_glimmer",
    partial(place_by_thw, runs="per_slot"),
    "2",
    WHOLE,
    logit_transform=scaled_and_softcapped,
)
