"""Methods compared on the same clips: means, paired differences, costs and curves.

The experiments on clips of shapes and on public sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tam_video.evaluation.aggregate import Samples, Series
from tam_video.evaluation.clip import measure_clip
from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.plots import Chart
from tam_video.evaluation.report import PLOT_ONLY, Experiment, Line, mean_cost
from tam_video.evaluation.score import CURVES, METRICS
from tam_video.evaluation.sets.measure import measure_item
from tam_video.evaluation.settings import MethodSettings
from tam_video.evaluation.tables import Table, cell, heading
from tam_video.metrics.statistics import Interval
from tam_video.types import Float64Array


@dataclass(frozen=True, slots=True)
class Comparison:
    """The aggregated results of a comparison of methods.

    Attributes:
        methods: method -> metric -> mean over the clips.
        paired: metric -> "tam - OTHER" -> mean difference on the same clips.
        clips: number of clips.
        curves: name of a curve -> method -> float64 [steps + 1], mean scores.
    """

    methods: Mapping[str, Mapping[str, Interval]]
    paired: Mapping[str, Mapping[str, Interval]]
    clips: int
    curves: Mapping[str, Mapping[str, Float64Array]] = field(metadata=PLOT_ONLY)

    def lines(self) -> Iterator[Line]:
        """Yield one line of results.csv per method and metric."""
        for method, figures in self.methods.items():
            for metric, interval in figures.items():
                yield Line((method, metric), interval)

    def tables(self, title: str, settings: MethodSettings) -> Iterator[Table]:
        """Yield a table of methods and metrics."""
        yield Table(
            f"{title}: mean and 95 % interval over {self.clips} clips",
            ["method", *map(heading, settings.metrics)],
            [
                [method, *(cell(figures[metric], self.clips) for metric in settings.metrics)]
                for method, figures in self.methods.items()
            ],
        )

    def charts(self, settings: MethodSettings) -> Iterator[Chart]:
        """Yield one bar chart per metric, and one chart per kind of curve."""
        for metric in settings.metrics:
            bars = {name: figures[metric] for name, figures in self.methods.items()}
            yield Chart(f"{metric}.svg", METRICS[metric].title, bars=bars)
        for kind, curves in self.curves.items():
            yield Chart(f"{kind}_curve.svg", f"{METRICS[kind].title} curve", curves=curves)


def compare(rows: Sequence[ClipRow], settings: MethodSettings) -> Comparison:
    """Compute every method's mean metrics, and the differences from the method under test.

    That is `tam`, or the first method where `tam` was not measured.
    """
    samples = Samples(rows)
    ours = "tam" if "tam" in settings.methods else settings.methods[0]
    others = [name for name in settings.methods if name != ours]
    return Comparison(
        methods={
            name: {metric: samples.mean(Series(name, metric)) for metric in settings.metrics}
            for name in settings.methods
        },
        paired={
            metric: {
                f"{ours} - {other}": samples.difference(Series(ours, metric), Series(other, metric))
                for other in others
            }
            for metric in settings.metrics
        },
        clips=len(rows),
        curves=_mean_curves(rows, settings),
    )


def _mean_curves(
    rows: Sequence[ClipRow], settings: MethodSettings
) -> dict[str, dict[str, Float64Array]]:
    means: dict[str, dict[str, Float64Array]] = {}
    for kind in CURVES:
        for method in settings.methods if kind in settings.metrics else ():
            curves = [row.curves.get(method, {}).get(kind) for row in rows]
            known = [curve for curve in curves if curve is not None]
            if known:
                means.setdefault(kind, {})[method] = np.mean(known, axis=0)
    return means


def _costs(rows: Sequence[ClipRow], settings: MethodSettings) -> dict[str, Any]:
    """Return the mean number of model passes and the mean seconds for each method."""
    costs: dict[str, Any] = {}
    for method in settings.methods:
        known = [row.costs[method] for row in rows if method in row.costs]
        costs[method] = {name: mean_cost(known, name) for name in ("passes", "seconds")}
    return {"costs": costs}


SHAPES = Experiment(measure_clip, compare, _costs, labels=("method", "metric"))
PUBLIC_SET = Experiment(measure_item, compare, _costs, labels=("method", "metric"))
