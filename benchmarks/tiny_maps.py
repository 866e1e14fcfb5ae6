"""Measure the maps of `tiny` against exact masks: AUC and pointing game.

    python -m benchmarks.tiny_maps --clips 300 --workers 2 --out docs/results/tiny_maps.json

The model captions each clip; every colour and shape word of the caption that is true of some object
is scored on the grid (slot x row x column). A cell belongs to the object where the object covers at
least half of it in the union of the frames of the slot. A shape that two objects share refers to
both. Words are scored by the mean map of their sub-tokens; a clip's value
is the mean over its words.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.answers import MODEL, read_clip, start_worker
from tam_video.datasets.cells import cell_masks
from tam_video.datasets.scene import SceneClip
from tam_video.datasets.shapes import COLORS, SHAPES
from tam_video.datasets.worlds import make_clip
from tam_video.metrics.plausibility import auc, pointing_hit
from tam_video.metrics.statistics import mean_interval
from tam_video.tam import join_words, word_maps
from tam_video.tam.activation import activate
from tam_video.types import FloatArray, Generation, Message

QUESTION = "Describe the video."


def maps_of(generation: Generation) -> Iterator[tuple[str, FloatArray]]:
    """Yield the compared maps by name, each float32 [M, t, h, w]."""
    for profile in ("published", "reference"):
        (result,) = activate(generation, profile=profile)
        if profile == "published":
            yield "raw logit", result.raw.reshape(result.maps.shape)
        yield profile, result.maps


def score_clip(seed: int) -> dict[str, dict[str, float]]:
    """Compute AUC and pointing of one clip for the raw maps and profiles of every layer."""
    from tam_video.models import GenerationOptions

    model = MODEL["model"]
    clip = make_clip(seed, split="test")
    batch = read_clip(clip)
    scene = clip
    conversation = [Message("user", QUESTION)]
    answer = model.generate(batch, conversation).answer
    scores: dict[str, dict[str, float]] = {}
    for layer in ("input", *range(model.num_layers - 1), -1):
        options = GenerationOptions(layer=layer)
        generation = model.generate(batch, conversation, options=options, answer=answer)
        masks = cell_masks(scene, generation.layouts[0], batch.indices)
        for name, maps in maps_of(generation):
            label = f"{name}, {layer_name(layer, model.num_layers)}"
            scores |= {label: score_words(clip, masks, generation, maps)}
    return {label: values for label, values in scores.items() if values}


def layer_name(layer: int | str, num_layers: int) -> str:
    """Return the name of a layer, counted from 1."""
    return (
        "decoder input" if layer == "input" else f"layer {layer % num_layers + 1} of {num_layers}"
    )


def score_words(
    clip: SceneClip, masks: np.ndarray, generation: Generation, maps: FloatArray
) -> dict[str, float]:
    """Compute mean AUC and pointing of the colour and shape words true of a visible object."""
    words = join_words(generation.tokens)
    values = defaultdict(list)
    for word, scores in zip(words, word_maps(maps, words), strict=True):
        if word.text not in COLORS and word.text not in SHAPES:
            continue
        true_of = [word.text in (o.color, o.shape) for o in clip.objects]
        mask = masks[true_of].any(0) if any(true_of) else np.zeros(maps.shape[1:], bool)
        if mask.any():
            values["auc"].append(auc(scores, mask))
            values["pointing"].append(pointing_hit(scores, mask))
    return {metric: float(np.mean(each)) for metric, each in values.items()}


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--first-seed", type=int, default=2_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    groups: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with ProcessPoolExecutor(
        args.workers, get_context("spawn"), initializer=start_worker, initargs=(args.model,)
    ) as pool:
        seeds = range(args.first_seed, args.first_seed + args.clips)
        for number, scores in enumerate(pool.map(score_clip, seeds), start=1):
            for label, values in scores.items():
                for metric, value in values.items():
                    groups[label][metric].append(value)
            if number % 50 == 0:
                print(f"{number} clips", flush=True)
    summary = {
        label: {metric: mean_interval(values) for metric, values in metrics.items()}
        for label, metrics in groups.items()
    }
    for label, metrics in summary.items():
        print(f"{label:32s} auc {metrics['auc']}   pointing {metrics['pointing']}")
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        document = {k: {m: v.as_dict() for m, v in ms.items()} for k, ms in summary.items()}
        args.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
