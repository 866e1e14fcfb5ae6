"""Made-up explanations for what is drawn: one without a clip, one of a real file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.performance.explanations import constructed_explanation
from tam_video.render.overlay import slots_around
from tam_video.types import (
    ExplainedInput,
    Explanation,
    Token,
    VideoInfo,
    View,
    VisualLayout,
    Word,
)

ANSWER = "a red circle moves"


def explanation(answer="the Red circle 2", content=("Red", "circle")):
    words, tokens = [], [Token(0, 9, "What", "prompt", 3, 0, 4)]
    for place, text in enumerate(answer.split()):
        start = answer.index(text)
        span = (start, start + len(text))
        words.append(Word(place, text, *span, (place + 1,), text in content))
        tokens.append(Token(place + 1, place, text, "answer", place, *span))
    layout = VisualLayout(2, 1, 1, ((0,), (1,)))
    count = len(words)
    maps = np.linspace(0, 1, (count + 1) * 2, dtype=np.float32).reshape(-1, 2, 1, 1)
    info = VideoInfo(Path("c.mp4"), 2, 8, 8, average_fps=Fraction(1), duration_seconds=2.0)
    return Explanation(
        inputs=(ExplainedInput(info, np.arange(2), np.arange(2.0), layout, maps, maps[1:].copy()),),
        conversation=(),
        answer=answer,
        tokens=tuple(tokens),
        words=tuple(words),
        text_scores=np.zeros((count + 1, count + 1), dtype=np.float32),
    )


def explain(path, *, answer=ANSWER, hot=None, frames=4, view=View()):  # noqa: B008
    """Made-up maps: word n is hot in cell `hot[n]` of a 2 x 2 grid all the time."""
    count = len(answer.split())
    maps = np.zeros((count, frames // 2, 2, 2), dtype=np.float32)
    for word, cell in enumerate(hot or [0] * count):
        maps[word, :, cell // 2, cell % 2] = 1.0
    slots = tuple((2 * k, 2 * k + 1) for k in range(frames // 2))
    layout = VisualLayout(frames // 2, 2, 2, slots, view)
    return constructed_explanation(
        path, answer, maps, layout, is_content=lambda text: len(text) > 1
    )


def map_at(maps, slot_seconds, seconds):
    """Interpolate maps linearly between the slots around a time."""
    before, after, weight = slots_around(slot_seconds, seconds)
    return maps[before] + np.float32(weight) * (maps[after] - maps[before])
