"""How the controls look: results.json, results.csv, rows of tables, and plots."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator

from tam_video.evaluation.columns import UNDEFINED
from tam_video.evaluation.controls_report import ControlFigure, ControlReport, ControlSummary
from tam_video.evaluation.controls_settings import (
    CHANCE,
    LEVELS,
    SPEARMAN,
    TRUE,
    ControlSettings,
    chance_of,
)
from tam_video.evaluation.flips import GROUPS
from tam_video.evaluation.plots import bar_chart
from tam_video.evaluation.report import cell, heading
from tam_video.metrics import Interval

_ENDS = ("mean", "low", "high")


def control_json(report: ControlReport) -> str:
    """results.json."""
    return json.dumps(report.as_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def control_csv(report: ControlReport) -> str:
    """results.csv: one line per world ("all" for all of them), method, source and metric."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    above = [f"above_chance_{name}" for name in _ENDS]
    writer.writerow(["world", "method", "source", "metric", *_ENDS, "n", "chance", *above])
    for world, summary in (("all", report.overall), *report.worlds.items()):
        for method, source, metric, figure in _lines(summary):
            numbers = [*_numbers(figure.value), figure.value.n, _numbers(figure.chance)[0]]
            writer.writerow(
                [world, method, source, metric, *numbers, *_numbers(figure.above_chance)]
            )
    return text.getvalue()


def control_title(metric: str) -> str:
    """A metric's title with an arrow towards what is good."""
    return "Spearman correlation with the true map" if metric == SPEARMAN else heading(metric)


def control_rows(
    summary: ControlSummary, metric: str, settings: ControlSettings
) -> Iterator[list[str]]:
    """Rows of a metric's table: where maps come from, then a figure for each method.

    A star stands at what is above chance. The last row is what chance is for the true run.
    """
    figures = [summary.methods[name] for name in settings.methods]
    for source in settings.sources:
        if metric in figures[0][source]:
            yield [source, *(_starred(each[source][metric]) for each in figures)]
    chances = [each[TRUE][metric].chance for each in figures if metric in each[TRUE]]
    if any(chance.n for chance in chances):
        yield [chance_of(TRUE), *(cell(chance) + " " for chance in chances)]


def chance_text(summary: ControlSummary, metric: str) -> str:
    """What methods that know nothing have, as in "random 0.493 [0.480, 0.504]"."""
    level = [f"noise {LEVELS[metric]:g}"] if metric in LEVELS else []
    figures = [f"{name} {cell(summary.methods[name][TRUE][metric].value)}" for name in CHANCE]
    return ", ".join([*level, *figures])


def lds_rows(summary: ControlSummary) -> Iterator[list[str]]:
    """Rows of the table of linear datamodeling scores."""
    for name, interval in summary.lds.items():
        yield [name, cell(interval)]


def flip_rows(summary: ControlSummary, group: str) -> Iterator[list[str]]:
    """Rows of the table of a group of answers: both figures, and how many answers there were.

    No row where there was none.
    """
    for name, groups in summary.flips.items():
        figure = groups[group]
        if figure.amcr.n:
            yield [name, cell(figure.amcr), cell(figure.csr_10), str(figure.amcr.n)]


def control_plots(report: ControlReport) -> dict[str, str]:
    """File names and SVG texts: for each method and metric a bar for each source and for chance."""
    summary, settings = report.overall, report.settings
    pictures = {}
    for name in settings.methods if settings.sources else ():
        for metric in (*settings.metrics, SPEARMAN):
            bars = _bars(summary, name, metric)
            title = f"{name}: {control_title(metric)}"
            pictures[f"{_file_name(name)}_{metric}.svg"] = bar_chart(title, bars)
    if summary.lds:
        pictures["lds.svg"] = bar_chart("Linear datamodeling score", summary.lds)
    for group in GROUPS if summary.flips else ():
        areas = {name: groups[group].amcr for name, groups in summary.flips.items()}
        title = f"Deleted part that turns the answer: {group}"
        pictures[f"flips_{group}.svg"] = bar_chart(title, areas)
    return pictures


def _bars(summary: ControlSummary, method: str, metric: str) -> dict[str, Interval]:
    figures = summary.methods[method]
    bars = {name: each[metric].value for name, each in figures.items() if metric in each}
    if TRUE in bars:
        bars[chance_of(TRUE)] = figures[TRUE][metric].chance
        bars |= {name: summary.methods[name][TRUE][metric].value for name in CHANCE}
    return bars


def _starred(figure: ControlFigure) -> str:
    return cell(figure.value) + ("*" if figure.is_above_chance else " ")


def _lines(summary: ControlSummary) -> Iterator[tuple[str, str, str, ControlFigure]]:
    """Method, source, metric and figure; what has no chance of its own as well."""
    for method, sources in summary.methods.items():
        for source, metrics in sources.items():
            for metric, figure in metrics.items():
                yield method, source, metric, figure
    for method, interval in summary.lds.items():
        yield method, TRUE, "lds", _alone(interval)
    for method, groups in summary.flips.items():
        for group, flips in groups.items():
            yield method, group, "amcr", _alone(flips.amcr)
            yield method, group, "csr_10", _alone(flips.csr_10)


def _alone(interval: Interval) -> ControlFigure:
    return ControlFigure(interval, UNDEFINED, UNDEFINED, UNDEFINED)


def _numbers(interval: Interval) -> list[float | None]:
    told = (getattr(interval, name) for name in _ENDS)
    return [None if math.isnan(value) else round(value, 4) for value in told]


def _file_name(method: str) -> str:
    return re.sub(r"[^\w+.-]", "_", method)
