"""Stage 1: the language model learns to answer from symbolic clips (no pixels)."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tam_video.datasets.shapes import make_clip
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
)
from training.vocabulary import make_tokenizer


def symbol_features(cells: Cells, keep: np.ndarray, symbols: Symbols) -> Tensor:
    """Features of the kept cells, float32 [n, width], without noise."""
    flat = np.flatnonzero(keep)
    item = np.maximum(cells.item.ravel()[flat], 0)
    return symbols(
        torch.from_numpy(cells.color[item]),
        torch.from_numpy(cells.shape[item]),
        torch.from_numpy(cells.motion[item]),
        torch.from_numpy(cells.cover.ravel()[flat]).float(),
        cell_places(len(cells.item), grid=cells.item.shape[1])[flat],
    )


def answer_logits(model: nn.Module, batch: Batch, features: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Logits and labels at the answer positions, given the features of every clip's kept cells."""
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
    """Count a question as right when every token of its answer is the most probable one."""
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
) -> tuple[Batch, list[Tensor]]:
    """The batch of some training seeds with one to `level` objects, and its noisy features."""
    rng = np.random.default_rng([1, seeds.start])
    torch.manual_seed(seeds.start)
    shares = draw_shares(rng)
    asked, frames, keeps, features = [], [], [], []
    for seed in seeds:
        count = level if rng.random() < 0.6 else int(rng.integers(1, level + 1))
        clip = make_clip(seed, split="train", num_objects=count)
        taken = sample_frames(clip, int(rng.choice([8, 10, 12], p=[0.1, 0.1, 0.8])))
        cells = clip_cells(clip, taken)
        keep = keep_cells(cells, rng, shares=shares)
        clean = symbol_features(cells, keep, symbols)
        noise = float(rng.uniform(0.05, 0.25)) * clean.std()
        asked.append(choose_questions(clip, rng, count=7, need=need))
        frames.append(taken)
        keeps.append(keep)
        features.append(clean + noise * torch.randn_like(clean))
    return make_batch(frames, keeps, asked, prompts), features


def main() -> None:
    """Train until the step budget is used up; resumes by itself."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--peak", type=float, default=6e-4)
    parser.add_argument("--warm", type=Path, help="checkpoint folder to start from")
    args = parser.parse_args()

    tokenizer = make_tokenizer()
    prompts = Prompts(tokenizer)
    model = make_model(tokenizer)
    table = model.model.language_model.embed_tokens.weight
    symbols = Symbols(tokenizer, table.detach())
    keep_rows_fixed(table, symbols.fixed_rows)
    names = [n for n, _ in model.named_parameters() if not n.startswith("model.visual")]
    language = [p for n, p in model.named_parameters() if n in names]
    optimizer = torch.optim.AdamW(language, betas=(0.9, 0.98), weight_decay=0.0)
    journal = Journal(args.out)
    journal.counters["level"] = 1
    if args.warm:
        load_weights(model, args.warm)
    journal.resume(model, optimizer)
    state = journal.counters
    tally, began = Tally(), time.time()
    losses: list[float] = []
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
        loss.backward()
        nn.utils.clip_grad_norm_(language, 1.0)
        optimizer.step()
        tally_answers(logits.detach(), batch, tally)
        losses.append(loss.item())
        state["step"] += 1
        state["clips"] += args.batch
        if state["step"] % 25 == 0:
            state["seconds"] += time.time() - began
            began = time.time()
            rates = tally.rates()
            journal.log(loss=round(float(np.mean(losses)), 4), length=batch.ids.shape[1], **rates)
            if state["level"] < 3 and sorted(rates.values())[2] > 0.88:  # two kinds may lag
                state["level"] += 1
            tally.fade()
            losses = []
        journal.save(model, optimizer, every_seconds=45)
    journal.save(model, optimizer)


if __name__ == "__main__":
    main()
