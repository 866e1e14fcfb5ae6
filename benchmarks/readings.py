"""Compare ways of reading a model's maps on held-out clips.

    python -m benchmarks.readings late --clips 300 --cache DIR --out docs/results/readings_late.json

The true caption is teacher-forced. The scores of all layers are computed once and kept in the cache
folder. A profile is chosen on clips of the split "dev" and compared, on clips of the split "test",
with the built-in profiles and the raw logit of the last layer and of the best one. Only that layer
is chosen on the test clips, as an upper bound.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.checkpoints import checkpoint, known_clip
from tam_video.calibration.candidates import RAW, Candidate, built_in
from tam_video.calibration.evidence import ClipEvidence, score_clip
from tam_video.calibration.evidence_file import evidence_bytes, read_evidence
from tam_video.calibration.scoring import candidate_values
from tam_video.calibration.selection import (
    compare,
    is_better,
    score_candidates,
    select,
    split_clips,
)
from tam_video.datasets.shapes import Split
from tam_video.evaluation.clip import read_back
from tam_video.metrics.statistics import difference_interval, mean_interval
from tam_video.models import load_model
from tam_video.tam.options import PUBLISHED
from tam_video.workspace.files import atomic_write

FIRST_SEED = 3_000_000
METRICS = ("auc", "viou", "pointing", "energy", "temporal_auc", "tiou")


@dataclass(frozen=True, slots=True)
class ClipCache:
    """The scores of a model's clips, in a folder.

    Attributes:
        name: the model.
        folder: the cache of all models.
    """

    name: str
    folder: Path

    def clips(self, count: int, *, split: Split, first_seed: int) -> Iterator[ClipEvidence]:
        """Yield the scores of each clip; compute and store those that are not there."""
        model: Any = None
        began = time.time()
        for number in range(count):
            path = self.folder / self.name / f"{split}-{first_seed + number}.npz"
            if not path.exists():
                if model is None:
                    model = load_model(checkpoint(self.name))
                clip = known_clip(self.name, first_seed + number, split=split)
                batch = read_back(clip, model)
                evidence = score_clip(model, clip, batch, world=self.name, number=number)
                path.parent.mkdir(parents=True, exist_ok=True)
                atomic_write(path, evidence_bytes(evidence))
                if (number + 1) % 20 == 0:
                    print(f"{number + 1} of {count} clips, {time.time() - began:.0f} s", flush=True)
            yield read_evidence(path)


def calibrated(clips: Sequence[ClipEvidence]) -> Candidate:
    """Return what the selection of `tam-video calibrate` takes; it uses all of the clips."""
    selection, held_out = split_clips(clips)
    standard = built_in(len(clips[0].scores))
    choice = select(selection)
    differences = compare(score_candidates(held_out, (choice, standard)))
    return choice if is_better(differences) else standard


def measure(clips: Sequence[ClipEvidence], candidates: dict[str, Candidate]) -> dict[str, Any]:
    """Return the values of every candidate: float64 [clips, metrics] each."""
    chosen = list(candidates.values())
    values = np.stack([candidate_values(each, chosen, METRICS) for each in clips], axis=1)
    return dict(zip(candidates, values, strict=True))


def best_layer(clips: Sequence[ClipEvidence]) -> tuple[int, list[dict[str, float]]]:
    """Return the layer whose raw maps have the largest mean of all metrics, and the curves."""
    layers = {str(n): Candidate((n,), RAW) for n in range(len(clips[0].scores))}
    means = [np.nanmean(values, axis=0) for values in measure(clips, layers).values()]
    curves = [dict(zip(METRICS, np.round(mean, 4).tolist(), strict=True)) for mean in means]
    return int(np.argmax([mean.mean() for mean in means])), curves


def table(values: dict[str, Any], first: str) -> dict[str, Any]:
    """Return the mean of every metric with its interval, and the paired differences to `first`."""
    rows: dict[str, Any] = {}
    for name, each in values.items():
        rows[name] = {
            "mean": {m: mean_interval(each[:, i]).as_dict() for i, m in enumerate(METRICS)}
        }
        if name != first:
            rows[name][f"{first} minus this"] = {
                m: difference_interval(values[first][:, i], each[:, i]).as_dict()
                for i, m in enumerate(METRICS)
            }
    return rows


def main() -> None:
    """Compute the scores, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="tiny, late, deepstack, sinks or smol")
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument(
        "--dev-clips", type=int, default=60, help="clips that a profile is chosen on"
    )
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    cache = ClipCache(args.model, args.cache)
    dev = list(cache.clips(args.dev_clips, split="dev", first_seed=FIRST_SEED))
    clips = list(cache.clips(args.clips, split="test", first_seed=FIRST_SEED))
    last = len(clips[0].scores) - 1
    best, curves = best_layer(clips)
    candidates = {
        "calibrated": calibrated(dev),
        "default": built_in(last + 1),
        "published": Candidate((last,), PUBLISHED),
        "raw, last layer": Candidate((last,), RAW),
        "raw, best layer": Candidate((best,), RAW),
    }
    values = measure(clips, candidates)
    rows = table(values, next(iter(candidates)))
    for name, row in rows.items():
        print(f"{name:18}", *(f"{m} {row['mean'][m]['mean']:.3f}" for m in METRICS))
        for against, differences in row.items():
            if against != "mean":
                print(
                    "   ",
                    against,
                    *(f"{m} {each}" for m, each in differences.items()),
                    sep="\n      ",
                )
    if args.out:
        document = {
            "model": args.model,
            "clips": args.clips,
            "dev_clips": args.dev_clips,
            "options": asdict(candidates["calibrated"].options),
            "layers": {n: list(c.layers) for n, c in candidates.items()},
            "readings": rows,
            "raw_layers": curves,
        }
        args.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
