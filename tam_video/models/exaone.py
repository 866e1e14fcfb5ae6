"""EXAONE 4.5: where its visual tokens sit.

As in Qwen2.5-VL, a video's tokens are one run, row-major (t, h, w) after merging; the decoder
counts positions in one dimension. Source: transformers 5, `models/exaone4_5`.
"""

from __future__ import annotations

from functools import partial

from tam_video.models.base import Family
from tam_video.models.qwen_vl import WHOLE, place_by_thw

EXAONE4_5 = Family("exaone4_5", partial(place_by_thw, runs="one"), "2", WHOLE)
