"""Stage 2: train the vision tower to produce the symbols of the language stage from pixels.

The tower gets one slot (two frames) at a time, so a training example is one slot. The targets are
the fixed rows of the embedding table, which stage 1 does not change: both stages can run in
parallel.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from tam_video.datasets.scene import SceneClip, SceneObject, object_mask
from tam_video.datasets.shapes import MOTIONS, SHAPES
from tam_video.datasets.worlds import make_clip
from training.export import load_weights
from training.journal import Journal, Tally, learning_rate
from training.language import symbol_features
from training.network import Symbols, make_model
from training.symbolic import Cells, clip_cells
from training.vocabulary import make_tokenizer

PATCH = 16


def patchify(frames: np.ndarray) -> Tensor:
    """Convert uint8 [T, H, W, 3] to float32 [t*h*w, 3*2*16*16], like the Qwen3-VL processor."""
    t, height, width, _ = frames.shape
    scaled = (frames.astype(np.float32) / 255 - 0.5) / 0.5
    split = scaled.reshape(t // 2, 2, height // PATCH, PATCH, width // PATCH, PATCH, 3)
    order = split.transpose(0, 2, 4, 6, 1, 3, 5)
    return torch.from_numpy(np.ascontiguousarray(order).reshape(-1, 3 * 2 * PATCH * PATCH))


def augmented(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply lossy compression (JPEG) to about half of the frames."""
    if rng.random() < 0.5:
        return frame
    quality = int(rng.integers(60, 97))
    _, packed = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1])


