"""Measure the effect of each part of the temporal stage on the maps, on exact ground truth.

    python -m benchmarks.temporal_ablation --clips 60 --split dev --out ablation.json

The model captions every clip once and, where an object appears or disappears, answers when it is
visible. Each variant of the method is computed from the same scores. Figures are means over clips;
differences to the default are paired over clips. Parts are chosen on the "dev" split, so that
"test" stays unseen.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.answers import MODEL, start_worker
from benchmarks.variants.maps import QUARTERS, Variant, variant_maps, variant_motion
from tam_video.datasets.shapes import Split
from tam_video.datasets.worlds import make_world
from tam_video.evaluation.clip import CAPTION_QUESTION, read_back, timed_object
from tam_video.evaluation.score import WordValues, clip_values, score_answer, score_times
from tam_video.evaluation.truth import answer_truth
from tam_video.metrics.statistics import difference_interval, mean_interval
from tam_video.models import GenerationOptions
from tam_video.models.base import DEPTH_QUARTERS, LayerName
from tam_video.tam.options import DEFAULT, PUBLISHED, ActivationOptions
from tam_video.types import FloatArray, FrameBatch, Generation, Message

METRICS = (
    "viou",
    "viou_moving",
    "obj_iou",
    "func_iou",
    "pointing",
    "energy",
    "auc",
    "temporal_energy",
    "tiou",
    "coherence",
)
LAYERS: tuple[LayerName, ...] = ("input", *DEPTH_QUARTERS)
LAST = (4,)
RAW = ActivationOptions(correction="none", rank_filter=False)
REFERENCE_POINT = "default"


def _options(**changes: object) -> Variant:
    return Variant(options=replace(DEFAULT, **changes))  # type: ignore[arg-type]


_STILL = replace(DEFAULT, rank_filter=True, gaussian_sigma_slots=0.0)
_ALL_CONTEXT = replace(DEFAULT, correction="published")

VARIANTS: dict[str, Variant] = {
    REFERENCE_POINT: Variant(),
    "published steps, last layer": Variant(options=PUBLISHED, layers=LAST),
    "published steps, four layers": Variant(options=PUBLISHED),
    "raw logits, last layer": Variant(options=RAW, layers=LAST),
    "raw logits, four layers": Variant(options=RAW),
    "raw logits, 1st quarter of the depth": Variant(options=RAW, layers=(1,)),
    "a rank filter in each slot": _options(rank_filter=True),
    "a rank filter over 3 slots": Variant(options=_STILL, rank_slots=3),
    "a the same, not aligned": Variant(options=_STILL, rank_slots=3, flow=None),
    "a ranks over 3 slots, cell by cell": Variant(options=_STILL, rank_slots=3, rank_size=1),
    "b not aligned": Variant(flow=None),
    "b Farneback flow": Variant(flow="farneback"),
    "b flow always trusted": Variant(tolerance_cells=None),
    "b windows across cuts": Variant(breaks_at_cuts=False),
    "c no correction": _options(correction="none", content_cap=None),
    "c no correction of content words": _options(content_cap=1e-9),
    "c no cap": _options(content_cap=None),
    "c all context": Variant(options=_ALL_CONTEXT),
    "c all context but the own phrase": Variant(options=_ALL_CONTEXT, excluded="phrase"),
    "c all context but overlapping": Variant(options=_ALL_CONTEXT, excluded="correlate"),
    "c one factor a slot": Variant(causal_scale="slot"),
    "c mixture of clip and slot": Variant(causal_scale="mixture"),
    "c context weighs alike": Variant(relevance_power=0.0),
    "d no temporal filter": _options(gaussian_sigma_slots=0.0),
    "d Gaussian of 0.7 slots": _options(gaussian_sigma_slots=0.7),
    "d Gaussian of 1 slot": _options(gaussian_sigma_slots=1.0),
    "d Gaussian of 1.5 slots": _options(gaussian_sigma_slots=1.5),
    "e first sub-token": Variant(subtokens="first"),
    "e greatest of the sub-tokens": Variant(subtokens="max"),
    "e sub-tokens by length": Variant(subtokens="letters"),
    "f last layer": Variant(layers=LAST),
    "f 3rd quarter of the depth": Variant(layers=(3,)),
    "f half of the depth": Variant(layers=(2,)),
    "f 1st quarter of the depth": Variant(layers=(1,)),
    "f decoder input and four layers": Variant(layers=(0, *QUARTERS)),
    "f each token on its own scale": Variant(unit="token"),
}


def variants(batch: FrameBatch, generation: Generation) -> Iterator[tuple[str, FloatArray]]:
    """Yield the maps of each variant, float32 [M, t, h, w]."""
    for name, variant in VARIANTS.items():
        motion = variant_motion(batch, generation, variant)
        yield name, variant_maps(generation, variant, motion)


def measure(job: tuple[str, int, Split]) -> dict[str, dict[str, float | None]]:
    """Measure every variant on one clip."""
    world, seed, split = job
    clip, model = make_world(world, seed, split=split), MODEL["model"]
    batch = read_back(clip, model)
    options = GenerationOptions(mixed_layers=LAYERS)

    def answer(question: str) -> Generation:
        generation: Generation = model.generate(batch, [Message("user", question)], options=options)
        return generation

    caption = answer(CAPTION_QUESTION)
    if len(caption.tokens) == caption.num_prompt_tokens:
        return {}
    generations = {"caption": caption}
    item = timed_object(clip, caption.layouts[0].slot_indices(batch.indices))
    if item is not None:
        generations["when"] = answer(f"When is the {item.name} visible?")
    values: dict[str, list[WordValues]] = defaultdict(list)
    for kind, generation in generations.items():
        truth = answer_truth(clip, batch, generation)
        score = score_answer if kind == "caption" else score_times
        for name, maps in variants(batch, generation):
            values[name].append(score(maps, truth, METRICS))
    return {name: clip_values(parts, METRICS) for name, parts in values.items()}


def _shown(interval: dict[str, float | None], form: str) -> str:
    return "-" if interval["mean"] is None else format(interval["mean"], form)


def main() -> None:
    """Run, print a table of differences, and write all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--world", default="base")
    parser.add_argument("--split", default="dev", choices=["dev", "test"])
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--first-seed", type=int, default=3_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with ProcessPoolExecutor(
        args.workers, get_context("spawn"), initializer=start_worker, initargs=(args.model,)
    ) as pool:
        seeds = range(args.first_seed, args.first_seed + args.clips)
        for clip in pool.map(measure, [(args.world, seed, args.split) for seed in seeds]):
            for name, row in clip.items():
                for metric, value in row.items():
                    values[name][metric].append(np.nan if value is None else value)
    document = {"clips": args.clips, "world": args.world, "split": args.split, "variants": {}}
    for name, metrics in values.items():
        document["variants"][name] = {
            metric: {
                "mean": mean_interval(row).as_dict(),
                "minus default": difference_interval(
                    row, values[REFERENCE_POINT][metric]
                ).as_dict(),
            }
            for metric, row in metrics.items()
        }
        cells = "  ".join(
            f"{metric} {_shown(each['mean'], '.3f')} ({_shown(each['minus default'], '+.3f')})"
            for metric, each in document["variants"][name].items()
        )
        print(f"{name:36s} {cells}")
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
