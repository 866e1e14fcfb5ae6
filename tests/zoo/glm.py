"""GLM-4.1V, GLM-4.5V (mixture of experts), GLM-4.6V."""

from __future__ import annotations

from functools import partial
from typing import Any

from zoo.common import Case, make_tokenizer, text_config

MARKERS = {
    "image_token_id": "<|image|>",
    "video_token_id": "<|video|>",
    "image_start_token_id": "<|begin_of_image|>",
    "image_end_token_id": "<|end_of_image|>",
    "video_start_token_id": "<|begin_of_video|>",
    "video_end_token_id": "<|end_of_video|>",
}
ROLES = ("[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>")
TEMPLATE = (
    "[gMASK]<sop>{% for m in messages %}<|{{ m['role'] }}|>\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'text' %}{{ c['text'] }}"
    "{% elif c['type'] == 'video' %}<|begin_of_video|><|video|><|end_of_video|>"
    "{% elif c['type'] == 'image' %}<|begin_of_image|><|image|><|end_of_image|>"
    "{% endif %}{% endfor %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
SIZE = {"shortest_edge": 28 * 28 * 2, "longest_edge": 28 * 28 * 128}
VISION = {
    "depth": 1,
    "hidden_size": 32,
    "num_heads": 2,
    "image_size": 56,
    "patch_size": 14,
    "out_hidden_size": 32,
    "intermediate_size": 64,
}
EXPERTS = {"moe_intermediate_size": 32, "n_routed_experts": 4, "num_experts_per_tok": 2}


def _rope(*sections: int, **more: Any) -> dict[str, Any]:
    return {
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": list(sections),
            **more,
        }
    }


def _build(model_type: str) -> tuple[Any, Any]:
    import transformers

    prefix, processors = {
        "glm4v": ("Glm4v", "Glm4v"),
        "glm4v_moe": ("Glm4vMoe", "Glm4v"),
        "glm46v": ("Glm46V", "Glm46V"),
    }[model_type]
    tokenizer = make_tokenizer([*ROLES, *MARKERS.values()], eos="<|user|>", pad="<|endoftext|>")
    processor = getattr(transformers, f"{processors}Processor")(
        getattr(transformers, f"{processors}ImageProcessor")(size=SIZE),
        tokenizer,
        getattr(transformers, f"{processors}VideoProcessor")(size=SIZE),
        chat_template=TEMPLATE,
    )
    text = text_config(tokenizer, **_rope(2, 1, 1))
    if model_type == "glm4v_moe":
        text |= {**EXPERTS, **_rope(1, 1, 0, partial_rotary_factor=0.5)}
    config = getattr(transformers, f"{prefix}Config")(
        text_config=text,
        vision_config=VISION,
        tie_word_embeddings=False,
        **{name: tokenizer.convert_tokens_to_ids(token) for name, token in MARKERS.items()},
    )
    return getattr(transformers, f"{prefix}ForConditionalGeneration")(config), processor


CASES = {name: Case(partial(_build, name)) for name in ("glm4v", "glm4v_moe", "glm46v")}
