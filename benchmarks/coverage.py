"""How often the 95 % intervals of `tam_video.metrics.statistics` cover the true mean.

    python -m benchmarks.coverage --out docs/results/coverage.json

Each case draws n clips whose true mean is known and counts the intervals that hold it. Beside it
stands the coverage of the former rule: the percentile bootstrap at every n.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tam_video.metrics.statistics import Interval, difference_interval, mean_interval, source_sums
from tam_video.types import Float64Array

SIZES = (8, 20, 50, 100)
REQUIRED = 0.93
"""Coverage that the cases of `Case.is_required` have to reach."""


Drawn: TypeAlias = tuple[Interval, Float64Array, Float64Array]
"""An interval, and the sums and counts per source that it is of."""


@dataclass(frozen=True, slots=True)
class Case:
    """A distribution of values per clip.

    Attributes:
        about: what is drawn.
        mean: the true mean.
        draw: makes n sources from a generator.
        is_required: whether the coverage has to reach `REQUIRED`.
    """

    about: str
    mean: float
    draw: Callable[[np.random.Generator, int], Drawn]
    is_required: bool = True


def _plain(
    draw: Callable[[np.random.Generator, int], Float64Array], *, is_rate: bool = False
) -> Callable[[np.random.Generator, int], Drawn]:
    def drawn(rng: np.random.Generator, n: int) -> Drawn:
        values = draw(rng, n)
        return mean_interval(values, is_rate=is_rate), values, np.ones(n)

    return drawn


def _paired(rng: np.random.Generator, n: int) -> Drawn:
    """Two methods on the same clips, which are easy or hard for both; the first gains 0.1."""
    clips = rng.beta(4, 4, n)
    first, second = (np.clip(clips + rng.normal(gain, 0.05, n), -1, 2) for gain in (0.1, 0.0))
    return difference_interval(first, second), first - second, np.ones(n)


def _paired_skewed(rng: np.random.Generator, n: int) -> Drawn:
    first, second = rng.beta(8, 2, n), rng.beta(2, 8, n)
    return difference_interval(first, second), first - second, np.ones(n)


def _clustered(rng: np.random.Generator, n: int) -> Drawn:
    """N videos of one to six clips each; clips of one video share most of their value."""
    sizes = rng.integers(1, 7, n)
    video = np.repeat(np.arange(n), sizes)
    values = 0.7 * rng.beta(2, 8, n)[video] + 0.3 * rng.beta(2, 8, len(video))
    names = [str(each) for each in video]
    return mean_interval(values, clusters=names), *source_sums(values, clusters=names)


CASES = {
    "normal": Case("normal", 0.0, _plain(lambda rng, n: rng.normal(size=n))),
    "beta": Case("Beta(2, 8)", 0.2, _plain(lambda rng, n: rng.beta(2, 8, n))),
    "paired": Case("paired difference of two methods", 0.1, _paired),
    "paired, skewed": Case("paired difference of Beta(8, 2) and Beta(2, 8)", 0.6, _paired_skewed),
    "clustered": Case("sources of one to six clips", 0.2, _clustered, is_required=False),
    "lognormal": Case(
        "lognormal, sigma 1",
        float(np.exp(0.5)),
        _plain(lambda rng, n: rng.lognormal(size=n)),
        is_required=False,
    ),
    **{
        f"rate of {rate:g}": Case(
            f"0 or 1, {rate:.0%} ones",
            rate,
            _plain(lambda rng, n, rate=rate: (rng.random(n) < rate) * 1.0, is_rate=True),
            is_required=False,
        )
        for rate in (0.5, 0.2, 0.05)
    },
}


def percentile_bootstrap(totals: Float64Array, counts: Float64Array) -> tuple[float, float]:
    """Return the ends of the former rule's interval."""
    chosen = np.random.default_rng(0).integers(len(totals), size=(1000, len(totals)))
    means = totals[chosen].sum(axis=1) / counts[chosen].sum(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def coverage(case: Case, n: int, *, repetitions: int) -> float:
    """Draw many samples of n clips; return the share of intervals that cover the true mean."""
    rng = np.random.default_rng([0, n])
    intervals = (case.draw(rng, n)[0] for _ in range(repetitions))
    return float(np.mean([each.low <= case.mean <= each.high for each in intervals]))


def compare(case: Case, n: int, *, repetitions: int) -> dict[str, float]:
    """Draw many samples of n clips; return coverage of both rules, and the mean width."""
    rng = np.random.default_rng([0, n])
    hits, former, widths = 0, 0, 0.0
    for _ in range(repetitions):
        interval, totals, counts = case.draw(rng, n)
        hits += interval.low <= case.mean <= interval.high
        low, high = percentile_bootstrap(totals, counts)
        former += low <= case.mean <= high
        widths += interval.high - interval.low
    return {
        "coverage": round(hits / repetitions, 4),
        "percentile_bootstrap": round(former / repetitions, 4),
        "mean_width": round(widths / repetitions, 4),
    }


def main() -> None:
    """Run every case, print a table, and write all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=4000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    document: dict[str, Any] = {"repetitions": args.repetitions, "cases": {}}
    misses = []
    for name, case in CASES.items():
        figures = {n: compare(case, n, repetitions=args.repetitions) for n in SIZES}
        document["cases"][name] = {"about": case.about, "sizes": figures}
        cells = [
            f"n={n} {f['coverage']:.3f} ({f['percentile_bootstrap']:.3f})"
            for n, f in figures.items()
        ]
        print(f"{name:16s} {'  '.join(cells)}", flush=True)
        lowest = min(figure["coverage"] for figure in figures.values())
        if case.is_required and lowest < REQUIRED:
            misses.append(name)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if misses:
        raise SystemExit(f"coverage below {REQUIRED}: {', '.join(misses)}")


if __name__ == "__main__":
    main()
