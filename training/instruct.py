"""Train the merger of `smol` and low-rank changes of its attention on the loss of answers."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tam_video.datasets.shapes import SHAPES
from tam_video.datasets.worlds import make_clip
from training.align import augmented
from training.english import english_questions
from training.journal import Journal, Tally, learning_rate
from training.language import answer_logits, tally_answers
from training.smol import (
    adapt,
    make_model,
    make_tokenizer,
    merge_changes,
    read_language,
)
from training.symbolic import (
    IGNORE,
    PICTURES,
    Batch,
    Prefix,
    Prompts,
    clip_cells,
    label,
    make_batch,
    sample_frames,
)
from training.tower import MERGE, patchify, tower_states

GRID = 7


class SmolPrompts(Prompts):
    """Build the same prompts as the processor of `smol`: one block of cells, no timestamps."""

    def prefix(self, frames: np.ndarray, keep: np.ndarray) -> Prefix:
        """Build the visual part; `keep` is bool [t * GRID * GRID], the cells that are present."""
        head = self.encode("<|im_start|>user\n<|vision_start|>")
        flat = np.flatnonzero(keep)
        slot, place = np.divmod(flat, GRID * GRID)
        rows, columns = np.divmod(place, GRID)
        start = len(head)
        end = start + GRID
        ids = [*head, *[self.pad] * len(flat), self.end]
        positions = np.concatenate(
            [
                np.tile(np.arange(start), (3, 1)),
                np.stack([start + slot, start + rows, start + columns]),
                np.full((3, 1), end),
            ],
            axis=1,
        )
        cells = [-1] * len(head) + flat.tolist() + [-1]
        return Prefix(np.array(ids), positions, np.array(cells), end + 1)

    def subject(self, question: Any) -> list[int]:
        """Return IGNORE for every token: there is no auxiliary loss."""
        return [-100] * len(self.branch(question)[0])


def merged_items(item: np.ndarray) -> np.ndarray:
    """Return whether each merged cell holds a part of an object: bool [t, GRID, GRID]."""
    slots, side, _ = item.shape
    return (item >= 0).reshape(slots, side // MERGE, MERGE, side // MERGE, MERGE).any((2, 4))


def draw_keep(inside: np.ndarray, rng: np.random.Generator, *, dense: bool) -> np.ndarray:
    """Choose the cells of a clip: all, or 30 to 90 % of the objects' and 1 to 8 % of the others."""
    flat = inside.ravel()
    if dense:
        return np.ones(flat.size, bool)
    return rng.random(flat.size) < np.where(flat, rng.uniform(0.3, 0.9), rng.uniform(0.01, 0.08))


def smol_batch(
    model: Any,
    seeds: range,
    prompts: Prompts,
    *,
    level: int,
    dense: bool,
    need: dict[str, float],
    count: int,
) -> tuple[Batch, list[Tensor]]:
    """Return the batch of some training seeds and the merged features of the kept cells."""
    rng = np.random.default_rng([7, seeds.start])
    clips, questions, frames, keeps, features = [], [], [], [], []
    for seed in seeds:
        nouns = SHAPES if rng.random() < 0.5 else PICTURES
        objects = level if rng.random() < 0.6 else int(rng.integers(1, level + 1))
        clip = make_clip(seed, split="train", num_objects=objects, shapes=nouns)
        taken = sample_frames(clip, 12)
        pixels = [augmented(clip.render_frame(int(f)), rng) for f in taken]
        keep = draw_keep(merged_items(clip_cells(clip, taken).item), rng, dense=dense)
        with torch.no_grad():
            states = tower_states(model.model.visual, patchify(np.stack(pixels)), 6)
        blocks = states.reshape(6 * GRID * GRID, MERGE * MERGE, -1)[torch.from_numpy(keep)]
        features.append(model.model.visual.merger(blocks.flatten(0, 1)))
        pool = english_questions(clip, rng, nouns=nouns)
        weights = np.array([max(0.1, need.get(label(q), 1.0)) for q in pool])
        size = min(count, len(pool))
        chosen = rng.choice(len(pool), size=size, replace=False, p=weights / weights.sum())
        questions.append([pool[int(i)] for i in chosen])
        clips.append(clip)
        frames.append(taken)
        keeps.append(keep)
    return make_batch(clips, frames, keeps, questions, prompts=prompts), features


