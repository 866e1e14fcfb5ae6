"""Train a vision tower for `smol`: tiny's blocks in the Qwen2-VL class, and pictograms.

The class has no position embedding and no bias of the patches. Linear heads read colour, noun,
motion and coverage at every patch; they are discarded after training.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tam_video.datasets.scene import SceneClip
from tam_video.datasets.shapes import COLORS, MOTIONS, SHAPES
from tam_video.datasets.worlds import make_clip
from training import TINY, align
from training.align import PATCH, augmented, close_up, random_pair
from training.journal import Journal, Tally, learning_rate
from training.storing import save_trained
from training.symbolic import PICTURES, Cells, clip_cells

WIDTH = 160
MERGE = 2
CLOSE_PX = 128
NOUNS = (*SHAPES, *PICTURES)
HEADS = {"color": len(COLORS), "shape": len(NOUNS), "motion": len(MOTIONS), "cover": 1}


def vision_config(out_width: int) -> dict[str, Any]:
    """Return the vision part of a `Qwen2VLConfig`."""
    return {
        "depth": 4,
        "embed_dim": WIDTH,
        "hidden_size": out_width,
        "hidden_act": "gelu_pytorch_tanh",
        "mlp_ratio": 3,
        "num_heads": 5,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": 2,
        "rope_parameters": {"rope_type": "axial", "rope_theta": 100.0},
    }


def make_tower(out_width: int) -> Any:
    """Return a `Qwen2VisionTransformerPretrainedModel` with random weights."""
    from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig
    from transformers.models.qwen2_vl.modeling_qwen2_vl import (
        Qwen2VisionTransformerPretrainedModel,
    )

    return Qwen2VisionTransformerPretrainedModel(Qwen2VLVisionConfig(**vision_config(out_width)))


def load_tiny_blocks(tower: Any, folder: Path) -> None:
    """Copy the blocks and the patch weights of `tiny`."""
    from safetensors.torch import load_file

    prefix = "model.visual."
    stored = {
        name.removeprefix(prefix).replace("linear_fc", "fc"): values.float()
        for name, values in load_file(folder / "model.safetensors").items()
        if name.startswith((prefix + "blocks.", prefix + "patch_embed.proj.weight"))
    }
    missing, unexpected = tower.load_state_dict(stored, strict=False)
    assert not unexpected, unexpected
    assert all(name.startswith("merger.") for name in missing), missing


def merge_order(side: int) -> np.ndarray:
    """Return the row-major numbers of side x side patches in the order of the processor."""
    numbers = np.arange(side * side).reshape(side // MERGE, MERGE, side // MERGE, MERGE)
    return numbers.transpose(0, 2, 1, 3).ravel()


def patchify(frames: np.ndarray) -> Tensor:
    """Convert uint8 [T, H, W, 3] to float32 [t*h*w, 3*2*16*16], like the Qwen2-VL processor."""
    by_row = align.patchify(frames).unflatten(0, (len(frames) // 2, -1))
    return by_row[:, merge_order(frames.shape[1] // PATCH)].flatten(0, 1)


def tower_states(tower: Any, patches: Tensor, slots: int) -> Tensor:
    """Compute the states before the merger, float32 [patches, WIDTH], in processor order."""
    side = round((len(patches) / slots) ** 0.5)
    grid = torch.tensor([[slots, side, side]])
    return tower(patches, grid_thw=grid).last_hidden_state


def training_clip(seed: int, rng: np.random.Generator) -> SceneClip:
    """Make a clip of one to three shapes and pictograms."""
    count = int(rng.choice([1, 2, 3, 3]))
    return make_clip(seed, split="train", num_objects=count, shapes=NOUNS)


def slot_batch(seeds: range, *, close: bool) -> tuple[Tensor, list[Cells]]:
    """Return patches and cells of a random slot of each seed."""
    rng = np.random.default_rng([6, seeds.start])
    patches, cells = [], []
    for seed in seeds:
        clip = training_clip(seed, rng)
        pair = random_pair(clip, rng)
        clip = close_up(clip, pair, rng, side=CLOSE_PX) if close else clip
        frames = [augmented(clip.render_frame(int(f)), rng) for f in pair]
        patches.append(patchify(np.stack(frames)))
        cells.append(clip_cells(clip, pair))
    return torch.cat(patches), cells


class PatchHeads(nn.Module):
    """Linear heads on the normalised states of every patch."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.heads = nn.ModuleDict({name: nn.Linear(WIDTH, n) for name, n in HEADS.items()})

    def loss(self, states: Tensor, cells: list[Cells], tally: Tally) -> Tensor:
        """Compute the loss of a batch, and count the right patches of each kind."""
        order = merge_order(cells[0].item.shape[-1])
        item = np.concatenate([each.item.reshape(-1)[order] for each in cells])
        cover = torch.from_numpy(np.concatenate([each.cover.reshape(-1)[order] for each in cells]))
        owner = np.repeat(np.arange(len(cells)), len(order))
        normed = self.norm(states)
        logit = self.heads["cover"](normed)[:, 0]
        total = nn.functional.binary_cross_entropy_with_logits(logit, cover.float())
        inside = np.flatnonzero(item >= 0)
        weight = cover[torch.from_numpy(inside)].float()
        for name in ("color", "shape", "motion"):
            truth = torch.tensor([int(getattr(cells[owner[i]], name)[item[i]]) for i in inside])
            logits = self.heads[name](normed[torch.from_numpy(inside)])
            losses = nn.functional.cross_entropy(logits, truth, reduction="none")
            total = total + (losses * weight).sum() / weight.sum()
            right = (logits.argmax(-1) == truth)[weight > 0.6]
            for each in right.tolist():
                tally.add(name, each)
        return total


def main() -> None:
    """Train up to a number of steps; resumes automatically."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tiny", type=Path, default=TINY)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--peak", type=float, default=1e-3)
    args = parser.parse_args()

    torch.manual_seed(0)
    parts = nn.ModuleDict({"tower": make_tower(WIDTH), "heads": PatchHeads()})
    load_tiny_blocks(parts["tower"], args.tiny)
    optimizer = torch.optim.AdamW(parts.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    journal = Journal(args.out)
    journal.resume(parts, optimizer)
    state, tally, began, losses = journal.counters, Tally(), time.time(), []
    while state["step"] < args.steps:
        rate = learning_rate(state["step"], peak=args.peak, warmup=50, total=args.steps)
        optimizer.param_groups[0]["lr"] = rate
        close = state["step"] % 4 != 0
        count = args.batch * (3 if close else 1)
        patches, cells = slot_batch(range(state["clips"], state["clips"] + count), close=close)
        loss = parts["heads"].loss(tower_states(parts["tower"], patches, count), cells, tally)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parts.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        state["step"] += 1
        state["clips"] += count
        if state["step"] % 25 == 0:
            state["seconds"] += time.time() - began
            began = time.time()
            journal.log(loss=round(float(np.mean(losses)), 4), **tally.rates())
            tally, losses = Tally(), []
        journal.save(parts, optimizer, every_seconds=45)
    journal.save(parts, optimizer)
    stored = {
        f"model.visual.{name}": values
        for name, values in parts["tower"].state_dict().items()
        if "merger" not in name
    }
    save_trained(stored, args.out / "tower.safetensors")


if __name__ == "__main__":
    main()
