"""MiniMax-M3, with a layer of sparse attention and videos of several segments."""

from __future__ import annotations

from typing import Any

from zoo.common import Case, make_tokenizer, text_config

IMAGE = "]<]image[>["
VIDEO = "]<]video[>["
SPECIAL = (IMAGE, VIDEO, "]<]start of image[>[", "]<]end of image[>[", "]~b]")
TEMPLATE = (
    "]~!b[{% for m in messages %}]~b]{{ 'ai' if m['role'] == 'assistant' else m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'text' %}{{ c['text'] }}"
    f"{{% elif c['type'] == 'video' %}}{VIDEO}{{% elif c['type'] == 'image' %}}{IMAGE}"
    "{% endif %}{% endfor %}{% endif %}[e~[\n{% endfor %}"
    "{% if add_generation_prompt %}]~b]ai\n{% endif %}"
)
EXPERTS = {
    "dense_intermediate_size": 64,
    "shared_intermediate_size": 32,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "mlp_layer_types": ["dense", "sparse", "sparse"],
}
SPARSE = {
    "layer_types": ["full_attention", "minimax_m3_sparse", "full_attention"],
    "index_n_heads": 2,
    "index_head_dim": 8,
    "index_block_size": 16,
    "index_topk_blocks": 2,
}


def _build() -> tuple[Any, Any]:
    from transformers import (
        MiniMaxM3SparseForConditionalGeneration,
        MiniMaxM3VLConfig,
        MiniMaxM3VLProcessor,
        MiniMaxM3VLVideoProcessor,
    )
    from transformers.models.minimax_m3_vl.image_processing_minimax_m3_vl import (
        MiniMaxM3VLImageProcessor,
    )

    tokenizer = make_tokenizer(SPECIAL, bos="]~!b[", eos="[e~[")
    processor = MiniMaxM3VLProcessor(
        MiniMaxM3VLImageProcessor(),
        tokenizer,
        MiniMaxM3VLVideoProcessor(vision_segment_max_frames=2),
        chat_template=TEMPLATE,
    )
    config = MiniMaxM3VLConfig(
        text_config=text_config(tokenizer, head_dim=8, rotary_dim=4, **EXPERTS, **SPARSE),
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
        },
        projector_hidden_size=32,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        video_token_index=tokenizer.convert_tokens_to_ids(VIDEO),
    )
    return MiniMaxM3SparseForConditionalGeneration(config), processor


CASES = {"minimax_m3_vl": Case(_build)}
