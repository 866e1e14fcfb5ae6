"""Batches for the language stage: clips as symbols, questions as branches after one visual prefix.

Every question of a clip is a branch that attends to the visual prefix and itself only, with the
positions it would have alone: the prefix is computed once, and no answer leaks into another
question.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tam_video.datasets.pictograms import PICTOGRAMS
from tam_video.datasets.questions import ShapeQuestion
from tam_video.datasets.scene import SceneClip, object_mask
from tam_video.datasets.shapes import COLORS, FPS, MOTIONS, SHAPES
from tam_video.datasets.written import SIGNS
from training.questions import make_questions

GRID = 14
PICTURES = tuple(PICTOGRAMS)[:10]
NOUNS = (*SHAPES, *PICTURES, *SIGNS)
IGNORE = -100


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The cells of a clip: t slots of GRID x GRID, by index into the vocabulary of the world.

    `item` is -1 on background; `cover` is 0 if the main object covers a fifth of the cell or less
    (mean of the slot's frames), 1 if it covers nine tenths, and linear in between, so that a map's
    largest value lies inside the object, not on its edge.
    """

    item: np.ndarray  # int64 [t, GRID, GRID]
    cover: np.ndarray  # float32 [t, GRID, GRID]
    color: np.ndarray  # int64 [num_objects]
    shape: np.ndarray
    motion: np.ndarray


def sample_frames(clip: SceneClip, num_frames: int) -> np.ndarray:
    """Return the frame numbers that the Qwen3-VL video processor samples."""
    return np.linspace(0, clip.num_frames - 1, num_frames).round().astype(int)


