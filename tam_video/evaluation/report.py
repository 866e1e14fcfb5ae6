"""Finished clips to figures: means with intervals, paired differences, costs, and their files.

Owns: what is compared with what, and how results.json, results.csv and the rows of the table look.
A clip counts once, whatever its number of words.
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

from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.score import METRICS
from tam_video.evaluation.settings import EvaluationSettings
from tam_video.metrics import Interval, bootstrap, f1_iou, paired_bootstrap
from tam_video.types import Float64Array

Figures: TypeAlias = Mapping[str, Mapping[str, Interval]]
RESAMPLES = 1000
UNDEFINED = Interval(math.nan, math.nan, math.nan, 0)


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
        curves: "insertion" and "deletion" -> method -> float64 [steps + 1], mean scores.
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
        name: {metric: _mean(rows, name, metric) for metric in settings.metrics}
        for name in settings.methods
    }
    ours = "tam" if "tam" in settings.methods else settings.methods[0]
    others = [name for name in settings.methods if name != ours]
    paired = {
        metric: {f"{ours} - {other}": _difference(rows, ours, other, metric) for other in others}
        for metric in settings.metrics
    }
    return Summary(methods, paired)


def f1_interval(objects: Float64Array, functions: Float64Array) -> Interval:
    """F1-IoU of the two means, with the interval of resampled clips.

    Args:
        objects: float64 [n], Obj-IoU of each clip, NaN where it has none.
        functions: float64 [n], Func-IoU of the same clips.

    Returns:
        Over the clips that have both; undefined where none has.
    """
    return _interval(_f1_draws(objects, functions))


def f1_difference(
    first: tuple[Float64Array, Float64Array], second: tuple[Float64Array, Float64Array]
) -> Interval:
    """Difference of two methods' F1-IoU, both drawn on the same clips.

    Args:
        first: Obj-IoU and Func-IoU of each clip, each float64 [n].
        second: those of the other method on the same clips.
    """
    known = ~np.isnan(np.stack([*first, *second])).any(axis=0)
    ours, theirs = (
        _f1_draws(objects[known], functions[known]) for objects, functions in (first, second)
    )
    return _interval((ours[0] - theirs[0], ours[1] - theirs[1], ours[2]))


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


def _values(rows: Sequence[ClipRow], method: str, metric: str) -> Float64Array:
    """float64 [n], one per clip, NaN where the metric is not defined."""
    found = [row.values[method].get(metric) for row in rows]
    return np.array([math.nan if value is None else value for value in found], np.float64)


def _both(rows: Sequence[ClipRow], method: str) -> tuple[Float64Array, Float64Array]:
    return _values(rows, method, "obj_iou"), _values(rows, method, "func_iou")


def _mean(rows: Sequence[ClipRow], method: str, metric: str) -> Interval:
    if metric == "f1_iou":
        return f1_interval(*_both(rows, method))
    return bootstrap(_values(rows, method, metric), resamples=RESAMPLES)


def _difference(rows: Sequence[ClipRow], ours: str, other: str, metric: str) -> Interval:
    if metric == "f1_iou":
        return f1_difference(_both(rows, ours), _both(rows, other))
    first, second = _values(rows, ours, metric), _values(rows, other, metric)
    return paired_bootstrap(first, second, resamples=RESAMPLES)


def _f1_draws(objects: Float64Array, functions: Float64Array) -> tuple[float, Float64Array, int]:
    """F1-IoU, float64 [R] of resampled clips, and the number of clips."""
    known = ~(np.isnan(objects) | np.isnan(functions))
    pairs = np.stack([objects[known], functions[known]])
    num_clips = pairs.shape[1]
    if not num_clips:
        return math.nan, np.full(1, math.nan), 0
    rng = np.random.default_rng(0)
    drawn = pairs[:, rng.integers(num_clips, size=(RESAMPLES, num_clips))].mean(axis=2)
    values = [f1_iou(float(o), float(f)) for o, f in drawn.T]
    return f1_iou(float(pairs[0].mean()), float(pairs[1].mean())), np.array(values), num_clips


def _interval(draws: tuple[float, Float64Array, int]) -> Interval:
    mean, values, num_clips = draws
    if not num_clips:
        return UNDEFINED
    low, high = np.percentile(values, (2.5, 97.5))
    return Interval(mean, float(low), float(high), num_clips)


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
    for kind in ("insertion", "deletion"):
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
