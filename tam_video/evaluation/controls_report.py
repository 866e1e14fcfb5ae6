"""Measured controls to figures: means, and differences to chance and to the true run.

A clip counts once, whatever its number of words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeAlias

import numpy as np

from tam_video.evaluation.columns import RESAMPLES
from tam_video.evaluation.controls_settings import (
    LEVELS,
    SPEARMAN,
    TRUE,
    ControlSettings,
    chance_of,
)
from tam_video.evaluation.flips import GROUPS
from tam_video.evaluation.ledger import ClipRow
from tam_video.metrics import Interval, bootstrap, correction_success_rate, paired_bootstrap
from tam_video.types import Float64Array


@dataclass(frozen=True, slots=True)
class ControlFigure:
    """A metric of a method's maps from one source; intervals without clips where not defined.

    Attributes:
        value: mean over the clips.
        chance: the same maps against objects of other clips.
        above_chance: mean difference of the two on the same clips.
        below_true: mean difference of the method's true run to it on the same clips.
    """

    value: Interval
    chance: Interval
    above_chance: Interval
    below_true: Interval

    @property
    def is_above_chance(self) -> bool:
        """Whether the interval of the difference lies above 0."""
        return self.above_chance.n > 0 and self.above_chance.low > 0


@dataclass(frozen=True, slots=True)
class FlipFigure:
    """Worn-down answers of one group; those that never turned count 1 and stay in both.

    Attributes:
        amcr: mean of the smallest deleted areas that turn an answer.
        csr_10: share of the answers that turn when a tenth or less is deleted.
    """

    amcr: Interval
    csr_10: Interval


Sources: TypeAlias = Mapping[str, Mapping[str, Mapping[str, ControlFigure]]]
"""Method -> source -> metric."""
Flips: TypeAlias = Mapping[str, Mapping[str, FlipFigure]]
"""Method -> group of answers."""


@dataclass(frozen=True, slots=True)
class ControlSummary:
    """Figures of some clips.

    Attributes:
        methods: of every source; methods of chance have the true run alone.
        lds: method -> linear datamodeling score.
        flips: of every group of answers.
    """

    methods: Sources
    lds: Mapping[str, Interval]
    flips: Flips


@dataclass(frozen=True, slots=True)
class ControlReport:
    """Everything that the controls told.

    Attributes:
        settings: what was asked.
        overall: figures over all clips.
        worlds: figures of each world's clips.
        seconds: part -> mean over the clips.
    """

    settings: ControlSettings
    overall: ControlSummary
    worlds: Mapping[str, ControlSummary]
    seconds: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """JSON values, those of results.json."""
        return {
            "settings": self.settings.model_dump(mode="json"),
            "levels": dict(LEVELS),
            **plain_figures(self.overall),
            "worlds": plain_figures(self.worlds),
            "seconds": dict(self.seconds),
        }


def make_control_report(rows: Sequence[ClipRow], settings: ControlSettings) -> ControlReport:
    """The figures of finished clips.

    Args:
        rows: in any order; the same clips give the same report.
        settings: methods, metrics, parts and worlds in the order to tell them.
    """
    ordered = sorted(rows, key=lambda row: (settings.worlds.index(row.world), row.number))
    parts = {world: [row for row in ordered if row.world == world] for world in settings.worlds}
    seconds = {
        part: [row.costs[part]["seconds"] for row in ordered if part in row.costs]
        for part in sorted({part for row in ordered for part in row.costs})
    }
    return ControlReport(
        settings=settings,
        overall=summarise_controls(ordered, settings),
        worlds={world: summarise_controls(part, settings) for world, part in parts.items()},
        seconds={part: round(float(np.mean(told)), 4) for part, told in seconds.items()},
    )


def summarise_controls(rows: Sequence[ClipRow], settings: ControlSettings) -> ControlSummary:
    """Figures of every method, source and metric, of masked answers and worn-down ones."""
    lds = settings.explained if "lds" in settings.parts else ()
    flips = settings.explained if "flips" in settings.parts else ()
    return ControlSummary(
        methods={
            name: {
                source: {
                    metric: _figure(rows, name, source, metric)
                    for metric in source_metrics(settings.metrics, source)
                }
                for source in settings.sources
                if source == TRUE or name in settings.methods
            }
            for name in (settings.explained if settings.sources else ())
        },
        lds={name: _mean(clip_column(rows, name, TRUE, "lds")) for name in lds},
        flips={
            name: {group: _flips(clip_column(rows, name, group, "area")) for group in GROUPS}
            for name in flips
        },
    )


def source_metrics(metrics: Sequence[str], source: str) -> tuple[str, ...]:
    """What is told of a source: the metrics, and for all but the true run what is left of it."""
    return tuple(metrics) if source == TRUE else (*metrics, SPEARMAN)


def clip_column(rows: Sequence[ClipRow], method: str, source: str, metric: str) -> Float64Array:
    """float64 [n], one value per clip, NaN where it is not defined."""
    found = [row.values[method].get(f"{source}:{metric}") for row in rows]
    return np.array([math.nan if value is None else value for value in found], np.float64)


def _figure(rows: Sequence[ClipRow], method: str, source: str, metric: str) -> ControlFigure:
    values = clip_column(rows, method, source, metric)
    chance = clip_column(rows, method, chance_of(source), metric)
    true = clip_column(rows, method, TRUE, metric)
    return ControlFigure(
        value=_mean(values),
        chance=_mean(chance),
        above_chance=paired_bootstrap(values, chance, resamples=RESAMPLES),
        below_true=paired_bootstrap(true, values, resamples=RESAMPLES),
    )


def _flips(areas: Float64Array) -> FlipFigure:
    known = areas[~np.isnan(areas)]
    rates = [correction_success_rate(area) for area in known.reshape(-1, 1)]
    return FlipFigure(_mean(known), _mean(np.array(rates, np.float64)))


def _mean(values: Float64Array) -> Interval:
    return bootstrap(values, resamples=RESAMPLES)


def plain_figures(figures: Any) -> Any:
    """Figures at any depth as JSON values; None for what is not defined."""
    if isinstance(figures, Interval):
        told = figures.as_dict()
        return {name: None if math.isnan(value) else value for name, value in told.items()}
    if is_dataclass(figures):
        return {item.name: plain_figures(getattr(figures, item.name)) for item in fields(figures)}
    if isinstance(figures, Mapping):
        return {name: plain_figures(inner) for name, inner in figures.items()}
    return [plain_figures(each) for each in figures] if isinstance(figures, tuple) else figures