def random_pair(clip: SceneClip, rng: np.random.Generator) -> np.ndarray:
    """Return two successive sampled frames: mostly of 12 per clip, sometimes of 8 or 10."""
    count = int(rng.choice([8, 10, 12], p=[0.1, 0.1, 0.8]))
    frames = np.linspace(0, clip.num_frames - 1, count).round().astype(int)
    slot = int(rng.integers(count // 2))
    return frames[2 * slot : 2 * slot + 2]


FINE = 4  # the auxiliary target divides a cell into FINE x FINE parts


def fine_cover(clip: SceneClip, pair: np.ndarray) -> np.ndarray:
    """Compute the covered fraction of each part of a cell, float32 [cells, 2*FINE*FINE]."""
    grid = clip.width // PATCH
    side = grid * FINE
    cover = np.zeros((2, side, side), np.float32)
    for number, frame in enumerate(pair):
        for item in clip.objects:
            scale = side / clip.width
            cover[number] += object_mask(item, int(frame), width=side, height=side, scale=scale)
    parts = (cover / 255).clip(0, 1).reshape(2, grid, FINE, grid, FINE)
    return parts.transpose(1, 3, 0, 2, 4).reshape(grid * grid, 2 * FINE * FINE)


class Coach(nn.Module):
    """Auxiliary linear heads on the tower's middle blocks; discarded after training.

    They predict which parts of each cell are covered, and (pooled over an object's cells) its shape
    and motion. Without them shapes and motion stayed at chance for 3,000 slots: boundary cells must
    represent edges before attention can combine them.
    """

    BLOCKS = (1, 2)

    def __init__(self, visual: nn.Module, nouns: Sequence[str] = SHAPES) -> None:
        super().__init__()
        width = visual.config.hidden_size
        self.outline = nn.Linear(width, 2 * FINE * FINE)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in self.BLOCKS)
        self.shape = nn.ModuleList(nn.Linear(width, len(nouns)) for _ in self.BLOCKS)
        self.motion = nn.ModuleList(nn.Linear(width, len(MOTIONS)) for _ in self.BLOCKS)
        self.outputs: dict[int, Tensor] = {}
        for block in self.BLOCKS:
            visual.blocks[block].register_forward_hook(partial(self._remember, block))

    def _remember(
        self, block: int, _module: nn.Module, _args: tuple[Any, ...], out: Tensor
    ) -> None:
        self.outputs[block] = out

    def loss(self, cells: list[Cells], cover: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Compute the loss of the last forward pass, and the accuracy of the pooled heads."""
        total = nn.functional.binary_cross_entropy_with_logits(
            self.outline(self.outputs[self.BLOCKS[0]]), cover
        )
        rates = {"outline": round(total.item(), 4)}
        pools, shapes, motions = object_pools(cells)
        for number, block in enumerate(self.BLOCKS):
            pooled = pools @ self.norms[number](self.outputs[block])
            for name, truth in (("shape", shapes), ("motion", motions)):
                logits = getattr(self, name)[number](pooled)
                total = total + 0.5 * nn.functional.cross_entropy(logits, truth)
                right = (logits.argmax(-1) == truth).float().mean().item()
                rates[f"{name}@{block}"] = round(right, 3)
        return total, rates


def object_pools(cells: list[Cells]) -> tuple[Tensor, Tensor, Tensor]:
    """Return averaging weights [n, all cells] of n visible objects, their shapes and motions."""
    size = cells[0].item.size
    rows, shapes, motions = [], [], []
    for index, mine in enumerate(cells):
        item = mine.item.ravel()
        for number in range(len(mine.color)):
            inside = (item == number).astype(np.float32)
            if inside.sum() >= 4:
                row = np.zeros(len(cells) * size, np.float32)
                row[index * size : (index + 1) * size] = inside / inside.sum()
                rows.append(row)
                shapes.append(int(mine.shape[number]))
                motions.append(int(mine.motion[number]))
    return torch.from_numpy(np.stack(rows)), torch.tensor(shapes), torch.tensor(motions)


CLOSE_PX = 112


def close_up(
    clip: SceneClip, pair: np.ndarray, rng: np.random.Generator, *, side: int = CLOSE_PX
) -> SceneClip:
    """Crop `side` x `side` pixels around one object, for a fraction of the cost."""
    there = [o for o in clip.objects if o.is_visible(int(pair[0])) or o.is_visible(int(pair[1]))]
    if there:
        x, y = there[int(rng.integers(len(there)))].trajectories[0].center(int(pair[0]))
    else:
        x, y = rng.uniform(0, clip.width, 2)
    left, top = np.array([x, y]) - side / 2 + rng.uniform(-22, 22, 2)
    moved = tuple(_moved(item, (left, top)) for item in clip.objects)
    shot = replace(clip.shots[0], width=side, height=side)
    return replace(clip, objects=moved, shots=(shot,), width=side, height=side)


def _moved(item: SceneObject, corner: tuple[float, float]) -> SceneObject:
    (path,) = item.trajectories
    moved = replace(path, x_px=path.x_px - corner[0], y_px=path.y_px - corner[1])
    return replace(item, trajectories=(moved,))


def slot_batch(
    seeds: range, *, close: bool, nouns: Sequence[str] = SHAPES
) -> tuple[Tensor, list[Cells], Tensor]:
    """Return patches [n*cells, ...], cells and fine cover of a random slot of each seed."""
    rng = np.random.default_rng([2, seeds.start])
    patches, cells, covers = [], [], []
    for seed in seeds:
        count = int(rng.choice([1, 2, 3, 3]))
        clip = make_clip(seed, split="train", num_objects=count, shapes=nouns)
        pair = random_pair(clip, rng)
        clip = close_up(clip, pair, rng) if close else clip
        scene = clip
        frames = [augmented(scene.render_frame(int(f)), rng) for f in pair]
        patches.append(patchify(np.stack(frames)))
        cells.append(clip_cells(clip, pair))
        covers.append(fine_cover(clip, pair))
    return torch.cat(patches), cells, torch.from_numpy(np.concatenate(covers))


def tower(model: nn.Module, patches: Tensor, slots: int) -> Tensor:
    """Compute visual features, float32 [cells, width]; slots do not attend to each other."""
    side = round((len(patches) / slots) ** 0.5)
    grid = torch.tensor([[slots, side, side]])
    return model.model.visual(patches, grid_thw=grid, return_dict=True).pooler_output


def tally_cells(out: Tensor, cells: list[Cells], symbols: Symbols, tally: Tally) -> None:
    """Count the nearest symbols of well covered cells, averaged over each object's cells."""
    out = out.reshape(len(cells), cells[0].item.size, -1)
    for mine, features in zip(cells, out, strict=True):
        item, cover = mine.item.ravel(), mine.cover.ravel()
        for number in range(len(mine.color)):
            inside = (item == number) & (cover >= 0.7)
            if inside.sum() < 2:
                continue
            mean = features[torch.from_numpy(np.flatnonzero(inside))].mean(0)
            for kind, truth in (
                ("color", mine.color),
                ("shape", mine.shape),
                ("motion", mine.motion),
            ):
                table = getattr(symbols, kind)
                centered = table - table.mean(0)
                tally.add(kind, int((centered @ mean).argmax()) == int(truth[number]))


def main() -> None:
    """Train up to a number of steps; resumes automatically."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--peak", type=float, default=1e-3)
    parser.add_argument("--warm", type=Path, help="checkpoint folder to start from")
    args = parser.parse_args()
    model = make_model(make_tokenizer())
    if args.warm:
        load_weights(model, args.warm)
    table = model.model.language_model.embed_tokens.weight.detach()
    train(args, model, Symbols(make_tokenizer(), table), SHAPES)


def train(
    args: argparse.Namespace, model: nn.Module, symbols: Symbols, nouns: Sequence[str]
) -> None:
    """Train the tower of a model to produce the symbols of its nouns."""
    coach = Coach(model.model.visual, nouns)
    visual = [p for n, p in model.named_parameters() if n.startswith("model.visual")]
    visual += list(coach.parameters())
    optimizer = torch.optim.AdamW(visual, betas=(0.9, 0.98), weight_decay=0.01)
    journal = Journal(args.out)
    parts = nn.ModuleDict({"network": model, "coach": coach})
    journal.resume(parts, optimizer)
    state = journal.counters
    tally, began = Tally(), time.time()
    losses: list[float] = []
    auxiliary: list[dict[str, float]] = []
    while state["step"] < args.steps:
        rate = learning_rate(state["step"], peak=args.peak, warmup=100, total=args.steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        close = state["step"] % 4 != 0
        count = args.batch * 3 if close else args.batch
        seeds = range(state["clips"], state["clips"] + count)
        patches, cells, cover = slot_batch(seeds, close=close, nouns=nouns)
        targets = torch.cat(
            [symbol_features(c, np.ones(c.item.size, bool), symbols) for c in cells]
        )
        weight = torch.from_numpy(np.concatenate([c.cover.ravel() for c in cells])) * 4 + 1
        out = tower(model, patches, count)
        error = ((out - targets) ** 2).mean(-1)
        loss = (error * weight).sum() / weight.sum() / targets.var()
        advice, rates = coach.loss(cells, cover)
        optimizer.zero_grad(set_to_none=True)
        (loss + advice).backward()
        nn.utils.clip_grad_norm_(visual, 1.0)
        optimizer.step()
        tally_cells(out.detach(), cells, symbols, tally)
        losses.append(loss.item())
        auxiliary.append(rates)
        state["step"] += 1
        state["clips"] += count
        if state["step"] % 25 == 0:
            state["seconds"] += time.time() - began
            began = time.time()
            nmse = round(float(np.mean(losses)), 4)
            means = {k: round(float(np.mean([r[k] for r in auxiliary])), 3) for k in rates}
            journal.log(nmse=nmse, coach=means, **tally.rates())
            tally, losses, auxiliary = Tally(), [], []
        journal.save(parts, optimizer, every_seconds=45)
    journal.save(parts, optimizer)


if __name__ == "__main__":
    main()
