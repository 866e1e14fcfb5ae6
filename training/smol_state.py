"""Turn a state of `training.instruct` into the file that is stored."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from training.smol import LAYERS
from training.storing import save_trained

_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")


def stored_names(trained: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that `training.instruct` trained, under their names in the model."""
    named: dict[str, Tensor] = {}
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
    """Write the file that is stored from a state."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("state", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    state = torch.load(args.state, weights_only=True)["model"]
    path = save_trained(stored_names(state), args.out)
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
