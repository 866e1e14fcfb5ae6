"""Turn the states of `training.late` into the file that is stored."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from training.late import MORE_WORDS, Decoder, load_tower, make_late
from training.storing import save_trained
from training.vocabulary import make_tokenizer


def main() -> None:
    """Write the file that is stored from the states of tower and decoder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("tower", type=Path)
    parser.add_argument("decoder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    model = make_late(make_tokenizer(MORE_WORDS))
    load_tower(model, args.tower)
    Decoder(model).load_state_dict(torch.load(args.decoder, weights_only=True)["model"])
    state = {n: v for n, v in model.state_dict().items() if n != "lm_head.weight"}
    path = save_trained(state, args.out)
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
