"""VideoLLaMA3, with and without its token compression."""

from __future__ import annotations

from functools import partial
from typing import Any

from zoo.common import Case, chat_template, make_tokenizer, text_config

SPECIAL = ("<|im_start|>", "<|im_end|>", "<|image_pad|>", "<|video_pad|>")
SIZE = {"shortest_edge": 28 * 28, "longest_edge": 28 * 28 * 128}


def _build(*, compressed: bool) -> tuple[Any, Any]:
    from transformers import (
        VideoLlama3Config,
        VideoLlama3ForConditionalGeneration,
        VideoLlama3ImageProcessor,
        VideoLlama3Processor,
        VideoLlama3VideoProcessor,
    )

    tokenizer = make_tokenizer(SPECIAL, eos="<|im_end|>")
    processor = VideoLlama3Processor(
        VideoLlama3ImageProcessor(size=SIZE),
        tokenizer,
        VideoLlama3VideoProcessor(size=SIZE, use_token_compression=compressed),
        chat_template=chat_template(video="<|video_pad|>\n", image="<|image_pad|>\n"),
    )
    config = VideoLlama3Config(
        text_config=text_config(tokenizer, model_type="qwen2"),
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "patch_size": 14,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        tie_word_embeddings=False,
    )
    return VideoLlama3ForConditionalGeneration(config), processor


CASES = {
    "video_llama_3": Case(partial(_build, compressed=False)),
    "video_llama_3_compressed": Case(partial(_build, compressed=True)),
}
