"""ERNIE 4.5 VL, with the times drawn on the frames as its checkpoints do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tam_video.render
from zoo.common import Case, make_tokenizer, text_config

NAMED = {
    "image_token": "<|IMAGE_PLACEHOLDER|>",
    "image_start_token": "<|IMAGE_START|>",
    "image_end_token": "<|IMAGE_END|>",
    "video_token": "<|VIDEO_PLACEHOLDER|>",
    "video_start_token": "<|VIDEO_START|>",
    "video_end_token": "<|VIDEO_END|>",
}
TEMPLATE = (
    "<|begin_of_sentence|>{% for m in messages %}"
    "{{ {'user': 'User: ', 'assistant': 'Assistant: '}.get(m['role'], '') }}"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'text' %}{{ c['text'] }}"
    "{% elif c['type'] == 'video' %}"
    "Video 1:<|VIDEO_START|><|VIDEO_PLACEHOLDER|><|VIDEO_END|>"
    "{% elif c['type'] == 'image' %}"
    "Picture 1:<|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>"
    "{% endif %}{% endfor %}{% endif %}"
    "{% if m['role'] == 'assistant' %}<|end_of_sentence|>{% else %}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}Assistant: {% endif %}"
)
SIZE = {"shortest_edge": 28 * 28, "longest_edge": 28 * 28 * 16}
FONT = Path(tam_video.render.__file__).with_name("fonts") / "DejaVuSans.ttf"


def _build() -> tuple[Any, Any]:
    from transformers import (
        Ernie4_5_VLMoeConfig,
        Ernie4_5_VLMoeForConditionalGeneration,
        Ernie4_5_VLMoeImageProcessor,
        Ernie4_5_VLMoeProcessor,
        Ernie4_5_VLMoeVideoProcessor,
    )

    tokenizer = make_tokenizer(
        (), named=NAMED, bos="<|begin_of_sentence|>", eos="<|end_of_sentence|>"
    )
    processor = Ernie4_5_VLMoeProcessor(
        Ernie4_5_VLMoeImageProcessor(size=SIZE),
        tokenizer,
        Ernie4_5_VLMoeVideoProcessor(size=SIZE, draw_on_frames=True, font=str(FONT)),
        chat_template=TEMPLATE,
    )
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
    config = Ernie4_5_VLMoeConfig(
        text_config=text_config(
            tokenizer,
            moe_intermediate_size=[32, 16],
            moe_k=2,
            moe_num_experts=4,
            moe_num_shared_experts=1,
            rope_parameters=rope,
        ),
        vision_config={"depth": 1, "hidden_size": 32, "num_heads": 2, "intermediate_size": 64},
        tie_word_embeddings=False,
        **{f"{name}_id": tokenizer.convert_tokens_to_ids(token) for name, token in NAMED.items()},
    )
    return Ernie4_5_VLMoeForConditionalGeneration(config), processor


CASES = {"ernie4_5_vl_moe": Case(_build)}
