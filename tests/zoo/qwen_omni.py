"""Qwen2.5-Omni and Qwen3-Omni: the thinkers alone, and whole checkpoints with their talkers."""

from __future__ import annotations

from functools import partial
from typing import Any

from zoo.common import Case, chat_template, make_tokenizer, text_config

AUDIO = {
    "num_mel_bins": 16,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "d_model": 16,
    "output_dim": 32,
    "max_source_positions": 100,
    "n_window": 10,
}
VISION = {
    "depth": 2,
    "hidden_size": 32,
    "num_heads": 2,
    "intermediate_size": 64,
    "out_hidden_size": 32,
}
EXPERTS = {"moe_intermediate_size": 32, "num_experts": 4, "num_experts_per_tok": 2}
NAMES_2_5 = {
    "image_token": "<|IMAGE|>",
    "audio_token": "<|AUDIO|>",
    "video_token": "<|VIDEO|>",
    "vision_bos_token": "<|vision_bos|>",
    "vision_eos_token": "<|vision_eos|>",
    "audio_bos_token": "<|audio_bos|>",
    "audio_eos_token": "<|audio_eos|>",
}
NAMES_3 = {
    "image_token": "<|image_pad|>",
    "audio_token": "<|audio_pad|>",
    "video_token": "<|video_pad|>",
    "vision_bos_token": "<|vision_start|>",
    "vision_eos_token": "<|vision_end|>",
    "audio_bos_token": "<|audio_start|>",
    "audio_eos_token": "<|audio_end|>",
}


def _rope(**more: Any) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": 10000.0, **more}


def _tokenizer(names: dict[str, str]) -> Any:
    return make_tokenizer(["<|im_start|>"], named=names, eos="<|im_end|>")


def _processor(kind: str, tokenizer: Any, names: dict[str, str], *, patch_size: int) -> Any:
    import transformers

    size = {"shortest_edge": (2 * patch_size) ** 2, "longest_edge": 16 * (2 * patch_size) ** 2}
    start, end = names["vision_bos_token"], names["vision_eos_token"]
    return getattr(transformers, kind)(
        transformers.Qwen2VLImageProcessor(size=size, patch_size=patch_size),
        transformers.Qwen2VLVideoProcessor(patch_size=patch_size, cap_pixels_per_frame=False),
        transformers.WhisperFeatureExtractor(feature_size=16),
        tokenizer,
        chat_template=chat_template(
            video=f"{start}{names['video_token']}{end}", image=f"{start}{names['image_token']}{end}"
        ),
    )


def _thinker_2_5(tokenizer: Any) -> dict[str, Any]:
    ids = tokenizer.convert_tokens_to_ids
    return {
        "audio_config": AUDIO,
        "vision_config": {**VISION, "window_size": 56, "fullatt_block_indexes": [1]},
        "text_config": text_config(
            tokenizer,
            rope_parameters=_rope(mrope_section=[1, 1, 2]),
            bos_token_id=tokenizer.bos_token_id,
        ),
        "audio_token_index": ids("<|AUDIO|>"),
        "image_token_index": ids("<|IMAGE|>"),
        "video_token_index": ids("<|VIDEO|>"),
        "audio_start_token_id": ids("<|audio_bos|>"),
        "audio_end_token_id": ids("<|audio_eos|>"),
        "vision_start_token_id": ids("<|vision_bos|>"),
        "vision_end_token_id": ids("<|vision_eos|>"),
    }


