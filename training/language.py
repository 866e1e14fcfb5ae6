"""Stage 1: train the language model to answer from symbolic clips (no pixels)."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tam_video.datasets.shapes import MOTIONS, SHAPES
from tam_video.datasets.worlds import make_clip
from training.export import load_weights
from training.journal import Journal, Tally, learning_rate
from training.network import Symbols, keep_rows_fixed, make_model
from training.symbolic import (
    IGNORE,
    Batch,
    Cells,
    Prompts,
    cell_places,
    choose_questions,
    clip_cells,
    draw_shares,
    keep_cells,
    make_batch,
    sample_frames,
    with_look_alikes,
)
from training.vocabulary import make_tokenizer


def symbol_features(cells: Cells, keep: np.ndarray, symbols: Symbols) -> Tensor:
    """Return the features of the kept cells, float32 [n, width], without noise."""
    flat = np.flatnonzero(keep)
    item = np.maximum(cells.item.ravel()[flat], 0)
    return symbols(
        torch.from_numpy(cells.color[item]),
        torch.from_numpy(cells.shape[item]),
        torch.from_numpy(cells.motion[item]),
        torch.from_numpy(cells.cover.ravel()[flat]).float(),
        cell_places(len(cells.item), grid=cells.item.shape[1])[flat],
    )


class SubjectCoach:
    """Auxiliary loss on inner decoder layers: the object that the next token describes.

    Computed at answer positions, which have to predict the words' own embeddings: the colour first
    (layers 1 and 2), by which similarity heads find the object's cells, then shape, motion and, for
    still objects, the position (layers 2 and 3). With the answers' loss alone the position of
    "moves" in "the red star moves" still attended to all objects alike after 20,000 clips.
    """

    SHARPNESS = 12.0

    def __init__(self, language: nn.Module, symbols: Symbols) -> None:
        self.tables = [
            nn.functional.normalize(table - table.mean(0), dim=-1)
            for table in (symbols.color, symbols.shape, symbols.motion)
        ]
        self.axes = nn.functional.normalize(symbols.axes, dim=-1)
        self.targets = ((0, 0), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2))  # (layer, table)
        self.outputs: dict[int, Tensor] = {}
        for layer in sorted({layer for layer, _table in self.targets}):
            language.layers[layer].register_forward_hook(partial(self._remember, layer))

    def _remember(
        self, layer: int, _module: nn.Module, _args: tuple[Any, ...], out: Tensor
    ) -> None:
        self.outputs[layer] = out

    def loss(self, batch: Batch) -> tuple[Tensor, float]:
        """Compute the loss of the last forward pass, and the accuracy of the motion."""
        at = batch.subject != IGNORE
        rows = at.nonzero()[:, 0]
        if not len(rows):
            return torch.zeros(()), 1.0
        colors = batch.subject[at]
        traits = batch.traits[rows, colors]
        truths = (colors, traits[:, 0], traits[:, 1])
        total, right = torch.zeros(()), 0.0
        for layer, table in self.targets:
            hidden = nn.functional.normalize(self.outputs[layer][at], dim=-1)
            logits = self.SHARPNESS * hidden @ self.tables[table].T
            total = total + nn.functional.cross_entropy(logits, truths[table])
            right = (logits.argmax(-1) == truths[table]).float().mean().item()
        still = traits[:, 1] == list(MOTIONS).index("still")
        if still.any():
            side = traits[still, 2:].float()
            for layer in (1, 2):
                hidden = nn.functional.normalize(self.outputs[layer][at][still], dim=-1)
                logits = self.SHARPNESS * hidden @ self.axes.T
                total = total + nn.functional.binary_cross_entropy_with_logits(logits, side)
        return total, right


def answer_logits(model: nn.Module, batch: Batch, features: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Compute logits and labels at the answer positions from the features of the kept cells."""
    language = model.model.language_model
    embeds = language.embed_tokens(batch.ids)
    embeds = embeds.masked_scatter((batch.cell >= 0)[..., None], torch.cat(features))
    hidden = language(
        inputs_embeds=embeds,
        position_ids=batch.positions,
        attention_mask=batch.mask(),
        use_cache=False,
    ).last_hidden_state
    at = batch.labels != IGNORE
    return model.lm_head(hidden[at]), batch.labels[at]


