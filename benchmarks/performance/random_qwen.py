"""A Qwen2-VL of real width and vocabulary with few layers and random weights, and a clip for it.

The class is transformers' own; nothing is downloaded. The tokenizer is a byte-level BPE without
merges whose vocabulary is filled up with made-up words, so that every id spells something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tam_video.models.base import Checkpoint
from tam_video.models.inference import TransformersModel
from tam_video.models.qwen_vl import QWEN2_VL
from tam_video.types import ByteArray, FrameBatch, Message, VideoInfo

QUESTION = (Message("user", "what moves?"),)
CELL_PX = 28
CLIP_HEIGHT, CLIP_WIDTH = 720, 1280
_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'text' %}{{ c['text'] }}"
    "{% else %}<|vision_start|><|video_pad|><|vision_end|>{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the model and of what it is shown.

    Attributes:
        slots: temporal slots; two frames feed one.
        rows: rows of cells.
        columns: columns of cells.
        answer_tokens: length of every answer.
        layers: decoder layers.
        vision_layers: blocks of the vision tower.
        width: of the decoder's states.
        vocabulary: of its output embedding.
    """

    slots: int = 8
    rows: int = 14
    columns: int = 26
    answer_tokens: int = 64
    layers: int = 4
    vision_layers: int = 2
    width: int = 1536
    vocabulary: int = 151_936

    @property
    def num_cells(self) -> int:
        """Visual tokens."""
        return self.slots * self.rows * self.columns


def random_model(shape: Shape) -> TransformersModel:
    """Build model and processor; an answer never ends early."""
    import torch
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    tokenizer = _tokenizer(shape.vocabulary)
    heads = shape.width // 128
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": shape.vocabulary,
            "hidden_size": shape.width,
            "intermediate_size": shape.width * 35 // 6,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": heads,
            "num_key_value_heads": max(1, heads // 6),
            "max_position_embeddings": 32_768,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": _SPECIAL.index("<|im_end|>"),
            "pad_token_id": 0,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": [16, 24, 24],
            },
        },
        vision_config={
            "depth": shape.vision_layers,
            "embed_dim": 1280 if shape.width == Shape.width else 64,
            "hidden_size": shape.width,
            "num_heads": 16 if shape.width == Shape.width else 2,
            "patch_size": 14,
        },
        tie_word_embeddings=True,
        image_token_id=_SPECIAL.index("<|image_pad|>"),
        video_token_id=_SPECIAL.index("<|video_pad|>"),
        vision_start_token_id=_SPECIAL.index("<|vision_start|>"),
        vision_end_token_id=_SPECIAL.index("<|vision_end|>"),
    )
    torch.manual_seed(0)
    model = Qwen2VLForConditionalGeneration(config).eval()
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    checkpoint = Checkpoint("random", None, model, _processor(tokenizer, shape))
    return TransformersModel(checkpoint, QWEN2_VL)


def clip(shape: Shape) -> FrameBatch:
    """A textured 720p picture that the camera pans over; two frames for each slot."""
    import cv2

    count = 2 * shape.slots
    coarse = np.random.default_rng(0).integers(0, 255, (40, 70, 3), dtype=np.uint8)
    size = (CLIP_WIDTH + 6 * count, CLIP_HEIGHT + 3 * count)
    whole: ByteArray = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    frames = np.stack(
        [whole[3 * k : 3 * k + CLIP_HEIGHT, 6 * k : 6 * k + CLIP_WIDTH] for k in range(count)]
    )
    seconds = np.arange(count) / 2.0
    info = VideoInfo(
        path=Path("pan.mp4"),
        num_frames=count,
        width=CLIP_WIDTH,
        height=CLIP_HEIGHT,
        average_fps=Fraction(2),
        duration_seconds=count / 2,
    )
    return FrameBatch(frames, np.arange(count), seconds, info)


def _processor(tokenizer: Any, shape: Shape) -> Any:
    from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    # The picture is scaled by one factor and its sides are cut to whole cells: the factor lies
    # where both sides come out as asked.
    factor = min(
        (shape.rows + 0.9) * CELL_PX / CLIP_HEIGHT, (shape.columns + 0.9) * CELL_PX / CLIP_WIDTH
    )
    pixels = int(CLIP_HEIGHT * CLIP_WIDTH * factor**2)
    size = {"shortest_edge": CELL_PX**2, "longest_edge": pixels}
    return Qwen2VLProcessor(
        Qwen2VLImageProcessor(size=size),
        tokenizer,
        Qwen2VLVideoProcessor(size=size, cap_pixels_per_frame=False),
        chat_template=_TEMPLATE,
    )


def _tokenizer(vocabulary: int) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    known = [*_SPECIAL, *letters]
    words = [f"Ġword{number}" for number in range(vocabulary - len(known))]
    vocab = {each: number for number, each in enumerate([*known, *words])}
    return byte_level_tokenizer(Tokenizer(models.BPE(vocab, [])), _SPECIAL)


def byte_level_tokenizer(backend: Any, special: Sequence[str]) -> Any:
    """Return a byte-level BPE backend as a tokenizer of transformers with Qwen's special tokens."""
    from tokenizers import decoders, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=100_000,
    )
    tokenizer.add_tokens(list(special), special_tokens=True)
    return tokenizer
