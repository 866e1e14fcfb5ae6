"""Cosmos 3 Edge: positions of its visual tokens.

As in Qwen3-VL, each slot of a video is a run of h*w tokens after its time, `<0.5 seconds>`, but a
slot is one frame. Source: transformers 5, `models/cosmos3_edge`.
"""

from __future__ import annotations

from tam_video.models.base import Family
from tam_video.models.placing import WHOLE, place_grids

COSMOS3_EDGE = Family("cosmos3_edge", place_grids, "1", WHOLE, token_types=True)
