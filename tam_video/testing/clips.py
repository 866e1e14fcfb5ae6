"""Make synthetic clips, and check which visual tokens depend on which source pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tam_video.models.base import PlacedLayout
from tam_video.models.boundary import quiet
from tam_video.models.capture import find_decoder
from tam_video.models.conversation import assign_inputs
from tam_video.models.prompt import encode_prompt
from tam_video.types import ByteArray, FrameBatch, Message, VideoInfo, VisualLayout

QUESTION = (Message("user", "what moves?"),)
NUM_PROBES = 24


def make_info(num_frames: int, height: int, width: int, *, is_image: bool = False) -> VideoInfo:
    """Return the properties of a synthetic clip at 4 frames per second."""
    return VideoInfo(
        Path("picture.png" if is_image else "clip.mp4"),
        num_frames,
        width,
        height,
        Fraction(4),
        num_frames / 4,
        is_image=is_image,
    )


def make_batch(
    num_frames: int = 7, height: int = 96, width: int = 160, *, seed: int = 0
) -> FrameBatch:
    """Make a textured clip at 4 frames per second; no frame and no cell is constant."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(seed).normal(0, 6, (num_frames, height, width, 3))
    waves = [
        90 + 30 * np.sin(x / 17 + t / 3)[..., None] + 20 * np.cos(y / 13 - t / 5)[..., None]
        for t in range(num_frames)
    ]
    frames = np.clip(np.stack(waves) + noise, 0, 255).astype(np.uint8)
    info = make_info(num_frames, height, width)
    return FrameBatch(frames, np.arange(num_frames), np.arange(num_frames) / 4.0, info)


def make_image(height: int = 96, width: int = 160, *, seed: int = 3) -> FrameBatch:
    """Make a textured image."""
    batch = make_batch(1, height, width, seed=seed)
    return replace(batch, info=make_info(1, height, width, is_image=True))


class _StopPassError(Exception):
    """Raised to stop a forward pass when the decoder's input is known."""


@torch.no_grad()
def visual_features(
    model: Any, inputs: Sequence[FrameBatch], turns: Sequence[Message] = QUESTION
) -> tuple[tuple[PlacedLayout, ...], list[torch.Tensor]]:
    """Return the embeddings that the decoder receives at the cells of each video or image.

    Returns:
        The layouts with their positions, and float [t*h*w, d] for each.
    """
    family, checkpoint = model.adapter, model.checkpoint
    inputs_embeds: list[torch.Tensor] = []

    def grab(_module: Any, args: Any, kwargs: Any) -> None:
        embeds = kwargs.get("inputs_embeds")
        inputs_embeds.append((args[0] if embeds is None else embeds)[0])
        raise _StopPassError

    with quiet():
        conversation = assign_inputs(turns, num_inputs=len(inputs))
        tensors, prompt = encode_prompt(inputs, conversation, checkpoint=checkpoint, family=family)
        placed = family.place(prompt, checkpoint)
        handle = find_decoder(checkpoint.model).register_forward_pre_hook(grab, with_kwargs=True)
        try:
            checkpoint.model(**tensors, use_cache=False, logits_to_keep=1)
        except _StopPassError:
            pass
        finally:
            handle.remove()
    return placed, [inputs_embeds[0][torch.from_numpy(each.positions)].float() for each in placed]


def flip_cell(
    frames: ByteArray, layout: VisualLayout, cell: tuple[int, int, int]
) -> ByteArray | None:
    """Return frames with a cell's centre inverted, or None if the centre is outside the frame."""
    slot, row, column = cell
    height, width = frames.shape[1:3]
    left, top, right, bottom = layout.cell_box(row, column, width=width, height=height)
    across, down = (right - left) / 4, (bottom - top) / 4
    x0, x1 = int(left + across), int(np.ceil(right - across))
    y0, y1 = int(top + down), int(np.ceil(bottom - down))
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        return None
    changed = frames.copy()
    for frame in layout.frame_slots[slot]:
        changed[frame, y0:y1, x0:x1] = 255 - changed[frame, y0:y1, x0:x1]
    return changed


def assert_cells_are_localised(
    model: Any,
    inputs: Sequence[FrameBatch],
    *,
    number: int = 0,
    turns: Sequence[Message] = QUESTION,
    num_probes: int = NUM_PROBES,
) -> None:
    """Assert that changing a cell's source pixels changes the cell's own visual token most."""
    placed, before = visual_features(model, inputs, turns)
    layout, frames = placed[number].layout, inputs[number].frames
    cells = np.random.default_rng(1).permutation(list(np.ndindex(*layout.shape)))
    probed = 0
    for cell in cells.tolist():
        flat = int(np.ravel_multi_index(cell, layout.shape))
        changed = None if flat in layout.deduplicated else flip_cell(frames, layout, tuple(cell))
        if changed is None:
            continue
        modified = [*inputs]
        modified[number] = replace(inputs[number], frames=changed)
        _placed, after = visual_features(model, modified, turns)
        change = [(a - b).norm(dim=-1) for a, b in zip(after, before, strict=True)]
        most = max(range(len(change)), key=lambda k: float(change[k].max()))
        actual = (most, int(change[most].argmax()))
        assert actual == (number, flat), f"cell {cell}: {actual} changed most, not token {flat}"
        probed += 1
        if probed == num_probes:
            return
    assert probed > 0


def assert_frames_feed_their_slots(model: Any, batch: FrameBatch) -> None:
    """Assert that changing a source frame changes the tokens of the frame's slot most."""
    placed, (before,) = visual_features(model, [batch])
    layout = placed[0].layout
    assert [frame for slot in layout.frame_slots for frame in slot] == list(
        range(len(batch.frames))
    )
    for slot, slot_frames in enumerate(layout.frame_slots):
        for frame in slot_frames:
            changed = batch.frames.copy()
            changed[frame] = 255 - changed[frame]
            _placed, (after,) = visual_features(model, [replace(batch, frames=changed)])
            moved = (after - before).view(layout.t, -1).norm(dim=-1)
            assert int(moved.argmax()) == slot
            assert moved[slot] > 1e-3
