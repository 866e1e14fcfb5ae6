"""Control experiments: score maps that can't depend on the clip's content.

A method whose controls score like its true run shows the model's habits, not what it saw. A clip
counts once, whatever its number of words.

Source: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018, arXiv:1810.03292.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tam_video.evaluation.aggregate import Samples, Series
from tam_video.evaluation.controls_clip import measure_controls
from tam_video.evaluation.controls_settings import (
    CHANCE,
    LEVELS,
    SPEARMAN,
    TRUE,
    ControlSettings,
    chance_of,
)
from tam_video.evaluation.flips import GROUPS
from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.plots import Chart
from tam_video.evaluation.report import Experiment, Line, mean_cost
from tam_video.evaluation.tables import Table, cell, heading
from tam_video.metrics.faithfulness import correction_success_rate
from tam_video.metrics.statistics import UNDEFINED, Interval, mean_interval

ABOVE_CHANCE = (
    "* above chance, which is the score of the same maps against objects of other clips: the 95 % "
    "interval\n  of the difference on the same clips is above 0"
)


@dataclass(frozen=True, slots=True)
class ControlFigure:
    """The results of one metric for a method's maps from one source, such as shuffled frames.

    Attributes:
        value: mean over the clips.
        chance: the same maps against objects of other clips.
        above_chance: mean difference of the two on the same clips.
        below_true: mean difference of the method's true run to it on the same clips.
    """

    value: Interval
    chance: Interval = UNDEFINED
    above_chance: Interval = UNDEFINED
    below_true: Interval = UNDEFINED

    @property
    def is_above_chance(self) -> bool:
        """Whether the interval of (score - chance) is entirely above 0."""
        return self.above_chance.low > 0


@dataclass(frozen=True, slots=True)
class FlipFigure:
    """The share of the video that must be deleted to flip an answer, for one group of answers.

    Attributes:
        amcr: mean of the smallest deleted areas that flip an answer; 1 for one that never flips.
        csr_10: share of the answers that flip when a tenth or less is deleted.
    """

    amcr: Interval
    csr_10: Interval


@dataclass(frozen=True, slots=True)
class ControlSummary:
    """The aggregated results of the control experiments.

    Attributes:
        methods: method -> source -> metric; methods of chance only have the true run.
        lds: method -> linear datamodeling score.
        flips: method -> group of answers.
        clips: number of clips.
    """

    methods: Mapping[str, Mapping[str, Mapping[str, ControlFigure]]]
    lds: Mapping[str, Interval]
    flips: Mapping[str, Mapping[str, FlipFigure]]
    clips: int

    def lines(self) -> Iterator[Line]:
        """Yield one line of results.csv per method, source and metric."""
        for method, sources in self.methods.items():
            for source, metrics in sources.items():
                for metric, figure in metrics.items():
                    yield _line((method, source, metric), figure)
        for method, interval in self.lds.items():
            yield _line((method, TRUE, "lds"), ControlFigure(interval))
        for method, groups in self.flips.items():
            for group, flips in groups.items():
                yield _line((method, group, "amcr"), ControlFigure(flips.amcr))
                yield _line((method, group, "csr_10"), ControlFigure(flips.csr_10))

    def tables(self, title: str, settings: ControlSettings) -> Iterator[Table | str]:
        """Yield a table for each metric, a table of LDS, and a table for each group of answers."""
        for metric in (*settings.metrics, SPEARMAN) if settings.sources else ():
            about = "" if metric == SPEARMAN else f"; {self.chance_text(metric)}"
            yield Table(
                f"{title}: {control_title(metric)}{about}",
                ["maps from", *settings.methods],
                self.rows(metric, settings),
            )
        if settings.sources:
            yield ABOVE_CHANCE
        if self.lds:
            rows = [[name, cell(interval, self.clips)] for name, interval in self.lds.items()]
            score = f"{title}: linear datamodeling score; chance 0"
            yield Table(score, ["method", "LDS ↑"], rows)
        for group, about in GROUPS.items() if self.flips else ():
            flips = {name: groups[group] for name, groups in self.flips.items()}
            rows = [
                [name, cell(flip.amcr), cell(flip.csr_10), str(flip.amcr.n)]
                for name, flip in flips.items()
                if flip.amcr.n
            ]
            name = f"{title}: {group} ({about})"
            if rows:
                header = ["method", "AMCR ↓", "CSR@10 ↑", "answers"]
                yield Table(f"{name}, smallest deleted part that flips it", header, rows)
            else:
                yield f"{name}: no such answer"

    def rows(self, metric: str, settings: ControlSettings) -> list[list[str]]:
        """Return the rows of a metric's table: the source, then the value of each method.

        A star marks what is above chance. The last row is the chance of the true run.
        """
        figures = [self.methods[name] for name in settings.methods]
        rows = [
            [source, *(self._starred(each[source][metric]) for each in figures)]
            for source in settings.sources
            if metric in figures[0][source]
        ]
        chances = [each[TRUE][metric].chance for each in figures if metric in each[TRUE]]
        if any(chance.n for chance in chances):
            rows.append([chance_of(TRUE), *(cell(each, self.clips) + " " for each in chances)])
        return rows

    def chance_text(self, metric: str) -> str:
        """Format the scores of the chance baselines: "random 0.493 [0.480, 0.504], ..."."""
        level = [f"noise {LEVELS[metric]:g}"] if metric in LEVELS else []
        figures = [f"{name} {cell(self.methods[name][TRUE][metric].value)}" for name in CHANCE]
        return ", ".join([*level, *figures])

    def charts(self, settings: ControlSettings) -> Iterator[Chart]:
        """Yield one bar chart per method and metric, with a bar for each source and for chance."""
        for name in settings.methods if settings.sources else ():
            for metric in (*settings.metrics, SPEARMAN):
                stem = re.sub(r"[^\w+.-]", "_", name)
                yield Chart(
                    f"{stem}_{metric}.svg",
                    f"{name}: {control_title(metric)}",
                    self._bars(name, metric),
                )
        if self.lds:
            yield Chart("lds.svg", "Linear datamodeling score", self.lds)
        for group in GROUPS if self.flips else ():
            areas = {name: groups[group].amcr for name, groups in self.flips.items()}
            yield Chart(f"flips_{group}.svg", f"Deleted part that flips the answer: {group}", areas)

    def _bars(self, method: str, metric: str) -> dict[str, Interval]:
        figures = self.methods[method]
        bars = {name: each[metric].value for name, each in figures.items() if metric in each}
        if TRUE in bars:
            bars[chance_of(TRUE)] = figures[TRUE][metric].chance
            bars |= {name: self.methods[name][TRUE][metric].value for name in CHANCE}
        return bars

    def _starred(self, figure: ControlFigure) -> str:
        return cell(figure.value, self.clips) + ("*" if figure.is_above_chance else " ")


def summarise_controls(rows: Sequence[ClipRow], settings: ControlSettings) -> ControlSummary:
    """Aggregate the results of all clips: controls, linear datamodeling scores and answer flips."""
    samples = Samples(rows)
    lds = settings.explained if "lds" in settings.parts else ()
    flips = settings.explained if "flips" in settings.parts else ()
    return ControlSummary(
        methods={
            name: {
                source: {
                    metric: _figure(samples, name, source, metric)
                    for metric in (*settings.metrics, *(() if source == TRUE else (SPEARMAN,)))
                }
                for source in settings.sources
                if source == TRUE or name in settings.methods
            }
            for name in (settings.explained if settings.sources else ())
        },
        lds={name: samples.mean(Series(name, "lds", TRUE)) for name in lds},
        flips={
            name: {group: _flips(samples, Series(name, "area", group)) for group in GROUPS}
            for name in flips
        },
        clips=len(rows),
    )


def control_title(metric: str) -> str:
    """Return a metric's title with an arrow that shows whether higher or lower is better."""
    return "Spearman correlation with the true map" if metric == SPEARMAN else heading(metric)


