"""Qwen2.5-Omni and Qwen3-Omni: positions of the visual tokens of their thinkers.

The thinker takes the inputs and answers in text; talker and vocoder are not loaded, and no audio is
passed. Its tokens lie as in Qwen2.5-VL: a video's are one run, row-major (t, h, w) after merging.
Source: transformers 5, `models/qwen2_5_omni`, `models/qwen3_omni_moe`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from tam_video.models.base import Family
from tam_video.models.placing import WHOLE, place_grids
from tam_video.types import FrameBatch


def true_frame_rate(batches: Sequence[FrameBatch], _processor: Any) -> dict[str, Any]:
    """Return the frame rate of the sampled frames as a processor option.

    The processor computes the slots' times (M-RoPE) from one rate for all videos of a prompt, by
    default 2 (Qwen2.5) or 1 (Qwen3). The mean over several videos is passed.

    Args:
        batches: the frames of each vision input.

    Returns:
        `fps`, if any video has two frames.
    """
    videos = [each for each in batches if not each.info.is_image and len(each.frames) > 1]
    steps = sum(len(video.frames) - 1 for video in videos)
    span_seconds = sum(float(video.pts_seconds[-1] - video.pts_seconds[0]) for video in videos)
    return {"fps": steps / span_seconds} if span_seconds > 0 else {}


def _thinker(model_type: str, class_name: str) -> Family:
    return Family(
        model_type,
        partial(place_grids, runs="one"),
        "2",
        WHOLE,
        processor_options=true_frame_rate,
        model_class=class_name,
    )


QWEN2_5_OMNI = _thinker("qwen2_5_omni", "Qwen2_5OmniThinkerForConditionalGeneration")
QWEN2_5_OMNI_THINKER = _thinker(
    "qwen2_5_omni_thinker", "Qwen2_5OmniThinkerForConditionalGeneration"
)
QWEN3_OMNI_MOE = _thinker("qwen3_omni_moe", "Qwen3OmniMoeThinkerForConditionalGeneration")
QWEN3_OMNI_MOE_THINKER = _thinker(
    "qwen3_omni_moe_thinker", "Qwen3OmniMoeThinkerForConditionalGeneration"
)
