"""The registry of model families: it maps the `model_type` in a config to a `Family`."""

from __future__ import annotations

from tam_video.registry import Registry

_MODULES = {
    "broken_upstream": ("kimi_k25", "nemotron_h_omni"),
    "ernie_vl": ("ernie4_5_vl_moe",),
    "gemma": ("gemma4",),
    "glm_v": ("glm46v", "glm4v", "glm4v_moe"),
    "internvl": ("internvl",),
    "llava_next_video": ("llava_next_video",),
    "llava_onevision": ("llava_onevision",),
    "minicpm_v": ("minicpmv4_6",),
    "minimax": ("minimax_m3_vl",),
    "molmo": ("molmo2",),
    "perception_lm": ("perception_lm",),
    "qwen_vl": (
        *("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"),
        *("qwen2_5_omni", "qwen2_5_omni_thinker", "qwen3_omni_moe", "qwen3_omni_moe_thinker"),
        *("cohere_compass", "cosmos3_edge", "exaone4_5", "hyperclovax_vision_v2", "lfm3_vl"),
        "muse_glimmer",
    ),
    "smolvlm": ("smolvlm",),
    "video_llama": ("video_llama_3",),
    "video_llava": ("video_llava",),
}
"""`model_type`s of each module of this package, whose constants have the same names in capitals."""

FAMILIES = Registry(
    kind="model type",
    targets={
        model_type: f"tam_video.models.{module}:{model_type.upper()}"
        for module, model_types in _MODULES.items()
        for model_type in model_types
    },
    group="tam_video.models",
)
