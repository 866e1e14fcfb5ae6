"""Gemma 4: two-way attention inside a run, softcap, tied head."""

from __future__ import annotations

from typing import Any

from zoo.common import Case, chat_template, make_tokenizer, text_config

NAMED = {
    "image_token": "<|image|>",
    "boi_token": "<|image>",
    "eoi_token": "<image|>",
    "audio_token": "<|audio|>",
    "boa_token": "<|audio>",
    "eoa_token": "<audio|>",
}


def _build() -> tuple[Any, Any]:
    import transformers as tf

    tokenizer = make_tokenizer(
        ["<|im_start|>", "<|im_end|>"], named=NAMED, bos="<bos>", eos="<|im_end|>"
    )
    processor = tf.Gemma4Processor(
        tf.Gemma4AudioFeatureExtractor(),
        tf.Gemma4ImageProcessor(patch_size=4, max_soft_tokens=70),
        tokenizer,
        tf.Gemma4VideoProcessor(patch_size=4, max_soft_tokens=70),
        chat_template=chat_template(video="<|video|>", image="<|image|>"),
    )
    ids = {
        f"{name}_id": tokenizer.convert_tokens_to_ids(token)
        for name, token in NAMED.items()
        if name != "eoa_token"
    }
    config = tf.Gemma4Config(
        text_config=text_config(
            tokenizer,
            bos_token_id=tokenizer.bos_token_id,
            vocab_size_per_layer_input=len(tokenizer),
            hidden_size_per_layer_input=8,
            head_dim=8,
            global_head_dim=16,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"],
            sliding_window=64,
            final_logit_softcapping=5.0,
            use_bidirectional_attention="vision",
        ),
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "patch_size": 4,
            "pooling_kernel_size": 3,
            "position_embedding_size": 64,
        },
        audio_config=None,
        video_token_id=processor.video_token_id,
        eoa_token_index=tokenizer.convert_tokens_to_ids(NAMED["eoa_token"]),
        **ids,
    )
    return tf.Gemma4ForConditionalGeneration(config), processor


CASES = {"gemma4": Case(_build)}
