"""Which families are known: `model_type` of a config to the object that tells about it."""

from __future__ import annotations

from tam_video.registry import Registry

FAMILIES = Registry(
    kind="model type",
    targets={
        "qwen2_vl": "tam_video.models.qwen_vl:QWEN2_VL",
        "qwen2_5_vl": "tam_video.models.qwen_vl:QWEN2_5_VL",
        "qwen3_vl": "tam_video.models.qwen_vl:QWEN3_VL",
    },
    group="tam_video.models",
)
