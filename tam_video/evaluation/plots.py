"""Charts of a report as small SVG files: bars with intervals, and mean curves.

Every chart has a title and a description for screen readers. Each bar and line is labelled, so that
colour is never the only distinction.

Source of the colours: Okabe & Ito, Color Universal Design, 2008.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from tam_video.evaluation.tables import cell
from tam_video.metrics.statistics import Interval
from tam_video.types import Float64Array

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#6b6b6b")
DASHES = ("none", "7 3", "2 3", "9 3 2 3")
_GRID, _INK = "#d0d0d0", "#222222"
_BAR_LEFT_PX, _BAR_WIDTH_PX, _ROW_PX = 170, 380, 28
_PLOT_WIDTH_PX, _PLOT_HEIGHT_PX = 420, 260


@dataclass(frozen=True, slots=True)
class Chart:
    """The content of a chart: bars with intervals, or curves.

    Attributes:
        file: name of its file.
        title: its title.
        bars: name -> interval; those without a value have a dash and no bar.
        curves: method -> float64 [n + 1], n >= 1; drawn instead of bars where there are any.
    """

    file: str
    title: str
    bars: Mapping[str, Interval] = field(default_factory=dict)
    curves: Mapping[str, Float64Array] = field(default_factory=dict)


def draw(chart: Chart) -> str:
    """Draw a chart as SVG."""
    if chart.curves:
        return curve_chart(chart.title, chart.curves)
    return bar_chart(chart.title, chart.bars)


def bar_chart(title: str, figures: Mapping[str, Interval]) -> str:
    """Draw one horizontal bar with a 95 % interval for each name, as SVG."""
    ends = [end for each in figures.values() for end in (each.mean, each.low, each.high)]
    known = [0.0, *(end for end in ends if not math.isnan(end))]
    ticks = _ticks(min(known), max(known))

    def x(value: float) -> float:
        return _BAR_LEFT_PX + _BAR_WIDTH_PX * (value - ticks[0]) / (ticks[-1] - ticks[0])

    bottom = 48 + _ROW_PX * len(figures)
    parts = [_tick(x(tick), bottom, f"{tick:g}", top=42) for tick in ticks]
    for number, (name, each) in enumerate(figures.items()):
        y = 48 + _ROW_PX * (number + 0.5) - 3
        parts.append(_text(_BAR_LEFT_PX - 8, y + 4, name, anchor="end"))
        parts.append(_text(_BAR_LEFT_PX + _BAR_WIDTH_PX + 12, y + 4, cell(each)))
        if each.n:
            start, end = sorted((x(0.0), x(each.mean)))
            parts.append(
                f'<rect x="{start:.1f}" y="{y - 8:.1f}" width="{max(end - start, 0.5):.1f}" '
                f'height="16" fill="{COLOURS[number % len(COLOURS)]}"/>'
            )
        if each.low <= each.high:
            low, high = x(each.low), x(each.high)
            parts.append(_line(low, y, high, y))
            parts += [_line(end, y - 4, end, y + 4) for end in (low, high)]
    text = "; ".join(f"{name} {cell(each)}" for name, each in figures.items())
    return _svg(title, f"Mean and 95 % interval over clips: {text}.", parts, 740, bottom + 36)


SHARES = {share: f"{share:.0%}" for share in (0.0, 0.25, 0.5, 0.75, 1.0)}


def curve_chart(
    title: str,
    curves: Mapping[str, Float64Array],
    *,
    x_title: str = "cells, most relevant first",
    x_ticks: Mapping[float, str] = SHARES,
) -> str:
    """Draw curves, float64 [n + 1] each, as SVG.

    Args:
        title: title of the chart.
        curves: name -> values at evenly spaced positions along the x axis, >= 0.
        x_title: title of the x axis.
        x_ticks: position, from 0 to 1 -> label.
    """
    ticks = _ticks(0.0, max(float(curve.max()) for curve in curves.values()))
    left, top = 60, 44
    right, bottom = left + _PLOT_WIDTH_PX, top + _PLOT_HEIGHT_PX

    def y(value: float) -> float:
        return bottom - _PLOT_HEIGHT_PX * value / ticks[-1]

    parts = []
    for tick in ticks:
        parts.append(_line(left, y(tick), right, y(tick), colour=_GRID))
        parts.append(_text(left - 8, y(tick) + 4, f"{tick:g}", anchor="end"))
    parts += [
        _tick(left + _PLOT_WIDTH_PX * share, bottom, label, top=bottom - 4)
        for share, label in x_ticks.items()
    ]
    for number, (name, curve) in enumerate(curves.items()):
        step = _PLOT_WIDTH_PX / (len(curve) - 1)
        points = " ".join(
            f"{left + step * k:.1f},{y(float(value)):.1f}" for k, value in enumerate(curve)
        )
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        stroke = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'
        parts.append(f'<polyline points="{points}" fill="none" {stroke}/>')
        key, row = right + 16, top + 8 + 20 * number
        parts.append(f'<line x1="{key}" y1="{row}" x2="{key + 28}" y2="{row}" {stroke}/>')
        parts.append(_text(key + 36, row + 4, name))
    middle = (left + right) / 2
    parts.append(_text(middle, bottom + 34, x_title, anchor="middle"))
    height = max(bottom + 50, top + 20 * len(curves) + 20)
    about = f"{title}, against: {x_title}. Curves: {', '.join(curves)}."
    return _svg(title, about, parts, 700, height)


def _ticks(low: float, high: float) -> list[float]:
    """Return four to nine round numbers that span the range from `low` to `high`."""
    span = (high - low) or 1.0
    unit = 10 ** math.floor(math.log10(span))
    step = next(size * unit for size in (0.2, 0.5, 1.0, 2.0) if span / (size * unit) <= 6)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]


def _tick(x: float, y: float, text: str, *, top: float) -> str:
    return _line(x, top, x, y, colour=_GRID) + _text(x, y + 16, text, anchor="middle")


def _line(x1: float, y1: float, x2: float, y2: float, *, colour: str = _INK) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="1.2"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(title: str, about: str, parts: Sequence[str], width: int, height: float) -> str:
    size = f'width="{width}" height="{height:.0f}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height:.0f}" '
            f'role="img" aria-labelledby="title about" font-family="sans-serif" font-size="12" '
            f'fill="{_INK}">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="about">{escape(about)}</desc>',
            f'<rect {size} fill="#ffffff"/>',
            f'<text x="16" y="26" font-size="16" font-weight="bold">{escape(title)}</text>',
            *parts,
            "</svg>\n",
        ]
    )
