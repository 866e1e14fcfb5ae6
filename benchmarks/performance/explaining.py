"""What an explanation adds to an answer: seconds, memory, and how both grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.performance.measurement import (
    Measurement,
    best_seconds,
    extra_peak,
    in_child,
    interleaved,
    median_ratio,
    one_thread,
)
from benchmarks.performance.random_qwen import QUESTION, Shape, clip, random_model
from tam_video.config import RunConfig
from tam_video.models.inference import TransformersModel
from tam_video.models.prompt import encode_prompt
from tam_video.pipeline import explain_frames
from tam_video.sampling import SampledFrames
from tam_video.types import Explanation, FrameBatch

FULL = Shape()
LARGE = Shape(slots=28, answer_tokens=256)  # 10,192 visual tokens
QUICK = Shape(
    slots=2, rows=6, columns=10, answer_tokens=6, vision_layers=1, width=256, vocabulary=20_000
)
MEASURED_LAYERS = 4  # what the default profile keeps of a model of four layers


def over_generate(quick: bool) -> Measurement:
    """Question to maps over question to answer, same model, same frames, CPU seconds."""
    return _over_generate(QUICK if quick else FULL, rounds=3, warm_ups=1 if quick else 0)


def over_long_generate(quick: bool) -> Measurement:
    """The same for 56 frames and a long answer; takes a quarter of an hour."""
    return _over_generate(QUICK if quick else LARGE, rounds=2, warm_ups=1 if quick else 0)


def _over_generate(shape: Shape, *, rounds: int, warm_ups: int) -> Measurement:
    one_thread()
    model, frames = random_model(shape), clip(shape)
    answers: dict[str, list[int]] = {}

    def explained() -> None:
        answers["explained"] = [
            token.id for token in explain(model, frames, shape).tokens if token.role == "answer"
        ]

    def bare() -> None:
        answers["bare"] = answer(model, frames, shape)

    calls = {"explained": explained, "bare": bare}
    clocks = interleaved(calls, repeats=rounds, warm_ups=warm_ups)
    if answers["explained"] != answers["bare"]:
        raise RuntimeError("the explained answer is not the one that the model gives alone")
    return Measurement(
        ratio=median_ratio(clocks["explained"], clocks["bare"]),
        target=1.03,
        sense="at most",
        seconds=best_seconds(clocks),
        how=f"{shape}, {shape.num_cells} visual tokens; float32, one thread; median of rounds",
        figures={
            "rounds": [
                a.cpu / b.cpu for a, b in zip(clocks["explained"], clocks["bare"], strict=True)
            ]
        },
    )


def memory(quick: bool) -> Measurement:
    """Peak of an explanation beyond that of the bare answer, over the bytes of the kept states."""
    shape = QUICK if quick else FULL
    peaks = {
        name: in_child("explaining:peak", name=name, quick=quick) for name in ("bare", "explained")
    }
    extra = peaks["explained"]["extra_bytes"] - peaks["bare"]["extra_bytes"]
    kept = peaks["explained"]["kept_bytes"]
    return Measurement(
        ratio=extra / kept,
        target=1.15,
        sense="at most",
        seconds={},
        how=f"{shape}; kept: states of the visual and text positions, {MEASURED_LAYERS} layers",
        figures={
            "extra_bytes": extra,
            "kept_bytes": kept,
            **{f"{name}_peak_bytes": each["extra_bytes"] for name, each in peaks.items()},
        },
    )


def peak(*, name: str, quick: bool) -> dict[str, int]:
    """Bytes that a question needs beyond the model's weights and the frames."""
    one_thread()
    shape = QUICK if quick else FULL
    small = random_model(QUICK)
    calls: dict[str, Callable[..., Any]] = {"explained": explain, "bare": answer}
    calls[name](small, clip(QUICK), QUICK)  # loads code and makes the libraries' own buffers
    model, frames = random_model(shape), clip(shape)
    kept: dict[str, int] = {}

    def call() -> None:
        output = calls[name](model, frames, shape)
        if isinstance(output, Explanation):
            positions = shape.num_cells + len(output.tokens)
            kept["kept_bytes"] = positions * shape.width * 4 * MEASURED_LAYERS

    return {"extra_bytes": extra_peak(call), **kept}


def explain(model: TransformersModel, frames: FrameBatch, shape: Shape) -> Explanation:
    """Everything but reading the clip and drawing the maps."""
    sampled = SampledFrames((frames,), (), {})
    settings = RunConfig(max_new_tokens=shape.answer_tokens)
    return explain_frames(sampled, QUESTION, model=model, settings=settings)


def answer(model: TransformersModel, frames: FrameBatch, shape: Shape) -> list[int]:
    """The ids that the model alone answers to the same inputs."""
    import torch

    with torch.no_grad():
        tensors, prompt = encode_prompt(
            (frames,), shown(), checkpoint=model.checkpoint, family=model.adapter
        )
        ids = model.checkpoint.model.generate(
            **tensors, max_new_tokens=shape.answer_tokens, do_sample=False
        )
    generated: list[int] = ids[0, len(prompt.input_ids) :].tolist()
    return generated


def shown() -> tuple[Any, ...]:
    """The question, which shows the one clip."""
    from tam_video.models.conversation import assign_inputs

    return assign_inputs(QUESTION, num_inputs=1)
