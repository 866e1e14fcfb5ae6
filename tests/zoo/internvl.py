"""InternVL."""

from __future__ import annotations

from typing import Any

from zoo.common import Case, chat_template, make_tokenizer, text_config

TILE, PATCH = 88, 14  # 6 patches and a rest of 4 pixels that no patch covers
NAMED = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}


def _build() -> tuple[Any, Any]:
    from transformers import (
        GotOcr2ImageProcessor,
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLProcessor,
        InternVLVideoProcessor,
    )

    tokenizer = make_tokenizer(["<|im_start|>"], named=NAMED, eos="<|im_end|>")
    size = {"height": TILE, "width": TILE}
    length = (TILE // PATCH // 2) ** 2
    processor = InternVLProcessor(
        GotOcr2ImageProcessor(size=size, max_patches=2),
        tokenizer,
        InternVLVideoProcessor(size=size),
        image_seq_length=length,
        chat_template=chat_template(video="<video>\n", image="<IMG_CONTEXT>\n"),
    )
    config = InternVLConfig(
        text_config={"model_type": "qwen2", **text_config(tokenizer)},
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": TILE,
            "patch_size": PATCH,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=length,
        tie_word_embeddings=False,
    )
    return InternVLForConditionalGeneration(config), processor


CASES = {"internvl": Case(_build)}
