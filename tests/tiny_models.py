"""Random-weight instances of the real transformers classes, small enough for a test.

Each builder saves model and processor with `save_pretrained`, as a hub checkpoint is laid out. The
tokenizer is a byte-level BPE trained on a few lines.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.performance.random_qwen import byte_level_tokenizer
from tam_video.types import FrameBatch, VideoInfo

SPECIAL = (
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
CORPUS = (
    "a person is walking the dog in the park",
    "describe this video in detail, what moves?",
    "the red square moves to the right, seconds",
    "user assistant system yes, no! 0 1 2 3 4 5 6 7 8 9",
) * 4
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'text' %}{{ c['text'] }}"
    "{% elif c['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}


def make_tokenizer() -> Any:
    """Byte-level BPE with the ChatML and vision markers of Qwen."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<|endoftext|>", *SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(CORPUS, trainer)
    return byte_level_tokenizer(backend, SPECIAL)


def save_tiny(model_type: str, folder: Path) -> Path:
    """Build a family's random instance and save it; returns the folder."""
    import torch

    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    model, processor = BUILDERS[model_type](tokenizer)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4.0)
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _ids(tokenizer: Any) -> dict[str, int]:
    names = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    return {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}


def _text(tokenizer: Any, **rope: Any) -> dict[str, Any]:
    return {
        **TEXT,
        "vocab_size": len(tokenizer),
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, **rope},
    }


def _qwen2_processor(tokenizer: Any, kind: type) -> Any:
    from transformers import Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    size = {"shortest_edge": 28 * 28, "longest_edge": 28 * 28 * 16}
    return kind(
        Qwen2VLImageProcessor(size=size),
        tokenizer,
        Qwen2VLVideoProcessor(size=size, cap_pixels_per_frame=False),
        chat_template=TEMPLATE,
    )


def _qwen2_vl(tokenizer: Any) -> tuple[Any, Any]:
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLProcessor

    config = Qwen2VLConfig(
        text_config=_text(tokenizer, mrope_section=[1, 1, 2]),
        vision_config={
            "depth": 2,
            "embed_dim": 32,
            "hidden_size": 32,
            "num_heads": 2,
            "mlp_ratio": 2,
            "patch_size": 14,
        },
        tie_word_embeddings=False,
        **_ids(tokenizer),
    )
    return Qwen2VLForConditionalGeneration(config), _qwen2_processor(tokenizer, Qwen2VLProcessor)


def _qwen2_5_vl(tokenizer: Any) -> tuple[Any, Any]:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
    from transformers import Qwen2_5_VLProcessor as Processor

    config = Qwen2_5_VLConfig(
        text_config=_text(tokenizer, mrope_section=[1, 1, 2]),
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "num_heads": 2,
            "intermediate_size": 64,
            "out_hidden_size": 32,
            "patch_size": 14,
            "window_size": 56,
            "fullatt_block_indexes": [1],
            "tokens_per_second": 2,
        },
        tie_word_embeddings=False,
        **_ids(tokenizer),
    )
    return Qwen2_5_VLForConditionalGeneration(config), _qwen2_processor(tokenizer, Processor)


def _qwen3_vl(tokenizer: Any) -> tuple[Any, Any]:
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    size = {"shortest_edge": 32 * 32 * 2, "longest_edge": 32 * 32 * 64}
    processor = Qwen3VLProcessor(
        Qwen2VLImageProcessor(patch_size=16, size=size),
        tokenizer,
        Qwen3VLVideoProcessor(size=size, cap_pixels_per_frame=False),
        chat_template=TEMPLATE,
    )
    text = _text(tokenizer, mrope_section=[2, 1, 1], mrope_interleaved=True)
    config = Qwen3VLConfig(
        text_config={**text, "head_dim": 8},
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "num_heads": 2,
            "intermediate_size": 64,
            "out_hidden_size": 32,
            "patch_size": 16,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        tie_word_embeddings=False,
        **_ids(tokenizer),
    )
    return Qwen3VLForConditionalGeneration(config), processor


BUILDERS: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "qwen2_vl": _qwen2_vl,
    "qwen2_5_vl": _qwen2_5_vl,
    "qwen3_vl": _qwen3_vl,
}


def edit_json(path: Path, **changes: Any) -> None:
    """Change top-level fields of a JSON file; None removes one."""
    data = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in data.items() if value is not None}))


def make_batch(
    num_frames: int = 7,
    height: int = 96,
    width: int = 160,
    *,
    pts_seconds: list[float] | None = None,
    start_seconds: float = 0.0,
) -> FrameBatch:
    """A textured clip where no frame and no cell is constant; 4 frames per second by default."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).normal(0, 6, (num_frames, height, width, 3))
    waves = [
        90 + 30 * np.sin(x / 17 + t / 3)[..., None] + 20 * np.cos(y / 13 - t / 5)[..., None]
        for t in range(num_frames)
    ]
    frames = np.clip(np.stack(waves) + noise, 0, 255).astype(np.uint8)
    pts = np.arange(num_frames) / 4.0 if pts_seconds is None else np.array(pts_seconds)
    return FrameBatch(
        frames, np.arange(num_frames), pts, make_info(num_frames, height, width, start_seconds)
    )


def make_info(
    num_frames: int = 7, height: int = 96, width: int = 160, start_seconds: float = 0.0
) -> VideoInfo:
    """What is known of that clip."""
    from fractions import Fraction

    return VideoInfo(
        Path("clip.mp4"),
        num_frames,
        width,
        height,
        Fraction(4),
        num_frames / 4,
        start_seconds=start_seconds,
    )
