"""Make a random-weight Qwen2.5-VL-3B with few layers from the published config and tokenizer.

Width, heads, vocabulary, tokenizer and template are those of the real checkpoint; weights are
random, in bfloat16. The sources are files beside the checkout, in `../shared/checkpoints`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKPOINTS = Path(__file__).parents[2] / "shared" / "checkpoints"


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is changed in the published config.

    Attributes:
        layers: decoder layers.
        vision_layers: blocks of the vision tower.
        divisor: what the widths of the decoder and the tower are divided by; 1 for the real ones.
    """

    layers: int = 2
    vision_layers: int = 4
    divisor: int = 1


def save_random_3b(folder: Path, sizes: Sizes | None = None, *, seed: int = 0) -> Path:
    """Save model and processor to a folder as a hub checkpoint is laid out. Return the folder."""
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration

    sizes = sizes or Sizes()
    torch.manual_seed(seed)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        model = Qwen2_5_VLForConditionalGeneration(_config(sizes)).eval()
    finally:
        torch.set_default_dtype(before)
    model.save_pretrained(folder)
    _processor().save_pretrained(folder)
    return folder


def _config(sizes: Sizes) -> Any:
    from transformers import Qwen2_5_VLConfig

    values = json.loads((CHECKPOINTS / "qwen2_5_vl_3b" / "config.json").read_text())
    vision = values["vision_config"]
    heads = values["num_attention_heads"]
    values |= {
        "num_hidden_layers": sizes.layers,
        "hidden_size": values["hidden_size"] // sizes.divisor,
        "intermediate_size": values["intermediate_size"] // sizes.divisor,
        "num_attention_heads": max(heads // sizes.divisor, values["num_key_value_heads"]),
    }
    vision |= {
        "depth": sizes.vision_layers,
        "hidden_size": vision["hidden_size"] // sizes.divisor,
        "intermediate_size": vision["intermediate_size"] // sizes.divisor,
        "num_heads": max(1, vision["num_heads"] // sizes.divisor),
        "out_hidden_size": values["hidden_size"],
        "fullatt_block_indexes": [sizes.vision_layers - 1],
    }
    return Qwen2_5_VLConfig(**values)


def _processor() -> Any:
    from transformers import (
        AutoTokenizer,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    settings = json.loads((CHECKPOINTS / "qwen2_5_vl_3b" / "preprocessor_config.json").read_text())
    kept = {key: settings[key] for key in ("min_pixels", "max_pixels", "image_mean", "image_std")}
    return Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(**kept),
        AutoTokenizer.from_pretrained(CHECKPOINTS / "qwen_tokenizer"),
        Qwen2VLVideoProcessor(**kept),
        chat_template=(CHECKPOINTS / "chat_templates" / "qwen2_5_vl.jinja").read_text(),
    )