def token_weights(batch: Batch) -> Tensor:
    """Return 1 / sqrt(tokens of the answer) for every answer token: float32 [n].

    With equal weights a short answer, such as "Yes.", hardly counts beside a caption.
    """
    at = batch.labels != IGNORE
    branch = batch.branch.clamp(min=0)
    count = torch.zeros(at.shape[0], int(branch.max()) + 1).scatter_add_(1, branch, at.float())
    return count.gather(1, branch)[at] ** -0.5


def load(gguf: Path, tower: Path) -> tuple[Any, Any]:
    """Return the model with the trained tower, and the tokenizer."""
    from safetensors.torch import load_file

    language, stored = read_language(gguf)
    tokenizer = make_tokenizer(stored)
    model = make_model(tokenizer, language)
    merge_changes(model, load_file(tower))
    return model, tokenizer


class Trained(nn.Module):
    """What is trained and saved: the merger and the low-rank changes."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.changes = adapt(model)
        self.merger = model.model.visual.merger

    def weights(self) -> dict[str, nn.Parameter]:
        """Return the trained parameters by name."""
        return {n: p for n, p in self.named_parameters() if p.requires_grad}

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return the trained parameters alone."""
        return {n: p.detach() for n, p in self.weights().items()}

    def load_state_dict(self, state: Any, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Load the trained parameters."""
        with torch.no_grad():
            for name, parameter in self.weights().items():
                parameter.copy_(state[name])


def main() -> None:
    """Train up to a number of steps; resumes automatically."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument(
        "--tower", type=Path, default=Path("benchmarks/models/smol/tower.safetensors")
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--questions", type=int, default=6)
    parser.add_argument("--peak", type=float, default=2e-3)
    parser.add_argument("--level", type=int, default=1)
    args = parser.parse_args()

    model, tokenizer = load(args.gguf, args.tower)
    trained = Trained(model)
    prompts = SmolPrompts(tokenizer)
    weights = list(trained.weights().values())
    optimizer = torch.optim.AdamW(weights, betas=(0.9, 0.98), weight_decay=0.0)
    journal = Journal(args.out)
    journal.counters["level"] = args.level
    journal.resume(trained, optimizer)
    state, tally, began, losses = journal.counters, Tally(), time.time(), []
    while state["step"] < args.steps:
        rate = learning_rate(state["step"], peak=args.peak, warmup=30, total=args.steps)
        optimizer.param_groups[0]["lr"] = rate
        dense = state["step"] % 20 == 19
        count = 1 if dense else args.batch
        seeds = range(state["clips"], state["clips"] + count)
        with torch.autocast("cpu", torch.bfloat16):
            batch, features = smol_batch(
                model,
                seeds,
                prompts,
                level=state["level"],
                dense=dense,
                need=tally.need(),
                count=args.questions,
            )
            logits, labels = answer_logits(model, batch, features)
            losses_by_token = nn.functional.cross_entropy(logits.float(), labels, reduction="none")
            weight = token_weights(batch)
            loss = (losses_by_token * weight).sum() / weight.sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        tally_answers(logits.detach(), batch, tally)
        losses.append(loss.item())
        state["step"] += 1
        state["clips"] += count
        if state["step"] % 20 == 0:
            state["seconds"] += time.time() - began
            began = time.time()
            rates = tally.rates()
            journal.log(loss=round(float(np.mean(losses)), 4), **rates)
            if state["level"] < 3 and sorted(rates.values())[4] > 0.8:
                state["level"] += 1
            tally.fade(0.5)
            losses = []
        journal.save(trained, optimizer, every_seconds=60)
    journal.save(trained, optimizer)


if __name__ == "__main__":
    main()
