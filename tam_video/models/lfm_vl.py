"""LFM3-VL: positions of its visual tokens.

As in Qwen3-VL, each slot of a video is a run of h*w tokens after its time, `<0.5 seconds>`; the
decoder's position ids have one dimension, and its final norm is called `embedding_norm`. Source:
transformers 5, `models/lfm3_vl`, `models/lfm3`.
"""

from __future__ import annotations

from tam_video.models.base import Family
from tam_video.models.placing import WHOLE, place_grids

LFM3_VL = Family("lfm3_vl", place_grids, "2", WHOLE, least_frames=2, decoder_norm="embedding_norm")
