"""Stage 3: instruction tuning from pixels, loss on answers only.

The vision tower computes the features; with `--tower-rate 0` it is frozen and only the language
model adapts to real features, which is several times cheaper.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tam_video.datasets.worlds import make_clip
from training.align import augmented, patchify, tower
from training.export import load_stages
from training.journal import Journal, Tally, learning_rate
from training.language import SubjectCoach, answer_logits, tally_answers
from training.network import Symbols, keep_rows_fixed
from training.symbolic import (
    Batch,
    Prompts,
    choose_questions,
    clip_cells,
    draw_shares,
    keep_cells,
    make_batch,
    sample_frames,
    with_look_alikes,
)
from training.vocabulary import make_tokenizer


def pixel_batch(
    model: nn.Module,
    seeds: range,
    prompts: Prompts,
    *,
    dense: bool,
    need: Mapping[str, float],
) -> tuple[Batch, list[Tensor]]:
    """Return the batch of some training seeds and the tower's features of the kept cells."""
    rng = np.random.default_rng([4, seeds.start])
    shares = (1.0, 1.0) if dense else draw_shares(rng)
    clips, questions, frames, keeps, features = [], [], [], [], []
    for seed in seeds:
        clip = make_clip(seed, split="train", num_objects=int(rng.choice([1, 2, 2, 3, 3])))
        clip = with_look_alikes(clip, rng, share=0.3)
        taken = sample_frames(clip, 12)
        scene = clip
        pixels = [augmented(scene.render_frame(int(f)), rng) for f in taken]
        visual = tower(model, patchify(np.stack(pixels)), len(taken) // 2)
        keep = keep_cells(clip_cells(clip, taken), rng, shares=shares)
        questions.append(choose_questions(clip, rng, count=8, need=need))
        clips.append(clip)
        frames.append(taken)
        keeps.append(keep)
        features.append(visual[torch.from_numpy(keep)])
    return make_batch(clips, frames, keeps, questions, prompts=prompts), features


def main() -> None:
    """Train up to a number of steps; resumes automatically."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "states", type=Path, nargs="+", help="states of stages 1 and 2, or one checkpoint folder"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--peak", type=float, default=3e-4)
    parser.add_argument("--advice", type=float, default=0.1, help="weight of the coach's loss")
    parser.add_argument(
        "--tower-rate",
        type=float,
        default=0.0,
        help="learning rate of the tower, relative to the peak",
    )
    parser.add_argument("--first-seed", type=int, default=10_000_000)
    args = parser.parse_args()

    tokenizer = make_tokenizer()
    prompts = Prompts(tokenizer)
    model = load_stages(*args.states)
    table = model.model.language_model.embed_tokens.weight
    symbols = Symbols(tokenizer, table.detach())
    keep_rows_fixed(table, symbols.fixed_rows)
    coach = SubjectCoach(model.model.language_model, symbols)
    names = [n for n, _ in model.named_parameters() if not n.startswith("model.visual")]
    words = [p for n, p in model.named_parameters() if n in names]
    visual = [p for n, p in model.named_parameters() if n not in names]
    language = torch.optim.AdamW(words, betas=(0.9, 0.98), weight_decay=0.0)
    eyes = torch.optim.AdamW(visual, betas=(0.9, 0.98), weight_decay=0.0)
    journal = Journal(args.out)
    journal.resume(model, language)
    state = journal.counters
    tally, began = Tally(), time.time()
    losses: list[float] = []
    while state["step"] < args.steps:
        rate = learning_rate(state["step"], peak=args.peak, warmup=30, total=args.steps)
        for group in language.param_groups:
            group["lr"] = rate
        eyes.param_groups[0]["lr"] = rate * args.tower_rate
        dense = state["step"] % 2 == 1
        count = 2 if dense else args.batch
        seeds = range(args.first_seed + state["clips"], args.first_seed + state["clips"] + count)
        with torch.set_grad_enabled(args.tower_rate > 0):
            batch, features = pixel_batch(model, seeds, prompts, dense=dense, need=tally.need())
        logits, labels = answer_logits(model, batch, features)
        loss = nn.functional.cross_entropy(logits, labels)
        advice, _known = coach.loss(batch)
        language.zero_grad(set_to_none=True)
        eyes.zero_grad(set_to_none=True)
        (loss + args.advice * advice).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        language.step()
        if args.tower_rate > 0:
            eyes.step()
        tally_answers(logits.detach(), batch, tally)
        losses.append(loss.item())
        state["step"] += 1
        state["clips"] += count
        if state["step"] % 25 == 0:
            state["seconds"] += time.time() - began
            began = time.time()
            journal.log(loss=round(float(np.mean(losses)), 4), **tally.rates())
            tally.fade()
            losses = []
        journal.save(model, language, every_seconds=45)
    journal.save(model, language)


if __name__ == "__main__":
    main()
