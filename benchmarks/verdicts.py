"""Draw many calibrations from the cached clips of a model, and count their verdicts.

    python -m benchmarks.verdicts late --cache DIR --seeds 20 --out docs/results/verdicts_late.json

Each calibration chooses and judges on 60 clips drawn from the cache of `benchmarks.readings`; the
model is not run. The same is done with the scores of every clip permuted over the cells, whose maps
must not be trusted.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.readings import FIRST_SEED, ClipCache, calibrated
from tam_video.calibration.evidence import ClipEvidence
from tam_video.calibration.selection import split_clips
from tam_video.calibration.verdict import judge
from tam_video.types import FloatArray


def permuted(clip: ClipEvidence, seed: int) -> ClipEvidence:
    """Return the evidence with the rows of the cells in another order, the same in all layers."""
    rng = np.random.default_rng([seed, clip.number])
    cells = clip.layout.visual_positions
    order = rng.permutation(cells)

    def moved(scores: FloatArray) -> FloatArray:
        out = scores.copy()
        out[cells] = scores[order]
        return out

    return replace(clip, scores=tuple(moved(scores) for scores in clip.scores))


def verdict_of(clips: Sequence[ClipEvidence]) -> str:
    """Return the verdict of a calibration on these clips, as `tam-video calibrate` gives it."""
    return judge(split_clips(clips)[1], calibrated(clips)).verdict


def main() -> None:
    """Count the verdicts, and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=300, help="clips in the cache")
    parser.add_argument("--drawn", type=int, default=60, help="clips of one calibration")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    cache = ClipCache(args.model, args.cache)
    clips = list(cache.clips(args.clips, split="test", first_seed=FIRST_SEED))
    counts: dict[str, Counter[str]] = {"as measured": Counter(), "permuted": Counter()}
    for seed in range(args.seeds):
        rng = np.random.default_rng([29, seed])
        drawn = [clips[int(n)] for n in rng.choice(len(clips), args.drawn, replace=False)]
        counts["as measured"][verdict_of(drawn)] += 1
        counts["permuted"][verdict_of([permuted(clip, seed) for clip in drawn])] += 1
        print(seed + 1, {name: dict(each) for name, each in counts.items()}, flush=True)
    if args.out:
        document = {"model": args.model, "clips": args.clips, "drawn": args.drawn}
        document |= {name: dict(each) for name, each in counts.items()}
        args.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
