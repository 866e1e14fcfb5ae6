"""Explanations with constructed maps of real clips, for benchmarks and tests of rendering."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tam_video.types import (
    ExplainedInput,
    Explanation,
    FloatArray,
    Message,
    Token,
    VisualLayout,
    Word,
)
from tam_video.video.reader import open_video


def constructed_explanation(
    path: Path,
    answer: str,
    maps: FloatArray,
    layout: VisualLayout,
    *,
    is_content: Callable[[str], bool],
    probability: float | None = None,
) -> Explanation:
    """Return an explanation of a clip in which every word of the answer is one token.

    Args:
        path: the clip.
        answer: words separated by spaces.
        maps: float32 [number of words, t, h, w].
        layout: of the maps; its frames are spread evenly over the clip.
        is_content: returns whether a word is a content word.
        probability: of every token.
    """
    with open_video(path) as video:
        info, pts = video.info, video.timeline.pts_seconds
    num_frames = 1 + max(index for frames in layout.frame_slots for index in frames)
    indices = np.linspace(0, len(pts) - 1, num_frames).round().astype(np.int64)
    words, tokens, at = [], [], 0
    for index, text in enumerate(answer.split()):
        start = answer.index(text, at)
        at = start + len(text)
        words.append(Word(index, text, start, at, (index,), is_content(text)))
        tokens.append(Token(index, index, text, "answer", index, start, at, probability))
    return Explanation(
        inputs=(ExplainedInput(info, indices, pts[indices], layout, maps, maps),),
        conversation=(Message("user", "What moves?"),),
        answer=answer,
        tokens=tuple(tokens),
        words=tuple(words),
        text_scores=np.zeros((len(words), len(words)), dtype=np.float32),
    )
