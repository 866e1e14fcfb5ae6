"""Locate the visual tokens of Qwen-VL, Qwen-Omni and the families with the same token order.

A video's tokens are `video_token_id`, row-major (t, h, w) after merging: one run of t*h*w as in
Qwen2-VL, or one run of h*w for each slot after its time, `<0.5 seconds>`, as in Qwen3-VL. An
image's are `image_token_id`, one run. Frames are resized whole. Source: transformers 5, the folder
of each family's name in `models`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from tam_video.models.base import Family, LogitTransform, Size
from tam_video.models.placing import WHOLE, place_grids
from tam_video.types import FrameBatch

place_in_one_run = partial(place_grids, runs="one")


def size_by_rule(processor: Any, num_frames: int, source: Size) -> Size | None:
    """Resize a meta tensor to learn the size to which the video processor resizes frames.

    Source: `resize` of transformers' video processors of the Qwen-VL families, called as in
    `_preprocess`. The result is None if frames of that size would be resized again.
    """
    rule = processor.video_processor
    if not rule.do_resize:
        return None
    size = _resized(rule, num_frames, source)
    return size if _resized(rule, num_frames, size) == size else None


def _resized(rule: Any, num_frames: int, source: Size) -> Size:
    import torch

    resized = rule.resize(
        videos=torch.empty(1, num_frames, 3, *source, dtype=torch.uint8, device="meta"),
        size=rule.size,
        resample=rule.resample,
        factor=rule.patch_size * rule.merge_size,
        temporal_factor=rule.temporal_patch_size,
        cap_pixels_per_frame=bool(rule.cap_pixels_per_frame),
    )
    height, width = resized.shape[-2:]
    return int(height), int(width)


def _like_qwen2(model_type: str) -> Family:
    return Family(
        model_type, place_in_one_run, "2", WHOLE, token_types=True, frame_size=size_by_rule
    )


def _like_qwen3(model_type: str) -> Family:
    return Family(
        model_type,
        place_grids,
        "2",
        WHOLE,
        least_frames=2,
        token_types=True,
        frame_size=size_by_rule,
    )


QWEN2_VL = _like_qwen2("qwen2_vl")
QWEN2_5_VL = _like_qwen2("qwen2_5_vl")
QWEN3_VL = _like_qwen3("qwen3_vl")
QWEN3_VL_MOE = _like_qwen3("qwen3_vl_moe")
QWEN3_5 = _like_qwen3("qwen3_5")
QWEN3_5_MOE = _like_qwen3("qwen3_5_moe")


def true_frame_rate(batches: Sequence[FrameBatch], _processor: Any) -> dict[str, Any]:
    """Return the videos' frame rate as a processor option, or {} if no video has several frames.

    The processor computes the slots' times (M-RoPE) from one rate for all videos of a prompt, by
    default 2 (Qwen2.5) or 1 (Qwen3). The mean over several videos is passed.
    """
    videos = [each for each in batches if not each.info.is_image and len(each.frames) > 1]
    steps = sum(len(video.frames) - 1 for video in videos)
    span_seconds = sum(float(video.pts_seconds[-1] - video.pts_seconds[0]) for video in videos)
    return {"fps": steps / span_seconds} if span_seconds > 0 else {}


def _thinker(model_type: str, class_name: str) -> Family:
    """Return the family of the thinker, the part of an Omni model that answers in text.

    Talker and vocoder are not loaded, and no audio is passed.
    """
    return Family(
        model_type,
        place_in_one_run,
        "2",
        WHOLE,
        processor_options=true_frame_rate,
        model_class=f"{class_name}ThinkerForConditionalGeneration",
    )


QWEN2_5_OMNI = _thinker("qwen2_5_omni", "Qwen2_5Omni")
QWEN2_5_OMNI_THINKER = _thinker("qwen2_5_omni_thinker", "Qwen2_5Omni")
QWEN3_OMNI_MOE = _thinker("qwen3_omni_moe", "Qwen3OmniMoe")
QWEN3_OMNI_MOE_THINKER = _thinker("qwen3_omni_moe_thinker", "Qwen3OmniMoe")


def _compass_logits(config: Any) -> LogitTransform:
    scale = config.text_config.logit_scale
    return LogitTransform() if scale is None else LogitTransform(scale=float(scale))


def _clova_logits(config: Any) -> LogitTransform:
    """Return a transform that multiplies logits by `logits_scaling`. Granite divides by it."""
    return LogitTransform(scale=float(config.text_config.logits_scaling))


def _muse_logits(config: Any) -> LogitTransform:
    text = config.text_config
    return LogitTransform(scale=text.output_multiplier, softcap=text.final_logit_softcapping)


# The decoders of EXAONE, HyperCLOVA X and LFM have position ids of one dimension.
COHERE_COMPASS = Family(
    "cohere_compass",
    place_grids,
    "2",
    WHOLE,
    least_frames=2,
    token_types=True,
    logit_transform=_compass_logits,
)
COSMOS3_EDGE = Family("cosmos3_edge", place_grids, "1", WHOLE, token_types=True)
EXAONE4_5 = Family("exaone4_5", place_in_one_run, "2", WHOLE)
HYPERCLOVAX_VISION_V2 = Family(
    "hyperclovax_vision_v2", place_in_one_run, "2", WHOLE, logit_transform=_clova_logits
)
LFM3_VL = Family("lfm3_vl", place_grids, "2", WHOLE, least_frames=2, decoder_norm="embedding_norm")
MUSE_GLIMMER = Family("muse_glimmer", place_grids, "2", WHOLE, logit_transform=_muse_logits)
