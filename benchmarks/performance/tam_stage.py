"""From hidden states to maps: the package's stage against the reference implementation."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.performance.measurement import (
    Measurement,
    best_seconds,
    extra_peak,
    in_child,
    interleaved,
    one_thread,
)
from benchmarks.performance.reference_implementation import full_logits, slow_maps
from tam_video.models.scores import class_scores
from tam_video.tam.activation import token_activation_maps
from tam_video.types import FloatArray, IntArray, PublishedProfile

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is to explain."""

    grid: tuple[int, int, int] = (8, 14, 26)
    num_prompt: int = 12
    num_answer: int = 32
    width: int = 1536
    vocabulary: int = 151_936


TOLERANCE = 1e-4
FULL = Sizes()
QUICK = Sizes(grid=(2, 6, 8), num_prompt=4, num_answer=8, width=256, vocabulary=20_000)


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """What a model with random weights leaves behind when it has answered.

    Attributes:
        hidden: float32 [S, d], last states.
        head: output embedding, without bias.
        class_ids: int64 [M].
        layout: further arguments of `token_activation_maps`.
    """

    hidden: Any
    head: nn.Linear
    class_ids: IntArray
    layout: dict[str, Any]


def answered(sizes: Sizes) -> Answered:
    """Draw states and weights, and lay a sequence out as Qwen2-VL does."""
    import torch

    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    num_cells, num_tokens = int(np.prod(sizes.grid)), sizes.num_prompt + sizes.num_answer
    start = 15 + num_cells + 1  # system turn and vision marker; the question
    predicted_from = start + sizes.num_prompt + 4  # end of turn, assistant, newline
    text = [*range(start, start + sizes.num_prompt)]
    text += range(predicted_from, predicted_from + sizes.num_answer)
    head = torch.nn.Linear(sizes.width, sizes.vocabulary, bias=False)
    class_ids = rng.integers(0, sizes.vocabulary, num_tokens)
    layout = {
        "visual_positions": np.arange(15, 15 + num_cells),
        "text_positions": np.array(text),
        "token_strings": [str(each) for each in class_ids],
        "num_prompt_tokens": sizes.num_prompt,
        "grid": sizes.grid,
    }
    hidden = torch.randn(text[-1] + 1, sizes.width)
    return Answered(hidden, head.requires_grad_(requires_grad=False), class_ids, layout)


def our_stage(given: Answered, *, profile: PublishedProfile = "reference") -> FloatArray:
    """float32 [M, t, h, w]: the package's stage."""
    scores = class_scores(given.hidden, given.head, class_ids=given.class_ids)
    return token_activation_maps(scores, **given.layout, profile=profile).maps


def reference_stage(given: Answered) -> FloatArray:
    """float32 [M, t, h, w]: the reference implementation."""
    logits = full_logits(given.hidden, given.head.weight)
    return slow_maps(logits, class_ids=given.class_ids, **given.layout)


def speedup(quick: bool) -> Measurement:
    """Compare CPU seconds of the reference and the package on one thread; maps must be equal."""
    one_thread()
    sizes = QUICK if quick else FULL
    given = answered(sizes)
    maps: dict[str, FloatArray] = {}

    def ours() -> None:
        maps["ours"] = our_stage(given)

    def reference() -> None:
        maps["reference"] = reference_stage(given)

    # Once before and once after the reference, which takes long enough for the machine to change.
    before = interleaved({"ours": ours}, repeats=5)
    clocks = interleaved({"reference": reference}, repeats=1, warm_ups=0)
    clocks["ours"] = before["ours"] + interleaved({"ours": ours}, repeats=5)["ours"]
    difference = float(np.abs(maps["ours"] - maps["reference"]).max())
    if difference > TOLERANCE:
        raise RuntimeError(f"the maps differ by {difference:g}, more than {TOLERANCE:g}")
    seconds = best_seconds(clocks)
    return Measurement(
        ratio=seconds["reference cpu"] / median(clock.cpu for clock in clocks["ours"]),
        target=1000,
        sense="at least",
        seconds=seconds,
        how=f"{sizes}; reference over the median of ours, CPU seconds of one thread, same profile",
        figures={"largest_difference": difference, **_parts(given)},
    )


def memory(quick: bool) -> Measurement:
    """Compare the extra peak memory of package and reference, each in its own process."""
    peaks = {
        name: in_child("tam_stage:stage_peak", name=name, quick=quick)["extra_bytes"]
        for name in ("ours", "reference")
    }
    return Measurement(
        ratio=peaks["ours"] / peaks["reference"],
        target=0.01,
        sense="at most",
        seconds={},
        how="resident memory above states and weights; the reference without other layers",
        figures={f"{name}_extra_bytes": value for name, value in peaks.items()},
    )


def stage_peak(*, name: str, quick: bool) -> dict[str, int]:
    """Bytes that one of the two stages needs beyond its inputs."""
    one_thread()
    stage = {"ours": our_stage, "reference": reference_stage}[name]
    stage(answered(QUICK))  # loads code and makes the libraries' own buffers
    given = answered(QUICK if quick else FULL)
    return {"extra_bytes": extra_peak(lambda: stage(given))}


def _parts(given: Answered) -> dict[str, float]:
    """CPU seconds of the stage's parts, and of the published profile."""
    scores = class_scores(given.hidden, given.head, class_ids=given.class_ids)

    def maps(profile: PublishedProfile) -> object:
        return token_activation_maps(scores, **given.layout, profile=profile)

    clocks = interleaved(
        {
            "project": lambda: class_scores(given.hidden, given.head, class_ids=given.class_ids),
            "maps, reference": lambda: maps("reference"),
            "maps, published": lambda: maps("published"),
        },
        repeats=5,
    )
    return best_seconds(clocks)
