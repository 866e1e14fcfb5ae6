"""EXAONE 4.5, HyperCLOVA X Vision v2, Cohere Compass, LFM3-VL, Cosmos 3 Edge."""

from __future__ import annotations

from typing import Any

from zoo.common import Case, chat_template, make_tokenizer, text_config

MARKERS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
SMALL = {"shortest_edge": 28 * 28, "longest_edge": 28 * 28 * 16}
# Of all frames together, where the processor is Qwen3-VL's or like it.
TOTAL = {"shortest_edge": 32 * 32 * 2, "longest_edge": 32 * 32 * 64}
VISION = {"hidden_size": 32, "intermediate_size": 64}
WINDOWS = {
    **VISION,
    "depth": 2,
    "num_heads": 2,
    "out_hidden_size": 32,
    "window_size": 56,
    "fullatt_block_indexes": [1],
}
QUESTION_ANSWER = (
    "{% for m in messages %}{% if m['role'] == 'user' %}USER: {% else %}{{ m['role'] | upper }}: "
    "{% endif %}{% for c in m['content'] %}"
    "{% if c['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>\n"
    "{% elif c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>\n"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def _rope(**more: Any) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": 10000.0, **more}


def _tokenizer(markers: tuple[str, ...] = MARKERS) -> Any:
    return make_tokenizer(["<|im_start|>", *markers], eos="<|im_end|>")


def _template(markers: tuple[str, ...] = MARKERS) -> str:
    start, end, image, video = markers
    return chat_template(video=f"{start}{video}{end}", image=f"{start}{image}{end}")


def _ids(tokenizer: Any, markers: tuple[str, ...] = MARKERS) -> dict[str, int]:
    names = ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id")
    return dict(zip(names, tokenizer.convert_tokens_to_ids(list(markers)), strict=True))


def _exaone() -> tuple[Any, Any]:
    from transformers import (
        Exaone4_5_Config,
        Exaone4_5_ForConditionalGeneration,
        Exaone4_5_Processor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer = _tokenizer()
    processor = Exaone4_5_Processor(
        Qwen2VLImageProcessor(size=SMALL),
        tokenizer,
        Qwen2VLVideoProcessor(size=SMALL, cap_pixels_per_frame=False),
        chat_template=QUESTION_ANSWER,
    )
    ids = _ids(tokenizer)
    config = Exaone4_5_Config(
        text_config=text_config(tokenizer, model_type="exaone4", head_dim=8),
        vision_config={**WINDOWS, "num_key_value_heads": 2},
        image_token_id=ids["image_token_id"],
        video_token_id=ids["video_token_id"],
    )
    return Exaone4_5_ForConditionalGeneration(config), processor


def _hyperclovax() -> tuple[Any, Any]:
    from transformers import (
        HyperCLOVAXVisionV2Config,
        HyperCLOVAXVisionV2ForConditionalGeneration,
        HyperCLOVAXVisionV2Processor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer = _tokenizer()
    start, end, image, video = MARKERS
    # The released template writes the video's length, which the processor fills in.
    length = '{"video_duration": <|video_duration|>}'
    processor = HyperCLOVAXVisionV2Processor(
        Qwen2VLImageProcessor(size=SMALL),
        tokenizer,
        Qwen2VLVideoProcessor(size=SMALL, cap_pixels_per_frame=False),
        chat_template=chat_template(
            video=f"{length}\n{start}{video}{end}", image=f"{start}{image}{end}"
        ),
    )
    ids = _ids(tokenizer)
    config = HyperCLOVAXVisionV2Config(
        text_config=text_config(
            tokenizer, model_type="hyperclovax", head_dim=8, logits_scaling=0.125
        ),
        vision_config={"model_type": "qwen2_5_vl_vision", **WINDOWS},
        image_token_id=ids["image_token_id"],
        video_token_id=ids["video_token_id"],
        tie_word_embeddings=False,
    )
    return HyperCLOVAXVisionV2ForConditionalGeneration(config), processor


def _cohere() -> tuple[Any, Any]:
    from transformers import (
        CohereCompassConfig,
        CohereCompassForConditionalGeneration,
        CohereCompassImageProcessor,
        CohereCompassProcessor,
        CohereCompassVideoProcessor,
    )

    markers = ("<|VISION_START|>", "<|VISION_END|>", "<|IMAGE_PAD|>", "<|VIDEO_PAD|>")
    tokenizer = _tokenizer(markers)
    processor = CohereCompassProcessor(
        CohereCompassImageProcessor(patch_size=16, size=TOTAL),
        tokenizer,
        CohereCompassVideoProcessor(size=TOTAL, cap_pixels_per_frame=False),
        chat_template=_template(markers),
    )
    rope = _rope(mrope_section=[2, 1, 1], mrope_interleaved=True)
    kinds = ["sliding_attention", "full_attention", "sliding_attention"]
    config = CohereCompassConfig(
        text_config=text_config(
            tokenizer,
            logit_scale=0.25,
            layer_types=kinds,
            rope_parameters=dict.fromkeys(kinds, rope),
        ),
        vision_config={
            **VISION,
            "depth": 2,
            "num_heads": 2,
            "out_hidden_size": 32,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        **_ids(tokenizer, markers),
    )
    return CohereCompassForConditionalGeneration(config), processor


def _lfm3() -> tuple[Any, Any]:
    from transformers import (
        Lfm3VlConfig,
        Lfm3VlForConditionalGeneration,
        Lfm3VlProcessor,
        Qwen2VLImageProcessor,
        Qwen3VLVideoProcessor,
    )

    tokenizer = _tokenizer()
    processor = Lfm3VlProcessor(
        Qwen2VLImageProcessor(patch_size=16, size=TOTAL),
        tokenizer,
        Qwen3VLVideoProcessor(size=TOTAL, cap_pixels_per_frame=False),
        chat_template=chat_template(
            video="<|video_pad|>", image="<|vision_start|><|image_pad|><|vision_end|>"
        ),
    )
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    config = Lfm3VlConfig(
        text_config=text_config(
            tokenizer, model_type="lfm3", layer_types=["conv", "full_attention", "conv"]
        ),
        vision_config={
            **VISION,
            **heads,
            "num_hidden_layers": 2,
            "layer_types": ["conv", "full_attention"],
        },
        projector_hidden_size=32,
        **_ids(tokenizer),
    )
    return Lfm3VlForConditionalGeneration(config), processor


def _cosmos3() -> tuple[Any, Any]:
    from transformers import (
        Cosmos3EdgeConfig,
        Cosmos3EdgeForConditionalGeneration,
        Cosmos3EdgeImageProcessor,
        Cosmos3EdgeProcessor,
        Cosmos3EdgeVideoProcessor,
    )

    tokenizer = _tokenizer()
    processor = Cosmos3EdgeProcessor(
        Cosmos3EdgeImageProcessor(size=TOTAL),
        tokenizer,
        Cosmos3EdgeVideoProcessor(size=TOTAL),
        chat_template=_template(),
    )
    config = Cosmos3EdgeConfig(
        text_config=text_config(
            tokenizer, head_dim=8, rope_parameters=_rope(mrope_section=[2, 1, 1])
        ),
        vision_config={
            **VISION,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_patches": 16,
        },
        projector_hidden_size=64,
        **_ids(tokenizer),
    )
    return Cosmos3EdgeForConditionalGeneration(config), processor


CASES = {
    "exaone4_5": Case(_exaone),
    "hyperclovax_vision_v2": Case(_hyperclovax),
    "cohere_compass": Case(_cohere),
    "lfm3_vl": Case(_lfm3),
    "cosmos3_edge": Case(_cosmos3),
}
