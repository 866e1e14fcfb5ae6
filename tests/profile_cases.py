"""One answer about a video and an image, on which the profiles are compared with golden maps.

`tests/golden/profiles.npz` was written at commit 6aef328, from the code before the options of
the temporal stage were reduced. Do not write it anew from later code.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from motion_cases import panned, texture

from tam_video.types import FrameBatch, Generation, Message, Token, VideoInfo, View, VisualLayout

GOLDEN = Path(__file__).parent / "golden" / "profiles.npz"

LAYOUTS = (
    VisualLayout(6, 6, 8, tuple((2 * k, 2 * k + 1) for k in range(6)), View(0, -0.1, 1, 1.1)),
    VisualLayout(1, 5, 5, ((0,),)),
)
PROMPT = ("What", " moves", "?")
ANSWER = ("The", " red", " st", "ar", " moves", " to", " the", " right", ".")
NUM_LAYERS = 4


def profile_case() -> tuple[tuple[FrameBatch, ...], Generation]:
    """Return the frames of both inputs and a generation with the scores of four layers.

    The video pans and has one cut; each layer has a scale of its own, and the maps of neighbouring
    tokens share a blob that moves.
    """
    panning = panned((2, 5), count=8, height=96, width=128)
    video = np.concatenate([panning, np.stack([texture(9, 96, 128) // 2] * 4)])
    frames = (video, texture(3, 60, 60)[None])
    batches = tuple(
        FrameBatch(
            pixels,
            np.arange(len(pixels)),
            np.arange(len(pixels)) / 4,
            VideoInfo(Path("clip.mp4"), len(pixels), *pixels.shape[2:0:-1], Fraction(4), 3.0),
        )
        for pixels in frames
    )
    return batches, _generation()


def _generation() -> Generation:
    tokens, text = [], {"prompt": "", "answer": ""}
    strings = [("prompt", each) for each in PROMPT] + [("answer", each) for each in ANSWER]
    num_cells = sum(layout.num_cells for layout in LAYOUTS)
    for index, (role, string) in enumerate(strings):
        start = len(text[role])
        text[role] += string
        position = 2 + num_cells + index
        tokens.append(Token(index, 5 + index, string, role, position, start, len(text[role])))
    layers = tuple(_scores(layer, num_cells, len(tokens)) for layer in range(NUM_LAYERS))
    return Generation(
        conversation=(Message("user", text["prompt"], (0, 1)),),
        prompt_text=text["prompt"],
        answer=text["answer"],
        tokens=tuple(tokens),
        num_prompt_tokens=len(PROMPT),
        layouts=LAYOUTS,
        visual_positions=2 + np.arange(num_cells),
        text_positions=2 + num_cells + np.arange(len(tokens)),
        scores=layers[-1],
        layer_scores=layers,
    )


def _scores(layer: int, num_cells: int, num_tokens: int) -> np.ndarray:
    rng = np.random.default_rng(layer)
    scores = rng.normal(size=(2 + num_cells + num_tokens, num_tokens)) + 0.3
    t, h, w = np.indices(LAYOUTS[0].shape)
    for token in range(num_tokens):
        row, column = 1 + token // 2 % 4, 1 + token // 2 % 3
        distance = (h - row) ** 2 + (w - column - t * 0.6) ** 2
        blob = (4 + token) * np.exp(-distance / 3)
        scores[2 : 2 + t.size, token] += blob.ravel()
    return (scores * 10.0**layer).astype(np.float32)
