"""Turn the states of `training.tower` and `training.instruct` into the file that is stored."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from training.smol import LAYERS, save_trained

_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")


def stored_names(trained: dict[str, Tensor], tower: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the trained tensors under the names that they have in the model."""
    named = {
        f"model.visual.{name.removeprefix('tower.')}": values
        for name, values in tower.items()
        if name.startswith("tower.") and "merger" not in name
    }
    for name, values in trained.items():
        if name.startswith("merger."):
            named[f"model.visual.{name}"] = values
        else:
            _, number, part = name.split(".")
            layer, projection = divmod(int(number), len(_PROJECTIONS))
            assert layer < LAYERS, name
            owner = f"model.language_model.layers.{layer}.self_attn.{_PROJECTIONS[projection]}"
            named[f"{owner}.{part}"] = values
    return named


def main() -> None:
    """Write `trained.safetensors` from the states of both stages."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tower", type=Path, required=True)
    parser.add_argument("--instruct", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    states = (torch.load(each, weights_only=True)["model"] for each in (args.instruct, args.tower))
    path = save_trained(stored_names(*states), args.out)
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
