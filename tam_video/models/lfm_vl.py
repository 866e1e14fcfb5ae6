"""LFM3-VL: where its visual tokens sit.

As in Qwen3-VL, each slot of a video is a run of h*w tokens behind its time, `<0.5 seconds>`; the
decoder counts positions in one dimension, and names its final norm `embedding_norm`. Source:
transformers 5, `models/lfm3_vl`, `models/lfm3`.
"""

from __future__ import annotations

from functools import partial

from tam_video.models.base import Family
from tam_video.models.qwen_vl import WHOLE, place_by_thw

LFM3_VL = Family(
    "lfm3_vl",
    partial(place_by_thw, runs="per_slot"),
    "2",
    WHOLE,
    least_frames=2,
    decoder_norm="embedding_norm",
)
