"""LLaVA-OneVision, LLaVA-NeXT-Video, Video-LLaVA."""

from __future__ import annotations

from typing import Any

from zoo.common import Case, chat_template, make_tokenizer, text_config

# The markup of the LLaVA checkpoints: a turn's pictures before its text, no line of its own.
VICUNA = (
    "{% for m in messages %}"
    "{% if m['role'] == 'system' %}{{ m['content'][0]['text'] }} "
    "{% elif m['role'] == 'user' %}USER: {% else %}ASSISTANT: {% endif %}"
    "{% if m['role'] != 'system' %}{% for c in m['content'] %}"
    "{% if c['type'] == 'text' %}{{ c['text'] }}{% else %}<{{ c['type'] }}>\n{% endif %}"
    "{% endfor %}{% if m['role'] == 'user' %} {% else %}</s>{% endif %}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def _tower(side: int, patch: int, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 2,
        "image_size": side,
        "patch_size": patch,
        **more,
    }


def _clip(side: int, patch: int) -> dict[str, Any]:
    # Features come from the last layer but one, so one of the two is used.
    return _tower(
        side, patch, model_type="clip_vision_model", num_hidden_layers=2, projection_dim=32
    )


def _separate(model: Any) -> Any:
    """Make the tower's patches look at each other less than chance weights do."""
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "_tower" in name and name.endswith("out_proj.weight"):
                weight.mul_(1e-3)
    return model


def _placeholders(tokenizer: Any) -> dict[str, int]:
    return {
        "image_token_index": tokenizer.convert_tokens_to_ids("<image>"),
        "video_token_index": tokenizer.convert_tokens_to_ids("<video>"),
    }


def _llava_onevision() -> tuple[Any, Any]:
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionForConditionalGeneration,
        LlavaOnevisionImageProcessor,
        LlavaOnevisionProcessor,
        LlavaOnevisionVideoProcessor,
    )

    side, patch = 74, 8  # 9 patches pooled to 5, and a rest of 2 pixels, as 384 pixels by 14 have
    tokenizer = make_tokenizer(["<|im_start|>", "<image>", "<video>"], eos="<|im_end|>")
    size = {"height": side, "width": side}
    pinpoints = [[side, side], [side, 2 * side], [2 * side, side], [2 * side, 2 * side]]
    processor = LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=pinpoints),
        tokenizer,
        LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=(side // patch) ** 2,
        vision_feature_select_strategy="full",
        chat_template=chat_template(video="<video>", image="<image>"),
    )
    config = LlavaOnevisionConfig(
        text_config={"model_type": "qwen2", **text_config(tokenizer)},
        vision_config=_tower(
            side,
            patch,
            model_type="siglip_vision_model",
            num_hidden_layers=1,
            vision_use_head=False,
        ),
        image_grid_pinpoints=pinpoints,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=False,
        **_placeholders(tokenizer),
    )
    return _separate(LlavaOnevisionForConditionalGeneration(config)), processor


def _llava_next_video() -> tuple[Any, Any]:
    from transformers import (
        LlavaNextImageProcessor,
        LlavaNextVideoConfig,
        LlavaNextVideoForConditionalGeneration,
        LlavaNextVideoProcessor,
        LlavaNextVideoVideoProcessor,
    )

    side, patch = 64, 8
    tokenizer = make_tokenizer(["<image>", "<video>"])
    sizes = {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    pinpoints = [[side, 2 * side], [2 * side, side], [2 * side, 2 * side]]
    processor = LlavaNextVideoProcessor(
        video_processor=LlavaNextVideoVideoProcessor(**sizes),
        image_processor=LlavaNextImageProcessor(**sizes, image_grid_pinpoints=pinpoints),
        tokenizer=tokenizer,
        patch_size=patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=VICUNA,
    )
    config = LlavaNextVideoConfig(
        text_config={"model_type": "llama", **text_config(tokenizer)},
        vision_config=_clip(side, patch),
        image_grid_pinpoints=pinpoints,
        tie_word_embeddings=False,
        **_placeholders(tokenizer),
    )
    return _separate(LlavaNextVideoForConditionalGeneration(config)), processor


def _video_llava() -> tuple[Any, Any]:
    from transformers import (
        VideoLlavaConfig,
        VideoLlavaForConditionalGeneration,
        VideoLlavaImageProcessor,
        VideoLlavaProcessor,
        VideoLlavaVideoProcessor,
    )

    side, patch = 56, 14
    tokenizer = make_tokenizer(["<image>", "<video>"])
    sizes = {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    processor = VideoLlavaProcessor(
        image_processor=VideoLlavaImageProcessor(**sizes),
        video_processor=VideoLlavaVideoProcessor(**sizes),
        tokenizer=tokenizer,
        patch_size=patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=VICUNA,
    )
    config = VideoLlavaConfig(
        text_config={"model_type": "llama", **text_config(tokenizer)},
        vision_config=_clip(side, patch),
        tie_word_embeddings=False,
        **_placeholders(tokenizer),
    )
    return _separate(VideoLlavaForConditionalGeneration(config)), processor


CASES = {
    "llava_next_video": Case(_llava_next_video),
    "llava_onevision": Case(_llava_onevision),
    "video_llava": Case(_video_llava),
}
