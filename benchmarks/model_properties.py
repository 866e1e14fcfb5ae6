"""Check what `deepstack` and `sinks` are made for.

    python -m benchmarks.model_properties --clips 60 --out docs/results/model_properties.json

`deepstack`: how often it names an object right, as it is and with its DeepStack features zeroed.
`sinks`: the smallest number, over clips and layers after the second, of cells whose norm is more
than ten times the median.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.checkpoints import checkpoint, known_clip
from tam_video.datasets.questions import caption, shape_turn
from tam_video.datasets.scene import SceneClip
from tam_video.evaluation.clip import CAPTION_QUESTION, read_back
from tam_video.metrics.statistics import Interval, mean_interval
from tam_video.models import load_model
from tam_video.models.capture import find_decoder
from tam_video.models.sinks import record_norms
from tam_video.types import FrameBatch, Message

FIRST_SEED = 6_000_000
RATIO = 10.0


def held_out(name: str, model: Any, count: int) -> Iterator[tuple[SceneClip, FrameBatch]]:
    """Yield test clips and the frames that the model samples."""
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        clip = known_clip(name, seed)
        yield clip, read_back(clip, model)


def noun_rate(model: Any, count: int) -> Interval:
    """Return how often "What shape is the ... object?" is answered exactly."""
    right = []
    for clip, batch in held_out("deepstack", model, count):
        question, answer = shape_turn(clip.objects[0])
        right.append(model.generate(batch, [Message("user", question)]).answer.strip() == answer)
    return mean_interval(right, is_rate=True)


def zero_levels(model: Any) -> None:
    """Let the DeepStack levels add zeros."""
    with torch.no_grad():
        for merger in model.checkpoint.model.model.visual.deepstack_merger_list:
            merger.linear_fc2.weight.zero_()
            merger.linear_fc2.bias.zero_()


def fewest_sinks(model: Any, count: int) -> int:
    """Return the smallest number of cells of large norm over clips and layers after the second."""
    decoder = find_decoder(model.checkpoint.model)
    counts: list[int] = []
    for clip, batch in held_out("sinks", model, count):
        conversation, answer = [Message("user", CAPTION_QUESTION)], caption(clip)
        cells = model.generate(batch, conversation, answer=answer).visual_positions
        with record_norms(decoder, cells) as recorded:
            model.generate(batch, conversation, answer=answer)
        for calls in recorded.layers:
            norms = torch.cat(list(calls)).numpy()[cells]
            counts.append(int((norms > RATIO * np.median(norms)).sum()))
    return min(counts)


def main() -> None:
    """Measure both models, print the figures, and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    deepstack = load_model(checkpoint("deepstack"))
    rates = {"nouns": noun_rate(deepstack, args.clips).as_dict()}
    zero_levels(deepstack)
    rates["nouns, levels zeroed"] = noun_rate(deepstack, args.clips).as_dict()
    document = {
        "clips": args.clips,
        "deepstack": rates,
        "sinks": {"fewest": fewest_sinks(load_model(checkpoint("sinks")), args.clips // 3)},
    }
    print(json.dumps(document, indent=1))
    if args.out:
        args.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
