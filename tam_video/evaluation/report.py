"""The report of an experiment, and its files: results.json, results.csv and plots.

Owns: the frame that all experiments share. What is computed, and which lines, tables and charts it
gives, is in the summary of each experiment.
"""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np

from tam_video.evaluation.ledger import LEDGER_FILE, PLOTS_FOLDER, ClipRow
from tam_video.evaluation.plots import Chart, draw
from tam_video.evaluation.settings import Settings
from tam_video.evaluation.tables import SMALL_MARK, SMALL_NOTE, Table, table_text
from tam_video.metrics.statistics import Interval
from tam_video.workspace.files import atomic_write

Files: TypeAlias = dict[str, Path | list[Path]]
PLOT_ONLY = {"plot_only": True}
"""Metadata of a summary's field that is not part of results.json."""


class Line(NamedTuple):
    """A line of results.csv.

    Attributes:
        labels: what the figure is of.
        interval: the figure.
        extra: more numbers, for the experiment's own columns.
    """

    labels: tuple[str, ...]
    interval: Interval
    extra: tuple[float | None, ...] = ()


class Summary(Protocol):
    """The aggregated results of some clips. Its fields are the keys of results.json."""

    def lines(self) -> Iterator[Line]:
        """Yield the lines of results.csv."""
        ...

    def tables(self, title: str, settings: Any, /) -> Iterator[Table | str]:
        """Yield tables and plain lines of text, in the order of the report."""
        ...

    def charts(self, settings: Any, /) -> Iterator[Chart]:
        """Yield charts of the results over all clips."""
        ...


SummaryT = TypeVar("SummaryT", bound=Summary)


@dataclass(frozen=True, slots=True)
class Experiment(Generic[Settings, SummaryT]):
    """How the clips of an experiment are measured and summarised.

    Attributes:
        measure: (model, settings, job) to the row of one clip; a function of a module, because it
            is sent to other processes by name.
        summarise: (rows in order, settings) to the figures of these clips.
        context: (rows, settings) to more keys of results.json.
        labels: columns of results.csv that name a figure.
        extra_columns: columns of results.csv after the figure.
    """

    measure: Callable[..., ClipRow]
    summarise: Callable[[Sequence[ClipRow], Settings], SummaryT]
    context: Callable[[Sequence[ClipRow], Settings], dict[str, Any]]
    labels: tuple[str, ...]
    extra_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report(Generic[Settings, SummaryT]):
    """The results of an evaluation.

    Attributes:
        experiment: what was evaluated.
        settings: its settings.
        overall: figures over all clips.
        worlds: figures of each world's clips.
        context: more keys of results.json.
    """

    experiment: Experiment[Settings, SummaryT] = field(repr=False)
    settings: Settings
    overall: SummaryT
    worlds: Mapping[str, SummaryT]
    context: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON values of results.json."""
        return {
            "settings": self.settings.model_dump(mode="json"),
            **json_values(self.overall),
            "worlds": json_values(self.worlds),
            **self.context,
        }

    def to_json(self) -> str:
        """Return the text of results.json."""
        text = json.dumps(self.as_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        return text + "\n"

    def to_csv(self) -> str:
        """Return the text of results.csv: results over all clips, then results of each world."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        ends = ("mean", "low", "high", "n")
        columns = (*self.experiment.labels, *ends, *self.experiment.extra_columns)
        writer.writerow(["world", *columns])
        for world, summary in (("all", self.overall), *self.worlds.items()):
            for line in summary.lines():
                values = line.interval.as_dict()
                writer.writerow([world, *line.labels, *(values[key] for key in ends), *line.extra])
        return text.getvalue()

    def to_text(self, *, width: int | None = None) -> str:
        """Return the tables for all clips. If there are several worlds, their tables follow."""
        columns = width or shutil.get_terminal_size((110, 24)).columns
        several = len(self.worlds) > 1
        title = self.settings.title(None if several else next(iter(self.worlds)))
        parts = {title: self.overall}
        if several:
            parts |= {self.settings.title(world): part for world, part in self.worlds.items()}
        text = "\n".join(
            table if isinstance(table, str) else table_text(table, width=columns)
            for title, summary in parts.items()
            for table in summary.tables(title, self.settings)
        )
        return f"{text}\n{SMALL_NOTE}" if SMALL_MARK in text else text

    def plots(self) -> dict[str, str]:
        """Return the file names and SVG texts of the plots."""
        return {chart.file: draw(chart) for chart in self.overall.charts(self.settings)}

    def write(self, folder: Path) -> Files:
        """Write results.json, results.csv and the plots atomically, and return their paths."""
        plots = folder / PLOTS_FOLDER
        return {
            "clips": folder / LEDGER_FILE,
            "plots": [atomic_write(plots / name, text) for name, text in self.plots().items()],
            "csv": atomic_write(folder / "results.csv", self.to_csv()),
            "results": atomic_write(folder / "results.json", self.to_json()),
        }


def make_report(
    rows: Sequence[ClipRow], settings: Settings, experiment: Experiment[Settings, SummaryT]
) -> Report[Settings, SummaryT]:
    """Make the report from the rows of the finished clips, in any order."""
    ordered = sorted(rows, key=lambda row: (settings.worlds.index(row.world), row.number))
    worlds = {
        world: experiment.summarise([row for row in ordered if row.world == world], settings)
        for world in settings.worlds
    }
    several = len(worlds) > 1
    overall = experiment.summarise(ordered, settings) if several else next(iter(worlds.values()))
    return Report(experiment, settings, overall, worlds, experiment.context(ordered, settings))


def mean_cost(costs: Sequence[Mapping[str, float]], name: str) -> float | None:
    """Return the rounded mean of a cost, or None if there are no clips."""
    return round(float(np.mean([cost[name] for cost in costs])), 4) if costs else None


def json_values(figures: Any) -> Any:
    """Convert nested results to JSON values, with None for undefined numbers."""
    if isinstance(figures, Interval):
        return figures.as_dict()
    if is_dataclass(figures):
        return {
            item.name: json_values(getattr(figures, item.name))
            for item in fields(figures)
            if item.metadata != PLOT_ONLY
        }
    if isinstance(figures, Mapping):
        return {name: json_values(inner) for name, inner in figures.items()}
    if isinstance(figures, float) and math.isnan(figures):
        return None
    return [json_values(each) for each in figures] if isinstance(figures, tuple) else figures
