"""What each temporal part does to the map, on exact ground truth.

    python -m benchmarks.temporal_ablation --clips 60 --split dev --out ablation.json

Every clip is captioned once; each variant of the method then works on the same scores. Figures are
means over clips; differences to the published steps are paired over clips. Parts are chosen on the
"dev" split, so that "test" stays unseen.
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

from benchmarks.tiny_answers import MODEL, start_worker
from tam_video.datasets.shapes import Split
from tam_video.datasets.worlds import make_world
from tam_video.evaluation.clip import read_back
from tam_video.evaluation.score import clip_values, score_answer
from tam_video.evaluation.truth import answer_truth
from tam_video.methods import METHODS
from tam_video.methods.activation import Tam
from tam_video.metrics import bootstrap, paired_bootstrap
from tam_video.models import GenerationOptions
from tam_video.models.probing import Probe
from tam_video.tam.temporal import TemporalOptions
from tam_video.types import FloatArray, Message

METRICS = (
    "viou",
    "obj_iou",
    "func_iou",
    "pointing",
    "energy",
    "temporal_energy",
    "tiou",
    "coherence",
)
PUBLISHED = "published steps"
NO_OVERLAP = {"overlap_measure": "correlation", "overlap_beyond_common": True}

VARIANTS: dict[str, dict[str, object]] = {
    PUBLISHED: {},
    "a rank over 3 slots": {"rank_slots": 3},
    "b the same, aligned": {"rank_slots": 3, "is_aligned": True},
    "b the same, aligned, neighbours count half": {
        "rank_slots": 3,
        "is_aligned": True,
        "rank_slot_weight": 0.5,
    },
    "c one factor a slot": {"causal_scale": "slot"},
    "c mixture of clip and slot": {"causal_scale": "mixture"},
    "c factor at most 0.5": {"causal_cap": 0.5},
    "c half of the raw map stays": {"causal_floor": 0.5},
    "c no context of the same phrase": {"excludes_phrase": True},
    "c no context on the same object": {**NO_OVERLAP},
    "d Gaussian over slots": {"gaussian_sigma": 0.7},
    "d Gaussian over slots, aligned": {"gaussian_sigma": 0.7, "is_aligned": True},
    "c+d phrase, aligned Gaussian": {
        "excludes_phrase": True,
        "gaussian_sigma": 0.7,
        "is_aligned": True,
    },
    "c+d no overlap, aligned Gaussian": {**NO_OVERLAP, "gaussian_sigma": 0.7, "is_aligned": True},
}


def variants(probe: Probe) -> Iterator[tuple[str, FloatArray]]:
    """Maps of each variant, and of the raw logits, each float32 [M, t, h, w]."""
    yield "raw logits", METHODS.load("logit")().explain(probe).maps[0]
    for name, options in VARIANTS.items():
        temporal = TemporalOptions(**options)  # type: ignore[arg-type]
        yield name, Tam(temporal=temporal).explain(probe).maps[0]


def measure(job: tuple[str, int, Split, str]) -> dict[str, dict[str, float | None]]:
    """Every variant's values on one clip."""
    world, seed, split, layer = job
    clip, model = make_world(world, seed, split=split), MODEL["model"]
    batch = read_back(clip, model)
    options = GenerationOptions(layer=layer if layer == "input" else int(layer))
    generation = model.generate(batch, [Message("user", "Describe the video.")], options=options)
    if len(generation.tokens) == generation.num_prompt_tokens:
        return {}
    probe, truth = Probe(model, batch, generation), answer_truth(clip, batch, generation)
    return {
        name: clip_values([score_answer(maps, truth, METRICS)], METRICS)
        for name, maps in variants(probe)
    }


def main() -> None:
    """Run, print a table of differences, and write all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--world", default="base")
    parser.add_argument("--split", default="dev", choices=["dev", "test"])
    parser.add_argument("--layer", default="-1", help="a layer's number, or input")
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
        jobs = [(args.world, seed, args.split, args.layer) for seed in seeds]
        for found in pool.map(measure, jobs):
            for name, row in found.items():
                for metric, value in row.items():
                    values[name][metric].append(np.nan if value is None else value)
    document = {}
    for name, metrics in values.items():
        document[name] = {
            metric: {
                "mean": bootstrap(row).as_dict(),
                "minus published": paired_bootstrap(row, values[PUBLISHED][metric]).as_dict(),
            }
            for metric, row in metrics.items()
        }
        cells = "  ".join(
            f"{metric} {found['mean']['mean']:.3f} ({found['minus published']['mean']:+.3f})"
            for metric, found in document[name].items()
        )
        print(f"{name:44s} {cells}")
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
