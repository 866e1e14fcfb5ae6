"""Stage 2: the vision tower learns, from pixels, the symbols of the language stage.

The tower sees one slot (two frames) at a time, so a training example is one slot. The targets are
the fixed rows of the embedding table, which stage 1 does not move: both stages can run side by
side.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from tam_video.datasets.shapes import (
    ShapeClip,
    background,
    make_clip,
    object_mask,
    render_frame,
)
from training.journal import Journal, Tally, learning_rate
from training.language import symbol_features
from training.network import Symbols, make_model
from training.symbolic import GRID, Cells, clip_cells
from training.vocabulary import make_tokenizer

PATCH = 16


def patchify(frames: np.ndarray) -> Tensor:
    """uint8 [T, H, W, 3] -> float32 [t*h*w, 3*2*16*16], as the Qwen3-VL video processor does."""
    t, height, width, _ = frames.shape
    scaled = (frames.astype(np.float32) / 255 - 0.5) / 0.5
    split = scaled.reshape(t // 2, 2, height // PATCH, PATCH, width // PATCH, PATCH, 3)
    order = split.transpose(0, 2, 4, 6, 1, 3, 5)
    return torch.from_numpy(np.ascontiguousarray(order).reshape(-1, 3 * 2 * PATCH * PATCH))


def worn(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A frame as a lossy codec gives it back (JPEG stands in; about half of the frames)."""
    if rng.random() < 0.5:
        return frame
    quality = int(rng.integers(60, 97))
    _, packed = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1])


def random_pair(clip: ShapeClip, rng: np.random.Generator) -> np.ndarray:
    """Two successive sampled frames: 12 of 48 frames mostly, sometimes 8 or 10."""
    count = int(rng.choice([8, 10, 12], p=[0.1, 0.1, 0.8]))
    frames = np.linspace(0, clip.num_frames - 1, count).round().astype(int)
    slot = int(rng.integers(count // 2))
    return frames[2 * slot : 2 * slot + 2]


FINE = 4  # the auxiliary target cuts a cell in FINE x FINE parts


def fine_cover(clip: ShapeClip, pair: np.ndarray) -> np.ndarray:
    """Covered share of the parts of each cell in both frames, float32 [GRID*GRID, 2*FINE*FINE]."""
    side = GRID * FINE
    cover = np.zeros((2, side, side), np.float32)
    for number, frame in enumerate(pair):
        for item in clip.objects:
            scale = side / clip.width
            cover[number] += object_mask(item, int(frame), width=side, height=side, scale=scale)
    parts = (cover / 255).clip(0, 1).reshape(2, GRID, FINE, GRID, FINE)
    return parts.transpose(1, 3, 0, 2, 4).reshape(GRID * GRID, 2 * FINE * FINE)


class Outliner(nn.Module):
    """A linear head on the tower's second block that says which parts of each cell are covered.

    It is thrown away after training. Without it shapes and motion stayed at chance for 3,000 slots:
    edges have to be told apart from colours before they can be put together.
    """

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.head = nn.Linear(visual.config.hidden_size, 2 * FINE * FINE)
        self.seen: list[Tensor] = []
        visual.blocks[1].register_forward_hook(lambda _m, _a, out: self.seen.append(out))

    def loss(self, wanted: Tensor) -> Tensor:
        """Binary cross-entropy of the last forward pass of the tower."""
        logits = self.head(self.seen.pop())
        self.seen.clear()
        return nn.functional.binary_cross_entropy_with_logits(logits, wanted)


def slot_batch(seeds: range) -> tuple[Tensor, list[Cells], Tensor]:
    """Patches [n*GRID*GRID, ...], cells and fine cover of a random slot of each training seed."""
    rng = np.random.default_rng([2, seeds.start])
    patches, cells, covers = [], [], []
    for seed in seeds:
        clip = make_clip(seed, split="train", num_objects=int(rng.choice([1, 2, 3, 3])))
        pair = random_pair(clip, rng)
        backdrop = background(clip)
        frames = [worn(render_frame(clip, int(f), backdrop=backdrop), rng) for f in pair]
        patches.append(patchify(np.stack(frames)))
        cells.append(clip_cells(clip, pair))
        covers.append(fine_cover(clip, pair))
    return torch.cat(patches), cells, torch.from_numpy(np.concatenate(covers))


def tower(model: nn.Module, patches: Tensor, slots: int) -> Tensor:
    """Visual features, float32 [slots*GRID*GRID, width]; every slot is its own video."""
    grid = torch.tensor([[slots, GRID, GRID]])
    return model.model.visual(patches, grid_thw=grid, return_dict=True).pooler_output


def tally_cells(out: Tensor, cells: list[Cells], symbols: Symbols, tally: Tally) -> None:
    """Nearest symbol of fully covered cells, averaged over each object's cells."""
    out = out.reshape(len(cells), GRID * GRID, -1)
    for mine, features in zip(cells, out, strict=True):
        item, cover = mine.item.ravel(), mine.cover.ravel()
        for number in range(len(mine.color)):
            inside = (item == number) & (cover >= 1)
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
    """Train until the step budget is used up; resumes by itself."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--peak", type=float, default=1e-3)
    args = parser.parse_args()

    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    symbols = Symbols(tokenizer, model.model.language_model.embed_tokens.weight.detach())
    outliner = Outliner(model.model.visual)
    visual = [p for n, p in model.named_parameters() if n.startswith("model.visual")]
    visual += list(outliner.parameters())
    optimizer = torch.optim.AdamW(visual, betas=(0.9, 0.98), weight_decay=0.01)
    journal = Journal(args.out)
    parts = nn.ModuleDict({"network": model, "outliner": outliner})
    journal.resume(parts, optimizer)
    state = journal.counters
    tally, began = Tally(), time.time()
    losses: list[float] = []
    while state["step"] < args.steps:
        rate = learning_rate(state["step"], peak=args.peak, warmup=100, total=args.steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        patches, cells, cover = slot_batch(range(state["clips"], state["clips"] + args.batch))
        keep = np.ones(GRID * GRID, bool)
        wanted = torch.cat([symbol_features(c, keep, symbols) for c in cells])
        weight = torch.from_numpy(np.concatenate([c.cover.ravel() for c in cells])) * 4 + 1
        out = tower(model, patches, args.batch)
        error = ((out - wanted) ** 2).mean(-1)
        loss = (error * weight).sum() / weight.sum() / wanted.var()
        outline = outliner.loss(cover)
        optimizer.zero_grad(set_to_none=True)
        (loss + outline).backward()
        nn.utils.clip_grad_norm_(visual, 1.0)
        optimizer.step()
        tally_cells(out.detach(), cells, symbols, tally)
        losses.append(loss.item())
        state["step"] += 1
        state["clips"] += args.batch
        if state["step"] % 25 == 0:
            state["seconds"] += time.time() - began
            began = time.time()
            nmse = round(float(np.mean(losses)), 4)
            journal.log(nmse=nmse, outline=round(outline.item(), 4), **tally.rates())
            tally, losses = Tally(), []
        journal.save(parts, optimizer, every_seconds=120)
    journal.save(parts, optimizer)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