def tally_answers(logits: Tensor, batch: Batch, tally: Tally) -> None:
    """Count a question as right if every token of its answer is the most probable one."""
    right = torch.zeros(batch.labels.shape, dtype=torch.bool)
    at = batch.labels != IGNORE
    right[at] = logits.argmax(-1) == batch.labels[at]
    for row, kinds in enumerate(batch.kinds):
        for number, kind in enumerate(kinds, start=1):
            mine = at[row] & (batch.branch[row] == number)
            tally.add(kind, bool(right[row][mine].all()))


def symbolic_batch(
    seeds: range,
    *,
    level: int,
    prompts: Prompts,
    symbols: Symbols,
    need: Mapping[str, float],
    groups: Sequence[Sequence[str]] = (SHAPES,),
) -> tuple[Batch, list[Tensor]]:
    """Return the batch of some seeds with one to `level` objects, and its noisy features.

    The nouns of a clip come from one of the groups.
    """
    rng = np.random.default_rng([1, seeds.start])
    torch.manual_seed(seeds.start)
    shares = draw_shares(rng)
    clips, questions, frames, keeps, features = [], [], [], [], []
    for seed in seeds:
        count = level if rng.random() < 0.6 else int(rng.integers(1, level + 1))
        nouns = groups[0] if len(groups) == 1 else groups[int(rng.integers(len(groups)))]
        clip = make_clip(seed, split="train", num_objects=count, shapes=nouns)
        clip = with_look_alikes(clip, rng)
        taken = sample_frames(clip, int(rng.choice([8, 10, 12], p=[0.1, 0.1, 0.8])))
        cells = clip_cells(clip, taken)
        keep = keep_cells(cells, rng, shares=shares)
        clean = symbol_features(cells, keep, symbols)
        noise = float(rng.uniform(0.05, 0.25)) * clean.std()
        questions.append(choose_questions(clip, rng, count=10, need=need, nouns=nouns))
        frames.append(taken)
        keeps.append(keep)
        clips.append(clip)
        features.append(clean + noise * torch.randn_like(clean))
    return make_batch(clips, frames, keeps, questions, prompts=prompts), features


def main() -> None:
    """Train up to a number of steps; resumes automatically."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--peak", type=float, default=6e-4)
    parser.add_argument("--warm", type=Path, help="checkpoint folder to start from")
    parser.add_argument("--advice", type=float, default=0.1, help="weight of the coach's loss")
    parser.add_argument(
        "--level", type=int, default=1, help="initial maximum number of objects, 1 to 3"
    )
    args = parser.parse_args()

    tokenizer = make_tokenizer()
    prompts = Prompts(tokenizer)
    model = make_model(tokenizer)
    table = model.model.language_model.embed_tokens.weight
    symbols = Symbols(tokenizer, table.detach())
    keep_rows_fixed(table, symbols.fixed_rows)
    names = [n for n, _ in model.named_parameters() if not n.startswith("model.visual")]
    language = [p for n, p in model.named_parameters() if n in names]
    coach = SubjectCoach(model.model.language_model, symbols)
    optimizer = torch.optim.AdamW(language, betas=(0.9, 0.98), weight_decay=0.0)
    journal = Journal(args.out)
    journal.counters["level"] = args.level
    if args.warm:
        load_weights(model, args.warm)
    journal.resume(model, optimizer)
    state = journal.counters
    tally, began = Tally(), time.time()
    losses: list[float] = []
    auxiliary: list[float] = []
    while state["step"] < args.steps:
        rate = learning_rate(state["step"], peak=args.peak, warmup=100, total=args.steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        seeds = range(state["clips"], state["clips"] + args.batch)
        batch, features = symbolic_batch(
            seeds, level=state["level"], prompts=prompts, symbols=symbols, need=tally.need()
        )
        logits, labels = answer_logits(model, batch, features)
        loss = nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        advice, known = coach.loss(batch)
        (loss + args.advice * advice).backward()
        nn.utils.clip_grad_norm_(language, 1.0)
        optimizer.step()
        tally_answers(logits.detach(), batch, tally)
        losses.append(loss.item())
        auxiliary.append(known)
        state["step"] += 1
        state["clips"] += args.batch
        if state["step"] % 25 == 0:
            state["seconds"] += time.time() - began
            began = time.time()
            rates = tally.rates()
            means = {"loss": losses, "subject": auxiliary}
            journal.log(**{k: round(float(np.mean(v)), 4) for k, v in means.items()}, **rates)
            if state["level"] < 3 and sorted(rates.values())[2] > 0.88:  # two kinds may be lower
                state["level"] += 1
            tally.fade()
            losses, auxiliary = [], []
        journal.save(model, optimizer, every_seconds=45)
    journal.save(model, optimizer)


if __name__ == "__main__":
    main()
