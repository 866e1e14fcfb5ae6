"""PerceptionLM, with a Perception Encoder of timm as its tower."""

from __future__ import annotations

from typing import Any

from zoo.common import Case, make_tokenizer, text_config

TILE, PATCH, POOLED = 56, 7, 2
NAMED = {"image_token": "<|image|>", "video_token": "<|video|>"}
HEADER = "<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}" + HEADER + "{% for c in m['content'] %}"
    "{% if c['type'] == 'text' %}{{ c['text'] | trim }}{% else %}<|{{ c['type'] }}|>{% endif %}"
    "{% endfor %}<|eot_id|>{% endfor %}{% if add_generation_prompt %}"
    "<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
TOWER = {
    "embed_dim": 32,
    "depth": 1,
    "num_heads": 2,
    "img_size": [TILE, TILE],
    "patch_size": PATCH,
    "ref_feat_shape": [TILE // PATCH, TILE // PATCH],
    "global_pool": "",
}


def _build() -> tuple[Any, Any]:
    from transformers import (
        PerceptionLMConfig,
        PerceptionLMForConditionalGeneration,
        PerceptionLMImageProcessor,
        PerceptionLMProcessor,
        PerceptionLMVideoProcessor,
        TimmWrapperConfig,
    )

    markers = ["<|start_header_id|>", "<|end_header_id|>"]
    tokenizer = make_tokenizer(markers, named=NAMED, eos="<|eot_id|>")
    processor = PerceptionLMProcessor(
        PerceptionLMVideoProcessor(size={"height": TILE, "width": TILE}),
        PerceptionLMImageProcessor(tile_size=TILE, max_num_tiles=4),
        tokenizer,
        patch_size=PATCH,
        pooling_ratio=POOLED,
        chat_template=TEMPLATE,
    )
    config = PerceptionLMConfig(
        text_config={"model_type": "llama", **text_config(tokenizer)},
        vision_config=TimmWrapperConfig(
            architecture="vit_pe_lang_large_patch14_448", model_args=TOWER
        ),
        vision_use_cls_token=True,
        projector_pooling_ratio=POOLED,
        image_token_id=tokenizer.convert_tokens_to_ids("<|image|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video|>"),
        tie_word_embeddings=False,
    )
    return PerceptionLMForConditionalGeneration(config), processor


CASES = {"perception_lm": Case(_build)}