def _line(labels: tuple[str, ...], figure: ControlFigure) -> Line:
    above = figure.above_chance.as_dict()
    ends = (above[key] for key in ("mean", "low", "high"))
    return Line(labels, figure.value, (figure.chance.as_dict()["mean"], *ends))


def _figure(samples: Samples, method: str, source: str, metric: str) -> ControlFigure:
    value, chance, true = (
        Series(method, metric, name) for name in (source, chance_of(source), TRUE)
    )
    return ControlFigure(
        value=samples.mean(value),
        chance=samples.mean(chance),
        above_chance=samples.difference(value, chance),
        below_true=samples.difference(true, value),
    )


def _flips(samples: Samples, areas: Series) -> FlipFigure:
    known = samples.values(areas)
    known = known[~np.isnan(known)]
    hits = [correction_success_rate(area) for area in known.reshape(-1, 1)]
    return FlipFigure(samples.mean(areas), mean_interval(hits, is_rate=True))


def _costs(rows: Sequence[ClipRow], _settings: ControlSettings) -> dict[str, Any]:
    """Return the expected scores of noise, and the mean seconds for each part of the experiment."""
    parts = sorted({part for row in rows for part in row.costs})
    costs = {part: [row.costs[part] for row in rows if part in row.costs] for part in parts}
    return {
        "levels": dict(LEVELS),
        "seconds": {part: mean_cost(each, "seconds") for part, each in costs.items()},
    }


CONTROL_EXPERIMENT = Experiment(
    measure_controls,
    summarise_controls,
    _costs,
    labels=("method", "source", "metric"),
    extra_columns=("chance", *(f"above_chance_{end}" for end in ("mean", "low", "high"))),
)
