"""What each stage costs alone, in seconds and memory, and how the added ones grow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.performance.clips import numbered_clip
from benchmarks.performance.explaining import FULL, MEASURED_LAYERS, QUICK, answer, shown
from benchmarks.performance.measurement import (
    Measurement,
    extra_peak,
    in_child,
    interleaved,
    one_thread,
    timed,
)
from benchmarks.performance.random_qwen import Shape, clip, random_model
from tam_video.models.capture import States
from tam_video.models.prompt import encode_prompt
from tam_video.models.scores import class_scores
from tam_video.tam import join_words
from tam_video.tam.activation import activate
from tam_video.tam.causal import context_mask, corrected_maps
from tam_video.tam.logits import layer_factors, mix_layers, token_relevance
from tam_video.tam.motion import SlotMotion, input_motions
from tam_video.tam.options import DEFAULT
from tam_video.tam.temporal import temporal_gaussian
from tam_video.tam.words import content_tokens
from tam_video.types import FrameBatch, Generation, IntArray, Token, VisualLayout
from tam_video.video.reader import open_video

_VOCABULARY = 8192  # only the columns of the tokens are read, so it does not count
_SYSTEM_TOKENS = 15
_TEMPLATE_TOKENS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """What is left when a model has answered: the added stages start from it.

    Attributes:
        frames: what it was shown.
        states: those of each layer that is read.
        head: output embedding.
        generation: the answer, its scores still to be read.
    """

    frames: FrameBatch
    states: Sequence[States]
    head: Any
    generation: Generation


def recorded(shape: Shape, *, num_prompt: int = 12) -> Recorded:
    """Random states of real size, a prompt in one part and one part for each step."""
    import torch

    torch.manual_seed(0)
    num_tokens = num_prompt + shape.answer_tokens
    start = _SYSTEM_TOKENS + shape.num_cells + 1
    predicted_from = start + num_prompt + _TEMPLATE_TOKENS - 1
    positions = [*range(start, start + num_prompt)]
    positions += range(predicted_from, predicted_from + shape.answer_tokens)
    head = torch.nn.Linear(shape.width, _VOCABULARY, bias=False).requires_grad_(requires_grad=False)
    parts = [predicted_from + 1, *[1] * (shape.answer_tokens - 1)]
    states = [
        States([torch.randn(count, shape.width) for count in parts]) for _ in range(MEASURED_LAYERS)
    ]
    slots = tuple((2 * slot, 2 * slot + 1) for slot in range(shape.slots))
    generation = Generation(
        conversation=shown(),
        prompt_text="",
        answer="",
        tokens=_tokens(positions, num_prompt),
        num_prompt_tokens=num_prompt,
        layouts=(VisualLayout(shape.slots, shape.rows, shape.columns, slots),),
        visual_positions=np.arange(_SYSTEM_TOKENS, _SYSTEM_TOKENS + shape.num_cells),
        text_positions=np.array(positions),
        scores=np.zeros((0, num_tokens), np.float32),
    )
    return Recorded(clip(shape), states, head, generation)


def project(given: Recorded) -> Generation:
    """Read the scores of all layers."""
    ids: IntArray = np.array([token.id for token in given.generation.tokens])
    scores = [class_scores(each, given.head, class_ids=ids) for each in given.states]
    return replace(given.generation, scores=scores[-1], layer_scores=tuple(scores))


def motions(given: Recorded) -> tuple[SlotMotion, ...]:
    """Optical flow and cuts."""
    return input_motions((given.frames,), given.generation)


def added(given: Recorded) -> object:
    """All that an explanation does after the answer."""
    generation = project(given)
    maps = activate(generation, motions=motions(given))
    return maps, join_words(generation.tokens)


def costs(quick: bool) -> Measurement:
    """CPU seconds and extra memory of each stage."""
    one_thread()
    shape = QUICK if quick else FULL
    calls = _stages(shape)
    clocks = interleaved(calls, repeats=3)
    seconds = {name: min(clock.cpu for clock in each) for name, each in clocks.items()}
    peaks = {name: extra_peak(call) for name, call in calls.items()}
    generated = in_child("stages:generate", quick=quick)
    return Measurement(
        ratio=None,
        target=None,
        sense="at most",
        seconds={},
        how=f"{shape}, default profile; a 1280x720 clip of 20 seconds; one thread, best of three",
        figures={
            **{
                name: {"cpu_seconds": seconds[name], "extra_bytes": peaks[name]} for name in seconds
            },
            "generate, with prepare": {
                key: generated[key] for key in ("cpu_seconds", "extra_bytes")
            },
        },
    )


def generate(*, quick: bool) -> dict[str, float]:
    """The bare answer, once."""
    one_thread()
    shape = QUICK if quick else FULL
    model, frames = random_model(shape), clip(shape)
    costs: dict[str, float] = {}

    def call() -> None:
        costs["cpu_seconds"] = timed(lambda: answer(model, frames, shape)).cpu

    costs["extra_bytes"] = extra_peak(call)
    return costs


def growth(quick: bool) -> Measurement:
    """CPU seconds of all that is added, against visual tokens, answer tokens, cells and pixels."""
    one_thread()
    base = QUICK if quick else FULL
    slots = (2, 3, 4) if quick else (8, 13, 18, 23, 28)
    lengths = (8, 16, 24) if quick else (32, 64, 128, 192, 256)
    scales = (1, 2) if quick else (1, 1.5, 2)
    by_cells = _measured([replace(base, slots=count) for count in slots])
    by_answer = _measured([replace(base, answer_tokens=count) for count in lengths])
    by_grid = _measured(
        [
            replace(base, rows=round(base.rows * each), columns=round(base.columns * each))
            for each in scales
        ]
    )
    fits = {
        "visual_tokens": linear_fit([shape.num_cells for shape, _ in by_cells], by_cells),
        "answer_tokens": linear_fit(lengths, by_answer),
    }
    return Measurement(
        ratio=min(fit["r_squared"] for fit in fits.values()),
        target=0.99,
        sense="at least",
        seconds={},
        how="least R^2 of a straight line through seconds against visual tokens and answer tokens",
        figures={
            **fits,
            "seconds_by_visual_tokens": {str(s.num_cells): t for s, t in by_cells},
            "seconds_by_answer_tokens": {str(s.answer_tokens): t for s, t in by_answer},
            "seconds_by_grid": {f"{s.slots}x{s.rows}x{s.columns}": t for s, t in by_grid},
            "base": asdict(base),
        },
    )


def linear_fit(sizes: Sequence[float], costs: Sequence[tuple[Shape, float]]) -> dict[str, float]:
    """A straight line through the seconds, and how much of them a parabola would put into x^2."""
    x, y = np.array(sizes, dtype=np.float64), np.array([seconds for _, seconds in costs])
    slope, offset = np.polyfit(x, y, 1)
    left = y - (slope * x + offset)
    bend = np.polyfit(x, y, 2)[0]
    return {
        "seconds_per_thousand": 1000 * slope,
        "seconds_offset": offset,
        "r_squared": 1 - float(np.square(left).sum() / np.square(y - y.mean()).sum()),
        "quadratic_share_at_largest": float(abs(bend) * x[-1] ** 2 / y[-1]),
    }


def _measured(shapes: Sequence[Shape]) -> list[tuple[Shape, float]]:
    """Least CPU seconds of `added` for each of the shapes, in turns."""
    given = {shape: recorded(shape) for shape in shapes}
    calls = {str(shape): partial(added, each) for shape, each in given.items()}
    clocks = interleaved(calls, repeats=5)
    return [(shape, min(clock.cpu for clock in clocks[str(shape)])) for shape in shapes]


def _stages(shape: Shape) -> dict[str, Callable[[], object]]:
    """Each stage but the model's own, on inputs that are ready."""
    given = recorded(shape)
    generation = project(given)
    seen = motions(given)
    positions = generation.visual_positions
    layers = [token_relevance(each, positions) for each in generation.layer_scores]
    factors = layer_factors(np.stack(layers), (1.0,) * len(layers))
    raw = mix_layers(np.stack(layers), factors)
    relevance = token_relevance(generation.scores, generation.text_positions)
    words = join_words(generation.tokens)
    path = numbered_clip(seconds=20, gop=60)
    small = random_model(replace(shape, width=256, vocabulary=20_000, vision_layers=1, layers=2))
    indices = np.linspace(0, 599, 2 * shape.slots).round().astype(np.int64)

    def sample() -> object:
        with open_video(path) as reader:
            return reader.timeline

    def read() -> object:
        with open_video(path) as reader:
            return reader.read(indices)

    def correct() -> object:
        return corrected_maps(
            raw,
            relevance,
            DEFAULT,
            context=context_mask([token.text for token in generation.tokens]),
            content=content_tokens(words, num_tokens=len(generation.tokens)),
        )

    cells = raw.reshape(-1, shape.slots, shape.rows, shape.columns)
    return {
        "sample": sample,
        "sample and read": read,
        "prepare": lambda: encode_prompt(
            (given.frames,), shown(), checkpoint=small.checkpoint, family=small.adapter
        ),
        "project": lambda: project(given),
        "raw maps": lambda: [
            token_relevance(s, generation.visual_positions) for s in generation.layer_scores
        ],
        "causal correction": correct,
        "flow and cuts": lambda: motions(given),
        "filter": lambda: temporal_gaussian(
            cells, seen[0], sigma_slots=DEFAULT.gaussian_sigma_slots
        ),
        "words": lambda: join_words(generation.tokens),
        "all that is added": lambda: added(given),
    }


def _tokens(positions: Sequence[int], num_prompt: int) -> tuple[Token, ...]:
    """Words of six letters, one a token."""
    tokens, end = [], 0
    for index, position in enumerate(positions):
        role = "prompt" if index < num_prompt else "answer"
        start = 0 if index == num_prompt else end
        text = f" w{index % 40:05d}"
        end = start + len(text)
        tokens.append(Token(index, 100 + index, text, role, position, start, end))  # type: ignore[arg-type]
    return tuple(tokens)
