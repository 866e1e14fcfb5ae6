"""Muse Glimmer: output multiplier, softcap, a layer without rotary positions."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from zoo.common import Case, chat_template, make_tokenizer, text_config

MARKERS = (
    "<|patch|>",
    "<|image_start|>",
    "<|image_end|>",
    "<|video|>",
    "<|vid_frame_separator|>",
    "<|vid_start|>",
    "<|vid_end|>",
)


def _build() -> tuple[Any, Any]:
    tf: Any = import_module("transformers")  # its signatures are not all typed

    tokenizer = make_tokenizer(["<|im_start|>", "<|im_end|>", *MARKERS], eos="<|im_end|>")
    processor = tf.MuseGlimmerProcessor(
        tf.MuseGlimmerImageProcessor(max_image_tokens=24),
        tf.MuseGlimmerVideoProcessor(max_video_frame_tokens=16),
        tokenizer,
        chat_template=chat_template(video="<|video|>", image="<|patch|>"),
    )
    config = tf.MuseGlimmerConfig(
        text_config=text_config(
            tokenizer,
            bos_token_id=tokenizer.bos_token_id,
            head_dim=8,
            final_logit_softcapping=2.0,
            output_multiplier=0.4,
            sliding_window=64,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"],
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        ),
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "pos_emb_height": 8,
            "pos_emb_width": 8,
            "max_position_embeddings": 64,
        },
        out_hidden_size=128,
        projector_hidden_size=32,
        image_token_id=tokenizer.convert_tokens_to_ids("<|patch|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video|>"),
    )
    return tf.MuseGlimmerForConditionalGeneration(config), processor


CASES = {"muse_glimmer": Case(_build)}
