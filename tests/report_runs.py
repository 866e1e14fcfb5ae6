"""Run folders with made-up maps on real clips: what the report's tests look at."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from tam_video.types import (
    Candidate,
    ExplainedInput,
    Explanation,
    Message,
    Token,
    View,
    VisualLayout,
    Word,
)
from tam_video.video.reader import open_video
from tam_video.video.source import file_fingerprint

SAMPLE = Path(__file__).parents[1] / "samples" / "shapes.mp4"
ANSWER = "A cyan ring moves right, and a purple triangle moves down."
FUNCTION_WORDS = {"A", "a", "and"}
PROMPT = ("Describe", " the", " video", ".")
WHOLE = View()


def blob_maps(num_words, *, slots, rows, columns):
    """float32 [N, t, h, w]: word n peaks at 1 in slot n % t, at a place of its own."""
    t, y, x = np.meshgrid(np.arange(slots), np.arange(rows), np.arange(columns), indexing="ij")
    maps = [
        np.exp(
            -((t - n % slots) ** 2) / 2
            - ((y - (2 * n) % rows) ** 2 + (x - (3 * n) % columns) ** 2) / 3
        )
        for n in range(num_words)
    ]
    return np.array(maps, np.float32).reshape(num_words, slots, rows, columns)


def make_input(path, num_words, *, slots=8, rows=6, columns=9, view=WHOLE):
    with open_video(path) as video:
        info, pts = video.info, video.timeline.pts_seconds
    if info.is_image:
        slots = 1
    count = slots if info.is_image else 2 * slots
    indices = np.linspace(0, len(pts) - 1, count).round().astype(np.int64)
    feeds = tuple(tuple(range(k * count // slots, (k + 1) * count // slots)) for k in range(slots))
    maps = blob_maps(num_words, slots=slots, rows=rows, columns=columns)
    layout = VisualLayout(slots, rows, columns, feeds, view)
    fingerprint = file_fingerprint(Path(path))
    return ExplainedInput(info, indices, pts[indices], layout, maps, maps, fingerprint)


def make_explanation(
    path=SAMPLE, *, answer=ANSWER, question="Describe the video.", others=(), turns=(), **layout
):
    """Word n is one token with three candidates and drew 1 / (1 + distance) on each text token."""
    result = list(re.finditer(r"\w[\w'-]*|[^\w\s]\S*", answer))
    words, tokens = [], []
    for place, text in enumerate(PROMPT):
        tokens.append(Token(place, place, text, "prompt", place, 0, len(text)))
    for place, match in enumerate(result):
        index, text = len(tokens), match.group()
        odds = ((text, 0.7), (" other", 0.2), ("\n", 0.1))
        candidates = tuple(Candidate(k, each, odd) for k, (each, odd) in enumerate(odds))
        tokens.append(Token(index, 0, text, "answer", index, *match.span(), 0.7, candidates))
        words.append(Word(place, text, *match.span(), (index,), text not in FUNCTION_WORDS))
    first = make_input(path, len(words), **layout)
    away = np.subtract.outer(np.arange(len(tokens)), np.arange(len(tokens)))
    scores = np.where(away > 0, 1.0 / np.maximum(away, 1), 0.0).astype(np.float32)

    def all_tokens(seen):
        prompt = np.zeros((len(PROMPT), *seen.maps.shape[1:]), np.float32)
        return replace(seen, maps=np.concatenate([prompt, seen.maps]))

    inputs = [first, *(make_input(each, len(words)) for each in others)]
    return Explanation(
        conversation=(*turns, Message("user", question, tuple(range(len(others) + 1)))),
        answer=answer,
        tokens=tuple(tokens),
        words=tuple(words),
        text_scores=scores,
        settings={"model": "/home/someone/models/tiny", "layer": -1},
        versions={"torch": "2"},
        inputs=tuple(map(all_tokens, inputs)),
    )
