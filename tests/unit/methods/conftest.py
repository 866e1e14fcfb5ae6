"""A generation with known scores, and a probe with made-up results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tam_video.models.forcing import ProbeCost
from tam_video.models.probing import Attentions, StateGradients
from tam_video.types import (
    FrameBatch,
    Generation,
    Message,
    Token,
    VideoInfo,
    View,
    VisualLayout,
)

LAYOUTS = (
    VisualLayout(2, 3, 4, ((0, 1), (2,))),
    VisualLayout(1, 2, 2, ((0,),), View(-0.5, 0.0, 1.0, 1.0)),
)
STRINGS = ("what", " moves", "the", " dog", "the")
NUM_PROMPT = 2


def make_generation(scores: np.ndarray | None = None) -> Generation:
    """Two inputs of 24 and 4 cells, two prompt tokens and three of the answer."""
    num_cells = sum(layout.num_cells for layout in LAYOUTS)
    visual = np.arange(1, 1 + num_cells)
    text = 1 + num_cells + np.arange(len(STRINGS))
    if scores is None:
        shape = (int(text[-1]) + 1, len(STRINGS))
        scores = np.random.default_rng(0).normal(0.3, 1, shape).astype(np.float32)
    tokens = tuple(
        Token(
            index=index,
            id=10 + index,
            text=string,
            role="prompt" if index < NUM_PROMPT else "answer",
            position=int(text[index]),
            char_start=0,
            char_end=len(string),
        )
        for index, string in enumerate(STRINGS)
    )
    return Generation(
        conversation=(Message("system", "be short"), Message("user", "what moves", (0, 1))),
        prompt_text="what moves",
        answer="the dogthe",
        tokens=tokens,
        num_prompt_tokens=NUM_PROMPT,
        layouts=LAYOUTS,
        visual_positions=visual,
        text_positions=text,
        scores=scores,
    )


def make_batch(layout: VisualLayout, rng: np.random.Generator) -> FrameBatch:
    """Noise for every frame of a layout."""
    count = 1 + max(frame for slot in layout.frame_slots for frame in slot)
    return FrameBatch(
        frames=rng.integers(0, 256, (count, 48, 64, 3), np.uint8),
        indices=np.arange(count),
        pts_seconds=np.arange(count) / 2,
        info=VideoInfo(Path("clip.mp4"), count, 64, 48, Fraction(2), count / 2),
    )


class FakeProbe:
    """Answers like a probe, from arrays; counts what it is asked."""

    def __init__(self) -> None:
        self.generation = make_generation()
        self.num_forward = self.num_backward = 0
        self.asked: list[Any] = []
        self.masks: list[tuple[int, np.ndarray]] = []
        rng = np.random.default_rng(1)
        self.batches = tuple(make_batch(layout, rng) for layout in LAYOUTS)
        self.num_cells = len(self.generation.visual_positions)
        length = len(self.generation.scores)
        self.rows = tuple(rng.random((1, 3, length)).astype(np.float32) for _ in range(3))
        self.rollouts = rng.random((2, 3, self.num_cells)).astype(np.float32)
        self.states = rng.normal(size=(self.num_cells, 5)).astype(np.float32)
        self.slopes = rng.normal(size=(3, self.num_cells, 5)).astype(np.float32)
        self.weights = rng.normal(size=(3, self.num_cells))

    @property
    def cost(self) -> ProbeCost:
        return ProbeCost(self.num_forward, self.num_backward)

    def attentions(self, *, average_heads: bool) -> Attentions:
        assert average_heads
        self.num_forward += 1
        return Attentions((0, 2, 3), self.rows, self.generation.visual_positions)

    def attention_rollout(self, *, conversation: Sequence[Message] | None = None) -> np.ndarray:
        self.num_forward += 1
        self.asked.append(conversation)
        return self.rollouts[0 if conversation is None else 1]

    def head_rows(self, heads: Sequence[tuple[int, int]], *, of: str) -> np.ndarray:
        self.num_forward += 1
        self.asked.append((tuple(heads), of))
        return np.stack([self.head_of(layer, head, of) for layer, head in heads])

    def middle_attention(self, *, of: str) -> np.ndarray:
        self.num_forward += 1
        self.asked.append(of)
        return self.head_of(9, 9, of)

    def head_of(self, layer: int, head: int, of: str) -> np.ndarray:
        rng = np.random.default_rng((layer, head, len(of)))
        return rng.random((3 if of == "answer" else 2, self.num_cells)).astype(np.float32)

    def cell_states(self, layer: float, *, of: str) -> tuple[np.ndarray, np.ndarray]:
        self.num_forward += 1
        self.asked.append((layer, of))
        return self.slopes[:, 0], self.states

    def gradients(self, layer: float, *, target: str) -> StateGradients:
        self.num_forward += 1
        self.asked.append((layer, target))

        def stream() -> Iterator[np.ndarray]:
            for slope in self.slopes:
                self.num_backward += 1
                yield slope

        return StateGradients(1, self.states, stream())

    def score_masked(
        self, keep: np.ndarray, *, number: int = 0, blank: str, batch_size: int = 8
    ) -> np.ndarray:
        """A linear answer: the sum of the weights of what is kept; other inputs are whole."""
        self.num_forward += len(keep)
        start = 0 if number == 0 else LAYOUTS[0].num_cells
        whole = np.ones((len(keep), self.num_cells), dtype=bool)
        whole[:, start : start + keep[0].size] = keep.reshape(len(keep), -1)
        self.masks.append((number, keep))
        return whole @ self.weights.T


@pytest.fixture
def generation() -> Generation:
    return make_generation()


@pytest.fixture
def generation_with() -> Callable[[np.ndarray], Generation]:
    return make_generation


@pytest.fixture
def probe() -> FakeProbe:
    return FakeProbe()
