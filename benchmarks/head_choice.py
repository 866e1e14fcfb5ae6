"""Measure which heads, layers and states explain best, on exact ground truth.

    python -m benchmarks.head_choice --clips 20 --out docs/results/head_choice_dev.json

The model captions every clip and, where an object appears or disappears, answers when it is
visible. Figures are means over clips of the "dev" split.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from tam_video.datasets.worlds import make_world
from tam_video.evaluation.clip import CAPTION_QUESTION, read_back, timed_object
from tam_video.evaluation.score import WordValues, clip_values, score_answer, score_times
from tam_video.evaluation.truth import answer_truth
from tam_video.methods.base import Cost, ProbeMethod
from tam_video.methods.heads import Heads
from tam_video.methods.similarity import ContextualLens
from tam_video.metrics.statistics import mean_interval
from tam_video.models import GenerationOptions, load_model
from tam_video.models.inference import TransformersModel
from tam_video.models.probing import Probe
from tam_video.types import FloatArray, Message

METRICS = ("viou", "pointing", "auc", "energy", "func_iou", "tiou", "temporal_energy")


@dataclass(frozen=True, slots=True)
class MostWeight(ProbeMethod):
    """Mean attention of the heads whose answer rows put the most weight on the cells.

    Attributes:
        count: number of heads.
        num_layers, num_heads: of the decoder.
    """

    count: int
    num_layers: int
    num_heads: int
    name: ClassVar[str] = "most-weight"
    cost: ClassVar[Cost] = "attention"

    def cell_scores(self, probe: Probe) -> FloatArray:
        """Compute the scores: float32 [J, V]."""
        heads = [(n, head) for n in range(self.num_layers) for head in range(self.num_heads)]
        rows = probe.head_rows(heads)
        order = np.argsort(-rows.sum(axis=2).mean(axis=1), kind="stable")
        mean: FloatArray = rows[order[: self.count]].mean(axis=0)
        return mean


def variants(num_layers: int, num_heads: int) -> dict[str, ProbeMethod]:
    """Return the variants by the name in the table."""
    layers = range(num_layers)
    every = {n: tuple((n, head) for head in range(num_heads)) for n in layers}
    result: dict[str, ProbeMethod] = {
        "heads": Heads(),
        "heads, times of the question": Heads(times="question"),
        "heads, all layers": Heads(heads=tuple(head for n in layers for head in every[n])),
    }
    for n in layers:
        result[f"heads, layer {n}"] = Heads(heads=every[n])
    for count in (1, 4, 8):
        result[f"heads, {count} with most weight"] = MostWeight(count, num_layers, num_heads)
    for n in layers:
        result[f"lens, layer {n}, token"] = ContextualLens(layer=n)
        result[f"lens, layer {n}, prediction"] = ContextualLens(layer=n, state="prediction")
    return result


def measure(
    model: TransformersModel, seed: int, methods: dict[str, ProbeMethod]
) -> dict[str, dict[str, float | None]]:
    """Measure every variant on one clip."""
    clip = make_world("base", seed, split="dev")
    batch = read_back(clip, model)
    options = GenerationOptions()
    caption = model.generate(batch, [Message("user", CAPTION_QUESTION)], options=options)
    answers = [(caption, score_answer)]
    item = timed_object(clip, caption.layouts[0].slot_indices(batch.indices))
    if item is not None:
        question = Message("user", f"When is the {item.name} visible?")
        answers.append((model.generate(batch, [question], options=options), score_times))
    values: dict[str, list[WordValues]] = defaultdict(list)
    for generation, score in answers:
        probe, truth = Probe(model, batch, generation), answer_truth(clip, batch, generation)
        for name, method in methods.items():
            values[name].append(score(method.explain(probe).maps[0], truth, METRICS))
    return {name: clip_values(parts, METRICS) for name, parts in values.items()}


def main() -> None:
    """Run, print a table, and write all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=3_000_000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    model = load_model(args.model)
    config = model.checkpoint.model.config.get_text_config()
    methods = variants(model.num_layers, config.num_attention_heads)
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for seed in range(args.first_seed, args.first_seed + args.clips):
        for name, row in measure(model, seed, methods).items():
            for metric, value in row.items():
                values[name][metric].append(np.nan if value is None else value)
    figures = {
        name: {metric: mean_interval(row).as_dict() for metric, row in metrics.items()}
        for name, metrics in values.items()
    }
    for name, row in figures.items():
        known = {metric: each for metric, each in row.items() if each["mean"] is not None}
        cells = (f"{metric} {each['mean']:.3f} (n={each['n']})" for metric, each in known.items())
        print(f"{name:30s} {'  '.join(cells)}")
    if args.out:
        document = {"clips": args.clips, "split": "dev", "world": "base", "variants": figures}
        args.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
