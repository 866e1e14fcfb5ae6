"""EXAONE 4.5: positions of its visual tokens.

As in Qwen2.5-VL, a video's tokens are one run, row-major (t, h, w) after merging; the decoder's
position ids have one dimension. Source: transformers 5, `models/exaone4_5`.
"""

from __future__ import annotations

from functools import partial

from tam_video.models.base import Family
from tam_video.models.placing import WHOLE, place_grids

EXAONE4_5 = Family("exaone4_5", partial(place_grids, runs="one"), "2", WHOLE)
