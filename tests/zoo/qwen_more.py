"""Qwen3-VL-MoE, Qwen3.5 and Qwen3.5-MoE: Qwen3-VL's processor before other decoders."""

from __future__ import annotations

from functools import partial
from typing import Any

from zoo.common import Case, chat_template, make_tokenizer, text_config

SPECIAL = (
    "<|im_start|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
TEMPLATE = chat_template(
    video="<|vision_start|><|video_pad|><|vision_end|>",
    image="<|vision_start|><|image_pad|><|vision_end|>",
)
SIZE = {"shortest_edge": 32 * 32 * 2, "longest_edge": 32 * 32 * 64}
VISION = {
    "depth": 2,
    "hidden_size": 32,
    "num_heads": 2,
    "intermediate_size": 64,
    "out_hidden_size": 32,
    "patch_size": 16,
    "num_position_embeddings": 16,
}
EXPERTS = {"moe_intermediate_size": 32, "num_experts": 4, "num_experts_per_tok": 2}
# Three layers in four are linear attention in the released models.
LINEAR = {
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    "head_dim": 16,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}


def _rope(**more: Any) -> dict[str, Any]:
    return {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [2, 1, 1],
        "mrope_interleaved": True,
        **more,
    }


def _processor(tokenizer: Any) -> Any:
    from transformers import Qwen2VLImageProcessor, Qwen3VLProcessor, Qwen3VLVideoProcessor

    return Qwen3VLProcessor(
        Qwen2VLImageProcessor(patch_size=16, size=SIZE),
        tokenizer,
        Qwen3VLVideoProcessor(size=SIZE, cap_pixels_per_frame=False),
        chat_template=TEMPLATE,
    )


def _build(name: str, text: dict[str, Any], vision: dict[str, Any]) -> tuple[Any, Any]:
    """A model and its processor; `name` is what transformers' classes start with."""
    import transformers

    tokenizer = make_tokenizer(SPECIAL, eos="<|im_end|>")
    config = getattr(transformers, f"{name}Config")(
        text_config=text_config(tokenizer, **text),
        vision_config={**VISION, **vision},
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        tie_word_embeddings=False,
    )
    model = getattr(transformers, f"{name}ForConditionalGeneration")(config)
    return model, _processor(tokenizer)


def _qwen3_vl_moe() -> tuple[Any, Any]:
    text = {**EXPERTS, "head_dim": 8, "rope_parameters": _rope(), "tie_word_embeddings": False}
    return _build("Qwen3VLMoe", text, {"deepstack_visual_indexes": [0]})


def _qwen3_5(name: str, **text: Any) -> tuple[Any, Any]:
    rope = _rope(partial_rotary_factor=0.5)
    return _build(name, {**LINEAR, "rope_parameters": rope, **text}, {})


CASES = {
    "qwen3_vl_moe": Case(_qwen3_vl_moe),
    "qwen3_5": Case(partial(_qwen3_5, "Qwen3_5")),
    "qwen3_5_moe": Case(
        partial(_qwen3_5, "Qwen3_5Moe", **EXPERTS, shared_expert_intermediate_size=32)
    ),
}
