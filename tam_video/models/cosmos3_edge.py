"""Cosmos 3 Edge: where its visual tokens sit.

As in Qwen3-VL, each slot of a video is a run of h*w tokens behind its time, `<0.5 seconds>`, but a
slot is one frame. Source: transformers 5, `models/cosmos3_edge`.
"""

from __future__ import annotations

from functools import partial

from tam_video.models.base import Family
from tam_video.models.qwen_vl import WHOLE, place_by_thw

COSMOS3_EDGE = Family(
    "cosmos3_edge", partial(place_by_thw, runs="per_slot"), "1", WHOLE, token_types=True
)
