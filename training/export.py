"""Write a trained state as a checkpoint folder: config, float16 safetensors, processor, tokenizer.

The weights are stored in float16 to keep the wheel small; `config.json` says float32, in which
`from_pretrained` then loads them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from training.network import make_model
from training.vocabulary import make_processor, make_tokenizer


def load_stages(*states: Path) -> Any:
    """Load the language part of the first state and the vision part of the last.

    A folder instead of the states is an exported checkpoint.
    """
    model = make_model(make_tokenizer())
    if states[0].is_dir():
        load_weights(model, states[0])
        return model
    merged = model.state_dict()
    for number, path in enumerate(states):
        state = torch.load(path, weights_only=True)["model"]
        state = {n.removeprefix("network."): v for n, v in state.items() if "coach." not in n}
        last = number == len(states) - 1
        merged |= {n: v for n, v in state.items() if len(states) == 1 or is_visual(n) == last}
    model.load_state_dict(merged)
    return model


def load_weights(model: Any, folder: Path) -> None:
    """Load the weights of an exported checkpoint, to continue training."""
    from safetensors.torch import load_file

    stored = load_file(folder / "model.safetensors")
    model.load_state_dict({n: v.float() for n, v in stored.items()}, strict=False)


def is_visual(name: str) -> bool:
    """Return whether a parameter belongs to the vision tower."""
    return name.startswith("model.visual")


def export(model: Any, folder: Path, tokenizer: Any | None = None) -> None:
    """Save model and processor as a hub checkpoint."""
    model.generation_config.do_sample = False
    model.half().save_pretrained(folder, safe_serialization=True)
    make_processor(tokenizer).save_pretrained(folder)
    config = folder / "config.json"
    values = json.loads(config.read_text(encoding="utf-8"))
    for part in (values, values["text_config"], values["vision_config"]):
        if "dtype" in part:
            part["dtype"] = "float32"
    values["dtype"] = "float32"
    config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for path in folder.iterdir():
        path.chmod(0o644)


def main() -> None:
    """Export `--language STATE --align STATE`, or one `--tune STATE`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("states", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    export(load_stages(*args.states), args.out)
    print(sum(path.stat().st_size for path in args.out.iterdir()) / 1e6, "MB")


if __name__ == "__main__":
    main()
