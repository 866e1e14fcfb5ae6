"""MiniCPM-V 4.6: overviews with slices, on a decoder of linear and full attention."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from zoo.common import Case, chat_template, make_tokenizer, text_config

NAMED = {
    "image_token": "<image_pad>",
    "video_token": "<video_pad>",
    "image_start_token": "<image>",
    "image_end_token": "</image>",
    "slice_start_token": "<slice>",
    "slice_end_token": "</slice>",
    "image_id_start_token": "<image_id>",
    "image_id_end_token": "</image_id>",
}


def _build() -> tuple[Any, Any]:
    tf: Any = import_module("transformers")  # its signatures are not all typed

    tokenizer = make_tokenizer(["<|im_start|>", "<|im_end|>"], named=NAMED, eos="<|im_end|>")
    slicing = {"scale_resolution": 112, "patch_size": 7, "max_slice_nums": 4}
    processor = tf.MiniCPMV4_6Processor(
        tf.MiniCPMV4_6ImageProcessor(**slicing),
        tf.MiniCPMV4_6VideoProcessor(**slicing),
        tokenizer,
        chat_template=chat_template(video="<video_pad>", image="<image_pad>"),
    )
    config = tf.MiniCPMV4_6Config(
        text_config=text_config(
            tokenizer,
            model_type="qwen3_5_text",
            head_dim=16,
            layer_types=["linear_attention", "linear_attention", "full_attention"],
            linear_key_head_dim=8,
            linear_value_head_dim=8,
            linear_num_key_heads=2,
            linear_num_value_heads=4,
            rope_parameters={
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [2, 1, 1],
                "mrope_interleaved": True,
                "partial_rotary_factor": 0.5,
            },
        ),
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 112,
            "patch_size": 7,
        },
        insert_layer_id=0,
        image_token_id=tokenizer.convert_tokens_to_ids("<image_pad>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<video_pad>"),
    )
    return tf.MiniCPMV4_6ForConditionalGeneration(config), processor


CASES = {"minicpmv4_6": Case(_build)}
