"""HyperCLOVA X Vision v2: positions of its visual tokens, and its logit scale.

As in Qwen2.5-VL, a video's tokens are one run, row-major (t, h, w) after merging; the decoder's
position ids have one dimension. Source: transformers 5, `models/hyperclovax_vision_v2`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from tam_video.models.base import Family, LogitTransform
from tam_video.models.placing import WHOLE, place_grids


def scaled_logits(config: Any) -> LogitTransform:
    """Return the muP factor: a multiplier here, a divisor in Granite, from which it derives."""
    return LogitTransform(scale=float(config.text_config.logits_scaling))


HYPERCLOVAX_VISION_V2 = Family(
    "hyperclovax_vision_v2",
    partial(place_grids, runs="one"),
    "2",
    WHOLE,
    logit_transform=scaled_logits,
)
