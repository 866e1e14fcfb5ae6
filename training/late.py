"""Train `late`: from `tiny`, a model whose visual states are not readable in its early layers.

A random rotation in the last layer of the vision merger makes the features unreadable. Four new
decoder layers, which start as the identity, undo it; they are in front of the layers of `tiny` and
learn from the answers' loss alone. The model is also trained on pictograms and written words. The
export puts four frozen layers with a small random output in front of these: `late` has 12 layers.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tam_video.datasets.shapes import SHAPES
from tam_video.datasets.written import SIGNS
from training import TINY, align
from training.journal import Journal, Tally, learning_rate
from training.language import answer_logits, symbolic_batch, tally_answers
from training.network import EMBEDDING_STD, WIDTH, Symbols, make_model
from training.symbolic import NOUNS, PICTURES, Prompts
from training.vocabulary import make_tokenizer

NEW_LAYERS = 4
QUIET_LAYERS = 4
GROUPS = (SHAPES, PICTURES, SIGNS)
MORE_WORDS = (*PICTURES, *dict.fromkeys(word for sign in SIGNS for word in sign.split()))
_FROZEN_SHARE = 0.4  # of the steps, before the layers of `tiny` are trained too
_SLOW = 0.1  # their learning rate, relative to that of the new layers


def rotation() -> Tensor:
    """Return the orthogonal matrix that the features are multiplied by: float32 [WIDTH, WIDTH]."""
    random = torch.Generator().manual_seed(5)
    return torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=random))[0]


def silence(layer: nn.Module) -> None:
    """Make a decoder layer the identity: zero the outputs of attention and MLP."""
    layer.self_attn.o_proj.weight.zero_()
    layer.mlp.down_proj.weight.zero_()


def make_late(tokenizer: Any) -> Any:
    """Return the model before training: new layers, then those of `tiny`, with more words."""
    from safetensors.torch import load_file

    model = make_model(tokenizer, num_layers=NEW_LAYERS + 4)
    state = model.state_dict()
    prefix = "model.language_model.layers."
    with torch.no_grad():
        for name, values in load_file(TINY / "model.safetensors").items():
            if name.startswith(prefix):
                number, _, rest = name.removeprefix(prefix).partition(".")
                state[f"{prefix}{int(number) + NEW_LAYERS}.{rest}"].copy_(values)
            elif "embed_tokens" in name or name == "lm_head.weight":
                known = len(make_tokenizer())
                state[name][:known] = values[:known].float()
            else:
                state[name].copy_(values)
        model.load_state_dict(state)
        for layer in model.model.language_model.layers[:NEW_LAYERS]:
            silence(layer)
        table = model.model.language_model.embed_tokens.weight
        random = torch.Generator().manual_seed(9)
        fresh = torch.randn(len(table) - known, WIDTH, generator=random) * EMBEDDING_STD
        table[known:] = fresh
    model.tie_weights()
    return model


def load_tower(model: Any, state: Path) -> None:
    """Load the vision tower of a state of this module's first stage."""
    stored = torch.load(state, weights_only=True)["model"]
    prefix = "network.model.visual."
    tower = {n.removeprefix(prefix): v for n, v in stored.items() if n.startswith(prefix)}
    model.model.visual.load_state_dict(tower)


class Decoder(nn.Module):
    """What the second stage trains: the decoder without its embeddings."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.layers = model.model.language_model.layers
        self.norm = model.model.language_model.norm

    def groups(self) -> list[dict[str, Any]]:
        """Return the parameters of the new layers and those of `tiny`, as two groups."""
        new = [p for layer in self.layers[:NEW_LAYERS] for p in layer.parameters()]
        old = [p for layer in self.layers[NEW_LAYERS:] for p in layer.parameters()]
        return [{"params": new}, {"params": [*old, *self.norm.parameters()]}]


def train_decoder(args: argparse.Namespace) -> None:
    """Train the decoder on symbolic clips with rotated features."""
    tokenizer = make_tokenizer(MORE_WORDS)
    prompts = Prompts(tokenizer)
    model = make_late(tokenizer)
    model.requires_grad_(False)
    decoder = Decoder(model).requires_grad_(True)
    symbols = Symbols(tokenizer, model.model.language_model.embed_tokens.weight.detach(), NOUNS)
    turn = rotation()
    optimizer = torch.optim.AdamW(decoder.groups(), betas=(0.9, 0.98), weight_decay=0.0)
    journal = Journal(args.out)
    journal.counters["level"] = 1
    journal.resume(decoder, optimizer)
    state, tally, began, losses = journal.counters, Tally(), time.time(), []
    while state["step"] < args.steps:
        rate = learning_rate(state["step"], peak=args.peak, warmup=50, total=args.steps)
        optimizer.param_groups[0]["lr"] = rate
        thawed = state["step"] >= _FROZEN_SHARE * args.steps
        optimizer.param_groups[1]["lr"] = rate * _SLOW if thawed else 0.0
        seeds = range(state["clips"], state["clips"] + args.batch)
        batch, features = symbolic_batch(
            seeds,
            level=state["level"],
            prompts=prompts,
            symbols=symbols,
            need=tally.need(),
            groups=GROUPS,
        )
        logits, labels = answer_logits(model, batch, [each @ turn for each in features])
        loss = nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        tally_answers(logits.detach(), batch, tally)
        losses.append(loss.item())
        state["step"] += 1
        state["clips"] += args.batch
        if state["step"] % 25 == 0:
            state["seconds"] += time.time() - began
            began = time.time()
            rates = tally.rates()
            journal.log(loss=round(float(np.mean(losses)), 4), **rates)
            if state["level"] < 3 and sorted(rates.values())[2] > 0.88:
                state["level"] += 1
            tally.fade()
            losses = []
        journal.save(decoder, optimizer, every_seconds=45)
    journal.save(decoder, optimizer)


def train_tower(args: argparse.Namespace) -> None:
    """Train the vision tower of `tiny` to produce the symbols of all nouns."""
    tokenizer = make_tokenizer(MORE_WORDS)
    model = make_late(tokenizer)
    table = model.model.language_model.embed_tokens.weight.detach()
    align.train(args, model, Symbols(tokenizer, table, NOUNS), NOUNS)


def main() -> None:
    """Train the tower or the decoder up to a number of steps; resumes automatically."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("stage", choices=("tower", "decoder"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--peak", type=float, default=2e-3)
    args = parser.parse_args()
    {"tower": train_tower, "decoder": train_decoder}[args.stage](args)


if __name__ == "__main__":
    main()
