"""Molmo 2: pooled squares of 13 x 13 patches, so that video and image grids are padded."""

from __future__ import annotations

from typing import Any

from tam_video.models.prompt import control_ids
from zoo.common import Case, chat_template, make_tokenizer, text_config

SIDE, PATCH = 104, 8
MARKERS = (
    "<|image|>",
    "<|video|>",
    "<im_patch>",
    "<im_col>",
    "<im_start>",
    "<low_res_im_start>",
    "<frame_start>",
    "<im_end>",
    "<frame_end>",
    "<im_low>",
)


def _build() -> tuple[Any, Any]:
    import torch
    import transformers as tf

    tokenizer = make_tokenizer(
        ["<|im_start|>", "<|im_end|>", *MARKERS], bos="<|endoftext|>", eos="<|im_end|>"
    )
    size = {"height": SIDE, "width": SIDE}
    processor = tf.Molmo2Processor(
        tf.Molmo2ImageProcessor(size=size, patch_size=PATCH, max_crops=4),
        tf.Molmo2VideoProcessor(size=size, patch_size=PATCH),
        tokenizer,
        chat_template=chat_template(video="<|video|>", image="<|image|>"),
    )
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16}
    ids = {
        "image_patch_id": "<im_patch>",
        "image_start_token_id": "<im_start>",
        "image_end_token_id": "<im_end>",
        "low_res_image_start_token_id": "<low_res_im_start>",
        "frame_start_token_id": "<frame_start>",
        "frame_end_token_id": "<frame_end>",
    }
    config = tf.Molmo2Config(
        text_config=text_config(
            tokenizer, bos_token_id=tokenizer.bos_token_id, additional_vocab_size=16, head_dim=8
        ),
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "image_size": [SIDE, SIDE],
            "patch_size": PATCH,
            **heads,
        },
        adapter_config={
            "vision_feature_layer": [-1, 0],
            "hidden_size": 32,
            "intermediate_size": 64,
            "text_hidden_size": 32,
            **heads,
        },
        **{name: tokenizer.convert_tokens_to_ids(token) for name, token in ids.items()},
    )
    model = tf.Molmo2ForConditionalGeneration(config)
    # Released heads have no rows for the markers. A zero logit is never the best of hundreds.
    with torch.no_grad():
        model.lm_head.weight[sorted(control_ids(tokenizer))] = 0.0
    return model, processor


CASES = {"molmo2": Case(_build)}
