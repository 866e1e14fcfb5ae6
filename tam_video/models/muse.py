"""Muse Glimmer: positions of its visual tokens, and its logit scale and softcap.

A video's tokens are `video_token_id`, a run of h*w after merging for each slot of two frames after
its time, `Time: 0.5s`; an image's are `image_token_id`, one run. Frames are resized whole. Logits
are scaled, then softcapped. Source: transformers 5, `models/muse_glimmer`.
"""

from __future__ import annotations

from typing import Any

from tam_video.models.base import Family, LogitTransform
from tam_video.models.placing import WHOLE, place_grids


def scaled_and_softcapped(config: Any) -> LogitTransform:
    """Return the decoder's output multiplier and softcap."""
    text = config.text_config
    return LogitTransform(scale=text.output_multiplier, softcap=text.final_logit_softcapping)


MUSE_GLIMMER = Family(
    "muse_glimmer", place_grids, "2", WHOLE, logit_transform=scaled_and_softcapped
)
