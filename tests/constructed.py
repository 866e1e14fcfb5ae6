"""Explanations whose maps are known to the cell: no model, no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tam_video.types import (
    ExplainedInput,
    Explanation,
    FloatArray,
    IntArray,
    Message,
    Token,
    VideoInfo,
    View,
    VisualLayout,
    Word,
)

WHOLE = View()
FPS = 10
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    '=cmd("calc")',
    "]]>",
    '"quo\'te"',
    "a\nb\r\tc",
    "nul\x00bell\x07esc\x1b[31m",
    "{\\an8}\\N-->",
    "\u202eright\ufffe\ud800猫é",
    "&amp;",
    "\\",
)


def make_info(
    *, num_frames: int = 24, width: int = 90, height: int = 60, start_seconds: float = 0.0
) -> VideoInfo:
    """What is known of a clip of 10 frames a second; the file is not there."""
    return VideoInfo(
        Path("/nowhere/the clip.mp4"),
        num_frames,
        width,
        height,
        Fraction(FPS),
        num_frames / FPS,
        start_seconds=start_seconds,
    )


def blobs(
    shape: tuple[int, int, int], cells: Sequence[tuple[int, int, int]], *, noise: float = 0.0
) -> FloatArray:
    """float32 [t, h, w]: 1 in the cells, below `noise` elsewhere."""
    heat = np.random.default_rng(0).uniform(0, noise, shape).astype(np.float32)
    for cell in cells:
        heat[cell] = 1.0
    return heat


def make_input(
    maps: FloatArray, *, info: VideoInfo, view: View = WHOLE, frames_per_slot: int = 2
) -> ExplainedInput:
    """One input; its frames are spread evenly over the clip and feed the slots in order."""
    num_slots = maps.shape[1]
    count = num_slots * frames_per_slot
    indices: IntArray = np.linspace(0, info.num_frames - 1, count).round().astype(np.int64)
    slots = tuple(
        tuple(range(slot * frames_per_slot, (slot + 1) * frames_per_slot))
        for slot in range(num_slots)
    )
    return ExplainedInput(
        info=info,
        indices=indices,
        pts_seconds=info.start_seconds + indices / FPS,
        layout=VisualLayout(num_slots, maps.shape[2], maps.shape[3], slots, view),
        maps=maps,
        word_maps=maps,
    )


def make_explanation(
    maps: FloatArray,
    *,
    words: Sequence[str] | None = None,
    info: VideoInfo | None = None,
    view: View = WHOLE,
    others: Sequence[ExplainedInput] = (),
) -> Explanation:
    """A word per map, float32 [N, t, h, w]; each word is one token of probability 1/2."""
    texts = [f"word{number}" for number in range(len(maps))] if words is None else list(words)
    tokens, result, at = [], [], 0
    for place, text in enumerate(texts):
        end = at + len(text)
        tokens.append(Token(place, place, text, "answer", place, at, end, probability=0.5))
        result.append(Word(place, text, at, end, (place,), is_content=True))
        at = end + 1
    first = make_input(maps, info=info or make_info(), view=view)
    return Explanation(
        conversation=(Message("user", "What moves?"),),
        answer=" ".join(texts),
        tokens=tuple(tokens),
        words=tuple(result),
        text_scores=np.zeros((len(maps), len(maps)), np.float32),
        inputs=(first, *others),
    )


def with_input(explanation: Explanation, **changes: Any) -> Explanation:
    """The same explanation with other fields of its first input."""
    first, *others = explanation.inputs
    return replace(explanation, inputs=(replace(first, **changes), *others))


def moving_maps(num_words: int = 1) -> FloatArray:
    """float32 [N, 6, 6, 6]: word n is hot in slots 1 to 3, a block of 2 x 2 that goes right.

    Slot 5 holds one more hot cell, far off and less hot, that is no part of the track.
    """
    maps = np.zeros((num_words, 6, 6, 6), np.float32)
    for number in range(num_words):
        row = number % 4
        for slot in (1, 2, 3):
            maps[number, slot, row : row + 2, slot : slot + 2] = 0.9
        maps[number, 2, row, 2] = 1.0
        maps[number, 5, 5, 0] = 0.8
    return maps
