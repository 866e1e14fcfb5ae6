"""HyperCLOVA X Vision v2: where its visual tokens sit, and how it scales its logits.

As in Qwen2.5-VL, a video's tokens are one run, row-major (t, h, w) after merging; the decoder
counts positions in one dimension. Source: transformers 5, `models/hyperclovax_vision_v2`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from tam_video.models.base import Family, LogitTransform
from tam_video.models.qwen_vl import WHOLE, place_by_thw


def scaled_logits(config: Any) -> LogitTransform:
    """The model multiplies with its muP factor (Granite, from which it stems, divides)."""
    return LogitTransform(scale=float(config.text_config.logits_scaling))


HYPERCLOVAX_VISION_V2 = Family(
    "hyperclovax_vision_v2",
    partial(place_by_thw, runs="one"),
    "2",
    WHOLE,
    logit_transform=scaled_logits,
)
