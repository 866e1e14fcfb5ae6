"""The network of `tiny`: a Qwen3-VL of about three million parameters, and its symbols.

The symbols are fixed rows of the word-embedding table. They replace visual features in stage 1, and
are the targets of the vision tower in stage 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tam_video.datasets.shapes import COLORS, MOTIONS, SHAPES

WIDTH = 192
EMBEDDING_STD = 0.08
EMPTY_GAIN = 2.0  # a larger background row separates cells at an object's edge from its inside


def make_model(
    tokenizer: Any,
    *,
    num_layers: int = 4,
    vision_depth: int = 4,
    deepstack: Sequence[int] = (),
    seed: int = 0,
) -> Any:
    """Return a randomly initialised `Qwen3VLForConditionalGeneration` (float32).

    The features of the vision blocks in `deepstack` are added after the first decoder layers.
    """
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in tokenizer.all_special_tokens}
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": -(-len(tokenizer) // 16) * 16,
            "hidden_size": WIDTH,
            "intermediate_size": 512,
            "num_hidden_layers": num_layers,
            "num_attention_heads": 6,
            "num_key_value_heads": 6,
            "head_dim": 32,
            "max_position_embeddings": 8192,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5e4,
                "mrope_section": [6, 5, 5],
                "mrope_interleaved": True,
            },
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
            "bos_token_id": None,
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": vision_depth,
            "hidden_size": 160,
            "num_heads": 5,
            "intermediate_size": 480,
            "out_hidden_size": WIDTH,
            "patch_size": 16,
            "spatial_merge_size": 1,
            "temporal_patch_size": 2,
            "num_position_embeddings": 196,
            "deepstack_visual_indexes": list(deepstack),
            "rope_parameters": {"rope_type": "axial", "rope_theta": 100.0},
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    model = Qwen3VLForConditionalGeneration(config)
    with torch.no_grad():
        model.model.language_model.embed_tokens.weight.normal_(std=EMBEDDING_STD)
        initialise_offset_heads(model.model.visual)
        initialise_similarity_heads(model.model.language_model)
    return model


def initialise_similarity_heads(language: Any, *, heads: int = 4) -> None:
    """Initialise most heads of the language model to copy from similar tokens.

    Queries and keys of a head start equal and its output inverts its values, after the mimetic
    initialisation of Trockman and Kolter (2023, arXiv:2305.09828); all matrices start at unit gain.
    "Red" in a question then attends to red cells from the first step. With the usual small weights
    the model did not learn within 500 steps which of two objects a question is about.
    """
    random = torch.Generator().manual_seed(11)
    for layer in language.layers:
        attention, mlp = layer.self_attn, layer.mlp
        for linear in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj):
            linear.weight.normal_(std=linear.in_features**-0.5, generator=random)
        for linear in (mlp.gate_proj, mlp.up_proj, mlp.down_proj):
            linear.weight.normal_(std=linear.in_features**-0.5, generator=random)
        size = heads * attention.head_dim
        attention.k_proj.weight[:size] = attention.q_proj.weight[:size]
        attention.o_proj.weight[:, :size] = attention.v_proj.weight[:size].T
        for linear in (attention.o_proj, mlp.down_proj):
            linear.weight.mul_((2 * len(language.layers)) ** -0.5)


def initialise_offset_heads(tower: Any, *, strength: float = 4.5) -> None:
    """Initialise four heads of every vision layer to attend up, down, left and right.

    Constant queries and keys with rotary positions score an offset: q^T R(offset) k is largest
    where the key's phase inverts the rotation. Training changes them. Without this initialisation
    shapes and motion stayed at chance for the first 2,700 slots.
    """
    frequencies = tower.rotary_pos_emb.inv_freq
    for number, block in enumerate(tower.blocks):
        step = 1 if number < len(tower.blocks) // 2 else 2
        width, heads = block.attn.dim, block.attn.num_heads
        bias = block.attn.qkv.bias.view(3, heads, width // heads)
        for head, (row, column) in enumerate(((-1, 0), (1, 0), (0, -1), (0, 1)), start=1):
            phase = torch.cat([frequencies * row * step, frequencies * column * step])
            bias[0, head] = strength * torch.cat([torch.ones_like(phase), torch.zeros_like(phase)])
            bias[1, head] = strength * torch.cat([phase.cos(), -phase.sin()])


class Symbols(nn.Module):
    """Visual features composed of word embeddings.

    An object's cell is colour word + shape word + motion word + position; a background cell is the
    row of the image placeholder (scaled) + position; a partly covered cell is a mixture.
    """

    def __init__(self, tokenizer: Any, table: Tensor, nouns: Sequence[str] = SHAPES) -> None:
        super().__init__()
        self.words = {
            "color": [_pieces(tokenizer, word) for word in COLORS],
            "shape": [_pieces(tokenizer, word) for word in nouns],
            "motion": [_pieces(tokenizer, word) for word in MOTIONS],
        }
        for kind, pieces in self.words.items():
            rows = [table[ids].sum(0) / len(ids) ** 0.5 for ids in pieces]
            self.register_buffer(kind, torch.stack(rows).clone())
        empty = tokenizer.convert_tokens_to_ids("<|image_pad|>")
        self.register_buffer("empty", table[empty].clone() * EMPTY_GAIN)
        random = torch.Generator().manual_seed(7)
        self.register_buffer(
            "axes", torch.randn(2, table.shape[1], generator=random) * EMBEDDING_STD * 2.4
        )
        self.fixed_rows = sorted(
            {i for p in self.words.values() for ids in p for i in ids} | {empty}
        )

    def forward(
        self, color: Tensor, shape: Tensor, motion: Tensor, cover: Tensor, xy: Tensor
    ) -> Tensor:
        """Return the features of N cells.

        Args:
            color: int64 [N], index into `COLORS`.
            shape: int64 [N].
            motion: int64 [N].
            cover: float32 [N] in [0, 1], fraction of the cell that the object covers.
            xy: float32 [N, 2] in [-1, 1], centre of the cell.

        Returns:
            float32 [N, width].
        """
        item = self.color[color] + self.shape[shape] + self.motion[motion]
        part = cover[:, None]
        return part * item + (1 - part) * self.empty + xy @ self.axes


def _pieces(tokenizer: Any, word: str) -> list[int]:
    return list(tokenizer(f" {word}", add_special_tokens=False)["input_ids"])


def keep_rows_fixed(table: nn.Parameter, rows: list[int]) -> None:
    """Stop gradients into the given rows of an embedding table."""
    mask = torch.ones(table.shape[0], 1)
    mask[rows] = 0
    table.register_hook(lambda grad: grad * mask)
