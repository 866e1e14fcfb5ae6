"""Qwen2-VL, Qwen2.5-VL, Qwen3-VL and Qwen3.5: positions of their visual tokens.

A video's tokens are `video_token_id`, row-major (t, h, w) after merging: one run of t*h*w (Qwen2,
Qwen2.5), or one run of h*w for each slot after its time, `<0.5 seconds>` (Qwen3, Qwen3.5). An
image's are `image_token_id`, one run. Frames are resized whole. Source: transformers 5,
`models/qwen{2,2_5,3}_vl`, `models/qwen3_5`.
"""

from __future__ import annotations

from functools import partial

from tam_video.models.base import Family
from tam_video.models.placing import WHOLE, place_grids
from tam_video.models.sizing import size_by_rule


def _in_one_run(model_type: str) -> Family:
    """Return a family that uses Qwen2-VL's processor."""
    place = partial(place_grids, runs="one")
    return Family(model_type, place, "2", WHOLE, token_types=True, frame_size=size_by_rule)


QWEN2_VL = _in_one_run("qwen2_vl")
QWEN2_5_VL = _in_one_run("qwen2_5_vl")


def _after_times(model_type: str) -> Family:
    """Return a family that uses Qwen3-VL's processor."""
    return Family(
        model_type,
        place_grids,
        "2",
        WHOLE,
        least_frames=2,
        token_types=True,
        frame_size=size_by_rule,
    )


QWEN3_VL = _after_times("qwen3_vl")
QWEN3_VL_MOE = _after_times("qwen3_vl_moe")
QWEN3_5 = _after_times("qwen3_5")
QWEN3_5_MOE = _after_times("qwen3_5_moe")