def clip_cells(clip: SceneClip, frames: np.ndarray) -> Cells:
    """Compute which object covers each cell (16 x 16 pixels) of each slot (two frames per slot)."""
    grid = clip.width // 16
    side = grid * 4
    cover = np.stack(
        [
            [
                object_mask(o, int(f), width=side, height=side, scale=side / clip.width)
                for f in frames
            ]
            for o in clip.objects
        ]
    ).astype(np.float32)
    shape = (len(clip.objects), len(frames) // 2, 2, grid, 4, grid, 4)
    cover = cover.reshape(shape).mean((2, 4, 6)) / 255
    main = cover.argmax(0)
    graded = np.clip((cover.max(0) - 0.2) / 0.7, 0, 1)
    return Cells(
        item=np.where(graded > 0, main, -1),
        cover=graded,
        color=np.array([list(COLORS).index(o.color) for o in clip.objects]),
        shape=np.array([NOUNS.index(o.shape) for o in clip.objects]),
        motion=np.array([list(MOTIONS).index(o.motion) for o in clip.objects]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """The visual part of a prompt: ids, M-RoPE positions, and which entries are cells."""

    ids: np.ndarray  # int64 [P]
    positions: np.ndarray  # int64 [3, P]
    cell: np.ndarray  # int64 [P], flat cell number or -1 for text
    next_position: int


class Prompts:
    """Build the same prompts as the processor of `tiny` (compared with it in the tests)."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        name = tokenizer.convert_tokens_to_ids
        self.start, self.end, self.pad = (
            name("<|vision_start|>"),
            name("<|vision_end|>"),
            name("<|video_pad|>"),
        )
        self.cache: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, cached."""
        if text not in self.cache:
            self.cache[text] = list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return self.cache[text]

    def prefix(self, frames: np.ndarray, keep: np.ndarray) -> Prefix:
        """Build the visual part; `keep` is bool [t * GRID * GRID], the cells that are present."""
        ids: list[int] = []
        positions: list[np.ndarray] = []
        cells: list[int] = []
        at = 0

        def text(new: list[int]) -> None:
            nonlocal at
            ids.extend(new)
            positions.append(np.tile(np.arange(at, at + len(new)), (3, 1)))
            cells.extend([-1] * len(new))
            at += len(new)

        text(self.encode("<|im_start|>user\n<|vision_start|>"))
        for slot in range(len(frames) // 2):
            seconds = (frames[2 * slot] / FPS + frames[2 * slot + 1] / FPS) / 2
            text([*self.encode(f"<{seconds:.1f} seconds>"), self.start])
            flat = np.flatnonzero(keep[slot * GRID * GRID : (slot + 1) * GRID * GRID])
            rows, columns = np.divmod(flat, GRID)
            ids.extend([self.pad] * len(flat))
            positions.append(np.stack([np.full_like(rows, at), at + rows, at + columns]))
            cells.extend((flat + slot * GRID * GRID).tolist())
            at += GRID
            text([self.end])
        text([self.end])
        return Prefix(np.array(ids), np.concatenate(positions, 1), np.array(cells), at)

    def branch(self, question: ShapeQuestion) -> tuple[list[int], list[int]]:
        """Return ids after the prefix and labels (IGNORE except for the last answer)."""
        ids: list[int] = []
        labels: list[int] = []
        turns = [*question.history, (question.text, question.answer)]
        for number, (question_text, answer_text) in enumerate(turns):
            head = "" if number == 0 else "\n<|im_start|>user\n"
            prompt = self.encode(f"{head}{question_text}<|im_end|>\n<|im_start|>assistant\n")
            answer = self.encode(f"{answer_text}<|im_end|>")
            ids += prompt + answer
            last = number == len(turns) - 1
            labels += [IGNORE] * len(prompt) + (answer if last else [IGNORE] * len(answer))
        return ids, labels

    def subject(self, question: ShapeQuestion) -> list[int]:
        """Return the colour (index into `COLORS`) of the object that each id of `branch` describes.

        Only for tokens of the last answer whose object was named before them; IGNORE elsewhere.
        """
        text = " ".join([*(turn[0] for turn in question.history), question.text])
        named = [index for index, color in enumerate(COLORS) if f" {color} " in text]
        colors = [IGNORE] * len(self.branch(question)[0])
        if not named and question.kind != "caption":
            return colors
        coded = self.tokenizer(
            question.answer, add_special_tokens=False, return_offsets_mapping=True
        )
        first = len(colors) - len(coded["input_ids"]) - 1  # the end of the turn comes last
        for offset, (start, _end) in enumerate(coded["offset_mapping"]):
            if question.kind == "caption":
                colors[first + offset] = _last_color(question.answer[:start])
            else:
                colors[first + offset] = named[0]
        return colors


def _last_color(text: str) -> int:
    """Return the colour named in the last clause of a text, or IGNORE."""
    clause = re.split(r",| and ", text)[-1]
    named = [index for index, color in enumerate(COLORS) if re.search(rf"\b{color}\b", clause)]
    return named[0] if named else IGNORE


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """B clips, padded to S positions; `branch` numbers the questions (0 prefix, -1 padding)."""

    ids: Tensor  # int64 [B, S]
    positions: Tensor  # int64 [3, B, S]
    labels: Tensor  # int64 [B, S]: the id that position s has to predict, or IGNORE
    branch: Tensor  # int64 [B, S]
    cell: Tensor  # int64 [B, S], flat cell or -1
    subject: Tensor  # int64 [B, S]: colour of the object that the predicted id describes, or IGNORE
    traits: Tensor  # int64 [B, colours, 4]: shape, motion, right half, lower half of the object
    kinds: list[list[str]]  # per clip, per branch (1-based in `branch`)

    def mask(self) -> Tensor:
        """Return the additive attention mask, float32 [B, 1, S, S]."""
        size = self.ids.shape[1]
        order = torch.arange(size)
        causal = order[:, None] >= order[None, :]
        own = (self.branch[:, :, None] == self.branch[:, None, :]) | (self.branch[:, None, :] == 0)
        attended = causal & own
        attended |= torch.eye(size, dtype=torch.bool)
        return torch.zeros(attended.shape).masked_fill_(~attended, float("-inf"))[:, None]


def with_look_alikes(clip: SceneClip, rng: np.random.Generator, *, share: float = 0.5) -> SceneClip:
    """Give all objects of a clip the same shape, in a fraction of the clips.

    Then only the colour distinguishes them. With random shapes a model learns to find "the red
    star" by its shape, and confuses objects of the same shape.
    """
    if rng.random() >= share:
        return clip
    shape = clip.objects[0].shape
    return replace(clip, objects=tuple(replace(o, shape=shape) for o in clip.objects))


def draw_shares(rng: np.random.Generator) -> tuple[float, float]:
    """Return the fractions of object cells and background cells that a batch contains.

    Most batches are sparse and fast; some contain all cells, as in use.
    """
    if rng.random() < 0.03:
        return 1.0, 1.0
    return float(rng.uniform(0.15, 0.6)), float(np.exp(rng.uniform(np.log(0.01), np.log(0.1))))


def keep_cells(
    cells: Cells, rng: np.random.Generator, *, shares: tuple[float, float]
) -> np.ndarray:
    """Return bool [cells], which cells of a clip are contained."""
    share = np.where(cells.item.ravel() >= 0, *shares)
    return rng.random(cells.item.size) < share


def label(question: ShapeQuestion) -> str:
    """Return the kind of a question, with negative ones as kinds of their own."""
    return f"{question.kind}:negative" if question.is_negative else question.kind


def choose_questions(
    clip: SceneClip,
    rng: np.random.Generator,
    *,
    count: int,
    need: Mapping[str, float],
    nouns: Sequence[str] = SHAPES,
) -> list[ShapeQuestion]:
    """Sample questions, those of kinds with more errors more often.

    `need` is the error rate by kind; the weight of a kind is at least 0.1. Absent objects have one
    of the given nouns.
    """
    drawn = [make_questions(clip, rng, shapes=nouns) for _ in range(2)]
    pool = list(dict.fromkeys([*drawn[0], *drawn[1]]))
    weights = np.array([max(0.1, need.get(label(question), 1.0)) for question in pool])
    size = min(count, len(pool))
    chosen = rng.choice(len(pool), size=size, replace=False, p=weights / weights.sum())
    return [pool[int(index)] for index in chosen]


def make_batch(
    clips: list[SceneClip],
    frames: list[np.ndarray],
    keeps: list[np.ndarray],
    questions: list[list[ShapeQuestion]],
    *,
    prompts: Prompts,
) -> Batch:
    """Join the prefixes and questions of some clips into one padded batch."""
    rows = []
    for sampled, keep, selected in zip(frames, keeps, questions, strict=True):
        rows.append(_join(prompts.prefix(sampled, keep), selected, prompts))
    size = max(len(row[0]) for row in rows)

    def padded(column: int, fill: int) -> Tensor:
        out = np.full((len(rows), size), fill)
        for number, row in enumerate(rows):
            out[number, : len(row[column])] = row[column]
        return torch.from_numpy(out)

    positions = np.zeros((3, len(rows), size), int)
    for number, row in enumerate(rows):
        positions[:, number, : len(row[0])] = row[1]
    return Batch(
        ids=padded(0, 0),
        positions=torch.from_numpy(positions),
        labels=padded(2, IGNORE),
        branch=padded(3, -1),
        cell=padded(4, -1),
        subject=padded(5, IGNORE),
        traits=torch.from_numpy(np.stack([_traits(clip) for clip in clips])),
        kinds=[row[6] for row in rows],
    )


def _traits(clip: SceneClip) -> np.ndarray:
    """Return, per colour: shape and motion by index, whether the object starts right and below."""
    traits = np.zeros((len(COLORS), 4), int)
    for item in clip.objects:
        x, y = item.trajectories[0].center(0)
        traits[list(COLORS).index(item.color)] = (
            NOUNS.index(item.shape),
            list(MOTIONS).index(item.motion),
            x > clip.width / 2,
            y > clip.height / 2,
        )
    return traits


def _join(prefix: Prefix, questions: list[ShapeQuestion], prompts: Prompts) -> tuple[Any, ...]:
    ids, positions = [prefix.ids], [prefix.positions]
    labels, branches = [np.full(len(prefix.ids), IGNORE)], [np.zeros(len(prefix.ids), int)]
    subjects = [np.full(len(prefix.ids), IGNORE)]
    for number, question in enumerate(questions, start=1):
        new, targets = prompts.branch(question)
        ids.append(np.array(new))
        positions.append(np.tile(prefix.next_position + np.arange(len(new)), (3, 1)))
        labels.append(np.array([*targets[1:], IGNORE]))
        subjects.append(np.array([*prompts.subject(question)[1:], IGNORE]))
        branches.append(np.full(len(new), number))
    cells = np.concatenate([prefix.cell, np.full(sum(map(len, ids[1:])), -1)])
    return (
        np.concatenate(ids),
        np.concatenate(positions, 1),
        np.concatenate(labels),
        np.concatenate(branches),
        cells,
        np.concatenate(subjects),
        [label(question) for question in questions],
    )


def cell_places(slots: int, *, grid: int = GRID) -> Tensor:
    """Return float32 [slots * grid * grid, 2], (x, y) of each cell's centre in [-1, 1]."""
    centers = (torch.arange(grid) + 0.5) / grid * 2 - 1
    y, x = torch.meshgrid(centers, centers, indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2).repeat(slots, 1)
