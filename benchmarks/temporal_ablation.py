"""What each part of the temporal stage does to the map, on exact ground truth.

    python -m benchmarks.temporal_ablation --clips 60 --split dev --out ablation.json

Every clip is captioned once, and asked when an object is seen that comes or goes; each variant of
the method then works on the same scores. Figures are means over clips, differences to the default
are paired over clips. Parts are chosen on the "dev" split, so that "test" stays unseen.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.tiny_answers import MODEL, start_worker
from tam_video.datasets.shapes import Split
from tam_video.datasets.worlds import make_world
from tam_video.evaluation.clip import CAPTION_QUESTION, read_back, timed_object
from tam_video.evaluation.score import WordValues, clip_values, score_answer, score_times
from tam_video.evaluation.truth import answer_truth
from tam_video.metrics import bootstrap, paired_bootstrap
from tam_video.models import GenerationOptions
from tam_video.models.base import DEPTH_QUARTERS, LayerPlace
from tam_video.tam.activation import DEFAULT, PUBLISHED, activate
from tam_video.tam.phrases import subtoken_maps
from tam_video.tam.temporal import TemporalOptions, input_motions
from tam_video.tam.words import join_words
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
LAYERS: tuple[LayerPlace, ...] = ("input", *DEPTH_QUARTERS)
QUARTERS = (1, 2, 3, 4)
LAST = (4,)
RAW = TemporalOptions(rank_size=1, causal_cap=1e-9)
REFERENCE_POINT = "default"


@dataclass(frozen=True, slots=True)
class Variant:
    """Options of the stage, and which of `LAYERS` it reads."""

    options: TemporalOptions
    layers: tuple[int, ...] = QUARTERS


def _default_but(layers: tuple[int, ...] = QUARTERS, **changes: object) -> Variant:
    return Variant(replace(DEFAULT, **changes), layers)  # type: ignore[arg-type]


VARIANTS: dict[str, Variant] = {
    REFERENCE_POINT: _default_but(),
    "published steps, last layer": Variant(PUBLISHED, LAST),
    "published steps, four layers": Variant(PUBLISHED),
    "raw logits, last layer": Variant(RAW, LAST),
    "raw logits, four layers": Variant(RAW),
    "raw logits, 1st quarter of the depth": Variant(RAW, (1,)),
    "a rank filter in each slot": _default_but(rank_size=3),
    "a rank filter over 3 slots": _default_but(rank_size=3, rank_slots=3, gaussian_sigma=0.0),
    "a the same, not aligned": _default_but(
        rank_size=3, rank_slots=3, gaussian_sigma=0.0, is_aligned=False
    ),
    "a ranks over 3 slots, cell by cell": _default_but(rank_slots=3, gaussian_sigma=0.0),
    "b not aligned": _default_but(is_aligned=False),
    "b Farneback flow": _default_but(flow_method="farneback"),
    "b flow always trusted": _default_but(flow_tolerance_cells=None),
    "b windows across cuts": _default_but(breaks_at_cuts=False),
    "c no correction": _default_but(causal_cap=1e-9, content_cap=None),
    "c no correction of content words": _default_but(content_cap=1e-9),
    "c no cap": _default_but(content_cap=None),
    "c all context": _default_but(excludes_content=False),
    "c all context but the own phrase": _default_but(excludes_content=False, excludes_phrase=True),
    "c all context but overlapping": _default_but(
        excludes_content=False, overlap_measure="correlation", overlap_beyond_common=True
    ),
    "c one factor a slot": _default_but(causal_scale="slot"),
    "c mixture of clip and slot": _default_but(causal_scale="mixture"),
    "c context weighs alike": _default_but(relevance_power=0.0),
    "d no temporal filter": _default_but(gaussian_sigma=0.0),
    "d Gaussian of 0.7 slots": _default_but(gaussian_sigma=0.7),
    "d Gaussian of 1 slot": _default_but(gaussian_sigma=1.0),
    "d Gaussian of 1.5 slots": _default_but(gaussian_sigma=1.5),
    "e first sub-token": _default_but(subtoken_aggregate="first"),
    "e greatest of the sub-tokens": _default_but(subtoken_aggregate="max"),
    "e sub-tokens by length": _default_but(subtoken_aggregate="length"),
    "f last layer": _default_but(LAST),
    "f 3rd quarter of the depth": _default_but((3,)),
    "f half of the depth": _default_but((2,)),
    "f 1st quarter of the depth": _default_but((1,)),
    "f decoder input and four layers": _default_but((0, *QUARTERS)),
    "f each token on its own scale": _default_but(layer_unit="token"),
}


def variants(batch: FrameBatch, generation: Generation) -> Iterator[tuple[str, FloatArray]]:
    """Maps of each variant, float32 [M, t, h, w]."""
    for name, variant in VARIANTS.items():
        motions = input_motions([batch], generation, variant.options)
        scores = tuple(generation.layer_scores[place] for place in variant.layers)
        read = replace(generation, scores=scores[-1], layer_scores=scores)
        maps = activate(read, temporal=variant.options, motions=motions)[0].maps
        yield name, joined(maps, generation, variant.options)


def joined(maps: FloatArray, generation: Generation, options: TemporalOptions) -> FloatArray:
    """The maps with each sub-token's replaced by that of its word, which is what is scored."""
    words = join_words(generation.tokens)
    whole = subtoken_maps(
        maps, words, aggregate=options.subtoken_aggregate, tokens=generation.tokens
    )
    for word, heat in zip(words, whole, strict=True):
        maps[list(word.token_indices)] = heat
    return maps


def measure(job: tuple[str, int, Split]) -> dict[str, dict[str, float | None]]:
    """Every variant's values on one clip."""
    world, seed, split = job
    clip, model = make_world(world, seed, split=split), MODEL["model"]
    batch = read_back(clip, model)
    options = GenerationOptions(mixed_layers=LAYERS)

    def ask(question: str) -> Generation:
        found: Generation = model.generate(batch, [Message("user", question)], options=options)
        return found

    caption = ask(CAPTION_QUESTION)
    if len(caption.tokens) == caption.num_prompt_tokens:
        return {}
    asked = {"caption": caption}
    item = timed_object(clip, caption.layouts[0].slot_indices(batch.indices))
    if item is not None:
        asked["when"] = ask(f"When is the {item.name} visible?")
    values: dict[str, list[WordValues]] = defaultdict(list)
    for kind, generation in asked.items():
        truth = answer_truth(clip, batch, generation)
        score = score_answer if kind == "caption" else score_times
        for name, maps in variants(batch, generation):
            values[name].append(score(maps, truth, METRICS))
    return {name: clip_values(parts, METRICS) for name, parts in values.items()}


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
        for found in pool.map(measure, [(args.world, seed, args.split) for seed in seeds]):
            for name, row in found.items():
                for metric, value in row.items():
                    values[name][metric].append(np.nan if value is None else value)
    document = {"clips": args.clips, "world": args.world, "split": args.split, "variants": {}}
    for name, metrics in values.items():
        document["variants"][name] = {
            metric: {
                "mean": bootstrap(row).as_dict(),
                "minus default": paired_bootstrap(row, values[REFERENCE_POINT][metric]).as_dict(),
            }
            for metric, row in metrics.items()
        }
        cells = "  ".join(
            f"{metric} {found['mean']['mean']:.3f} ({found['minus default']['mean']:+.3f})"
            for metric, found in document["variants"][name].items()
        )
        print(f"{name:36s} {cells}")
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
