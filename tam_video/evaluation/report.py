"""Finished clips to figures: means with intervals, paired differences, costs, and their files.

Owns: what is compared with what, and how results.json, results.csv and the rows of the table look.
A clip counts once, whatever its number of words, unless its row tells that number; clips of one
source are drawn together.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np

from tam_video.evaluation.columns import difference_interval, mean_interval
from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.score import CURVES, METRICS
from tam_video.evaluation.settings import EvaluationSettings
from tam_video.metrics import Interval
from tam_video.types import Float64Array

Figures: TypeAlias = Mapping[str, Mapping[str, Interval]]


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of some clips.

    Attributes:
        methods: method -> metric -> mean over the clips.
        paired: metric -> "tam - OTHER" -> mean difference on the same clips.
    """

    methods: Figures
    paired: Figures

    def as_dict(self) -> dict[str, Any]:
        """JSON values; None for what is not defined."""
        return {"methods": _plain(self.methods), "paired": _plain(self.paired)}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that an evaluation found.

    Attributes:
        settings: what was asked.
        overall: figures over all clips.
        worlds: figures of each world's clips.
        costs: method -> "passes" and "seconds", means over the clips.
        curves: name of a curve -> method -> float64 [steps + 1], mean scores.
    """

    settings: EvaluationSettings
    overall: Summary
    worlds: Mapping[str, Summary]
    costs: Mapping[str, Mapping[str, float | None]]
    curves: Mapping[str, Mapping[str, Float64Array]]

    def as_dict(self) -> dict[str, Any]:
        """JSON values, those of results.json."""
        return {
            "settings": self.settings.model_dump(mode="json"),
            **self.overall.as_dict(),
            "worlds": {name: summary.as_dict() for name, summary in self.worlds.items()},
            "costs": {name: dict(cost) for name, cost in self.costs.items()},
        }


def make_report(rows: Sequence[ClipRow], settings: EvaluationSettings) -> Report:
    """The figures of finished clips.

    Args:
        rows: in any order; the same clips give the same report.
        settings: methods, metrics and worlds in the order to tell them.
    """
    ordered = sorted(rows, key=lambda row: (settings.worlds.index(row.world), row.number))
    parts = {world: [row for row in ordered if row.world == world] for world in settings.worlds}
    return Report(
        settings=settings,
        overall=summarise(ordered, settings),
        worlds={world: summarise(part, settings) for world, part in parts.items()},
        costs={name: _cost(name, ordered) for name in settings.methods},
        curves=_mean_curves(ordered, settings),
    )


def summarise(rows: Sequence[ClipRow], settings: EvaluationSettings) -> Summary:
    """Means of every method and metric, and differences to the method in question.

    That is `tam`, or the first method where `tam` was not measured.
    """
    methods = {
        name: {metric: mean_interval(rows, name, metric) for metric in settings.metrics}
        for name in settings.methods
    }
    ours = "tam" if "tam" in settings.methods else settings.methods[0]
    others = [name for name in settings.methods if name != ours]
    paired = {
        metric: {
            f"{ours} - {other}": difference_interval(rows, ours, other, metric) for other in others
        }
        for metric in settings.metrics
    }
    return Summary(methods, paired)


def to_csv(report: Report) -> str:
    """results.csv: one line per world ("all" for all of them), method and metric."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["world", "method", "metric", "mean", "low", "high", "n"])
    for world, summary in (("all", report.overall), *report.worlds.items()):
        for method, figures in summary.methods.items():
            for metric, interval in figures.items():
                told = _plain_interval(interval)
                cells = ["" if told[k] is None else told[k] for k in ("mean", "low", "high", "n")]
                writer.writerow([world, method, metric, *cells])
    return text.getvalue()


def to_json(report: Report) -> str:
    """results.json."""
    return json.dumps(report.as_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def table_rows(summary: Summary, metrics: Sequence[str]) -> Iterator[list[str]]:
    """Rows of a table: the method, then mean and interval for each metric."""
    for method, figures in summary.methods.items():
        yield [method, *(cell(figures[metric]) for metric in metrics)]


def cell(interval: Interval) -> str:
    """Mean and interval, as in "0.512 [0.490, 0.533]"; a dash where nothing is defined."""
    if not interval.n:
        return "-"
    return f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def heading(metric: str) -> str:
    """A metric's title with an arrow towards what is good."""
    arrows = {"higher": " ↑", "lower": " ↓", "neither": ""}
    return METRICS[metric].title + arrows[METRICS[metric].better]


def _cost(method: str, rows: Sequence[ClipRow]) -> dict[str, float | None]:
    told = [row.costs[method] for row in rows if method in row.costs]
    return {
        name: round(float(np.mean([cost[name] for cost in told])), 4) if told else None
        for name in ("passes", "seconds")
    }


def _mean_curves(
    rows: Sequence[ClipRow], settings: EvaluationSettings
) -> dict[str, dict[str, Float64Array]]:
    found: dict[str, dict[str, Float64Array]] = {}
    for kind in CURVES:
        for method in settings.methods if kind in settings.metrics else ():
            curves = [row.curves.get(method, {}).get(kind) for row in rows]
            told = [curve for curve in curves if curve is not None]
            if told:
                found.setdefault(kind, {})[method] = np.mean(told, axis=0)
    return found


def _plain(figures: Figures) -> dict[str, dict[str, dict[str, float | None]]]:
    return {
        outer: {inner: _plain_interval(interval) for inner, interval in row.items()}
        for outer, row in figures.items()
    }


def _plain_interval(interval: Interval) -> dict[str, float | None]:
    told: dict[str, float | None] = {
        name: None if math.isnan(value) else round(value, 4)
        for name, value in asdict(interval).items()
    }
    return told
