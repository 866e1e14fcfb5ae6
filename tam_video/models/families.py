"""The registry of model families: `model_type` of a config to its `Family`."""

from __future__ import annotations

from tam_video.registry import Registry

_HERE = "tam_video.models"

FAMILIES = Registry(
    kind="model type",
    targets={
        "cohere_compass": f"{_HERE}.cohere_compass:COHERE_COMPASS",
        "cosmos3_edge": f"{_HERE}.cosmos3_edge:COSMOS3_EDGE",
        "ernie4_5_vl_moe": f"{_HERE}.ernie_vl:ERNIE4_5_VL_MOE",
        "exaone4_5": f"{_HERE}.exaone:EXAONE4_5",
        "gemma4": f"{_HERE}.gemma:GEMMA4",
        "glm46v": f"{_HERE}.glm_v:GLM46V",
        "glm4v": f"{_HERE}.glm_v:GLM4V",
        "glm4v_moe": f"{_HERE}.glm_v:GLM4V_MOE",
        "hyperclovax_vision_v2": f"{_HERE}.hyperclovax:HYPERCLOVAX_VISION_V2",
        "internvl": f"{_HERE}.internvl:INTERNVL",
        "kimi_k25": f"{_HERE}.kimi:KIMI_K25",
        "lfm3_vl": f"{_HERE}.lfm_vl:LFM3_VL",
        "llava_next_video": f"{_HERE}.llava_next_video:LLAVA_NEXT_VIDEO",
        "llava_onevision": f"{_HERE}.llava_onevision:LLAVA_ONEVISION",
        "minicpmv4_6": f"{_HERE}.minicpm_v:MINICPMV4_6",
        "minimax_m3_vl": f"{_HERE}.minimax:MINIMAX_M3_VL",
        "molmo2": f"{_HERE}.molmo:MOLMO2",
        "muse_glimmer": f"{_HERE}.muse:MUSE_GLIMMER",
        "nemotron_h_omni": f"{_HERE}.nemotron:NEMOTRON_H_OMNI",
        "perception_lm": f"{_HERE}.perception_lm:PERCEPTION_LM",
        "qwen2_5_omni": f"{_HERE}.qwen_omni:QWEN2_5_OMNI",
        "qwen2_5_omni_thinker": f"{_HERE}.qwen_omni:QWEN2_5_OMNI_THINKER",
        "qwen2_5_vl": f"{_HERE}.qwen_vl:QWEN2_5_VL",
        "qwen2_vl": f"{_HERE}.qwen_vl:QWEN2_VL",
        "qwen3_5": f"{_HERE}.qwen_vl:QWEN3_5",
        "qwen3_5_moe": f"{_HERE}.qwen_vl:QWEN3_5_MOE",
        "qwen3_omni_moe": f"{_HERE}.qwen_omni:QWEN3_OMNI_MOE",
        "qwen3_omni_moe_thinker": f"{_HERE}.qwen_omni:QWEN3_OMNI_MOE_THINKER",
        "qwen3_vl": f"{_HERE}.qwen_vl:QWEN3_VL",
        "qwen3_vl_moe": f"{_HERE}.qwen_vl:QWEN3_VL_MOE",
        "smolvlm": f"{_HERE}.smolvlm:SMOLVLM",
        "video_llama_3": f"{_HERE}.video_llama:VIDEO_LLAMA_3",
        "video_llava": f"{_HERE}.video_llava:VIDEO_LLAVA",
    },
    group="tam_video.models",
)