def _thinker_3(tokenizer: Any) -> dict[str, Any]:
    ids = tokenizer.convert_tokens_to_ids
    return {
        "audio_config": {**AUDIO, "downsample_hidden_size": 8},
        "vision_config": {
            **VISION,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        "text_config": text_config(
            tokenizer,
            head_dim=8,
            rope_parameters=_rope(mrope_section=[2, 1, 1], mrope_interleaved=True),
            **EXPERTS,
        ),
        "audio_token_id": ids("<|audio_pad|>"),
        "image_token_id": ids("<|image_pad|>"),
        "video_token_id": ids("<|video_pad|>"),
        "vision_start_token_id": ids("<|vision_start|>"),
        "vision_end_token_id": ids("<|vision_end|>"),
        "audio_start_token_id": ids("<|audio_start|>"),
    }


def _talker_2_5() -> dict[str, Any]:
    """Speech parts, so that the checkpoint holds weights that no one asks for."""
    speech = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "vocab_size": 32,
        "embedding_size": 32,
        "rope_parameters": _rope(mrope_section=[1, 1, 2]),
        "pad_token_id": 0,
    }
    mel = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "head_dim": 8,
        "emb_dim": 16,
        "num_embeds": 9,
        "enc_emb_dim": 8,
        "enc_dim": 8,
        "enc_channels": [8, 8, 8],
        "enc_kernel_sizes": [5, 3, 1],
        "enc_dilations": [1, 2, 1],
        "enc_attention_channels": 4,
        "enc_se_channels": 4,
    }
    wave = {
        "upsample_initial_channel": 8,
        "upsample_rates": [2],
        "upsample_kernel_sizes": [4],
        "resblock_kernel_sizes": [3],
        "resblock_dilation_sizes": [[1, 3, 5]],
    }
    return {
        "talker_config": speech,
        "token2wav_config": {"dit_config": mel, "bigvgan_config": wave},
    }


def _talker_3() -> dict[str, Any]:
    """Speech parts, so that the checkpoint holds weights that no one asks for."""
    decoder = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "vocab_size": 32,
        "pad_token_id": 0,
        "rope_parameters": _rope(),
    }
    rope = _rope(mrope_section=[2, 1, 1], mrope_interleaved=True)
    talker = {
        **decoder,
        **EXPERTS,
        "shared_expert_intermediate_size": 16,
        "rope_parameters": rope,
    }
    wave = {
        "codebook_size": 16,
        "hidden_size": 16,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_quantizers": 2,
        "upsample_rates": [2],
        "upsampling_ratios": [2],
        "decoder_dim": 16,
    }
    return {
        "talker_config": {
            "text_config": talker,
            "code_predictor_config": {**decoder, "num_code_groups": 2},
            "num_code_groups": 2,
            "thinker_hidden_size": 32,
            "spatial_merge_size": 2,
        },
        "code2wav_config": wave,
    }


def _build_2_5(*, whole: bool) -> tuple[Any, Any]:
    from transformers import (
        Qwen2_5OmniConfig,
        Qwen2_5OmniForConditionalGeneration,
        Qwen2_5OmniThinkerConfig,
        Qwen2_5OmniThinkerForConditionalGeneration,
    )

    tokenizer = _tokenizer(NAMES_2_5)
    processor = _processor("Qwen2_5OmniProcessor", tokenizer, NAMES_2_5, patch_size=14)
    thinker = _thinker_2_5(tokenizer)
    if not whole:
        config = Qwen2_5OmniThinkerConfig(**thinker)
        return Qwen2_5OmniThinkerForConditionalGeneration(config), processor
    wrapper = Qwen2_5OmniConfig(thinker_config=thinker, **_talker_2_5())
    return Qwen2_5OmniForConditionalGeneration(wrapper), processor


def _build_3(*, whole: bool) -> tuple[Any, Any]:
    from transformers import (
        Qwen3OmniMoeConfig,
        Qwen3OmniMoeForConditionalGeneration,
        Qwen3OmniMoeThinkerConfig,
        Qwen3OmniMoeThinkerForConditionalGeneration,
    )

    tokenizer = _tokenizer(NAMES_3)
    processor = _processor("Qwen3OmniMoeProcessor", tokenizer, NAMES_3, patch_size=16)
    thinker = _thinker_3(tokenizer)
    if not whole:
        config = Qwen3OmniMoeThinkerConfig(**thinker)
        return Qwen3OmniMoeThinkerForConditionalGeneration(config), processor
    wrapper = Qwen3OmniMoeConfig(thinker_config=thinker, **_talker_3())
    return Qwen3OmniMoeForConditionalGeneration(wrapper), processor


CASES = {
    "qwen2_5_omni": Case(partial(_build_2_5, whole=True)),
    "qwen2_5_omni_thinker": Case(partial(_build_2_5, whole=False)),
    "qwen3_omni_moe": Case(partial(_build_3, whole=True)),
    "qwen3_omni_moe_thinker": Case(partial(_build_3, whole=False)),
}
