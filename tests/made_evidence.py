"""Random evidence of a calibration clip, without a model."""

from __future__ import annotations

import numpy as np

from tam_video.calibration.evidence import ClipEvidence
from tam_video.evaluation.score import AnswerTruth, ObjectWord
from tam_video.tam.activation import SequenceLayout
from tam_video.tam.motion import GridFlow, SlotMotion
from tam_video.types import VisualLayout

GRID = (3, 4, 5)


def make_evidence(seed: int, *, num_layers: int = 3, has_sinks: bool = False) -> ClipEvidence:
    """Make evidence with 8 tokens, of which tokens 3 to 5 are two object words."""
    rng = np.random.default_rng(seed)
    slots, rows, columns = GRID
    cells, tokens = slots * rows * columns, 8
    scores = rng.standard_normal((num_layers, cells + tokens, tokens)).astype(np.float32)
    flow = rng.normal(0, 0.6, (2, slots - 1, rows, columns, 2)).astype(np.float32)
    layout = VisualLayout(*GRID, frame_slots=tuple((slot,) for slot in range(slots)))
    strings = [" a", " b", "\udce9", " red", " st", "ar", " b", "."]
    return ClipEvidence(
        world="shapes",
        number=seed,
        scores=tuple(scores),
        layout=SequenceLayout(
            np.arange(cells), np.arange(cells, cells + tokens), strings, 1, (layout,)
        ),
        content=np.array([False, False, False, True, True, True, False, False]),
        motion=SlotMotion(
            GridFlow(flow[0], flow[1], np.ones((rows, columns), np.bool_)),
            np.array([False, bool(seed % 2)]),
        ),
        truth=AnswerTruth(
            objects=tuple(_word(tokens, rng) for tokens in ((3,), (4, 5))),
            function_words=((0,), (7,)),
            frame_slots=layout.frame_slots,
        ),
        answers=(True, seed % 3 == 0),
        frame_indices=np.array([0, 4, 8]),
        sinks=rng.random(cells) < 0.1 if has_sinks else None,
    )


def _word(tokens: tuple[int, ...], rng: np.random.Generator) -> ObjectWord:
    cells = rng.random(GRID) < 0.3
    none = np.zeros((0, 0, 0), np.bool_)
    return ObjectWord(tokens, cells=cells, pixels=none, visible=cells.any(axis=(1, 2)))
