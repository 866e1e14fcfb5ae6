"""Format results as text tables that fit the width of the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tam_video.evaluation.score import METRICS
from tam_video.metrics.statistics import SMALL, Interval

SMALL_MARK = "†"
SMALL_NOTE = (
    f"{SMALL_MARK} fewer than {SMALL} clips, or videos where items share one: Student's t interval "
    "(rates: Wilson)"
)


@dataclass(frozen=True, slots=True)
class Table:
    """A text table.

    Attributes:
        title: the line above it.
        header: of the name's column, then of each figure.
        rows: a name and its figures.
    """

    title: str
    header: Sequence[str]
    rows: Iterable[Sequence[str]]


def cell(interval: Interval, total: int | None = None) -> str:
    """Format a mean and its interval as "0.512 [0.490, 0.533]", or as a dash if undefined.

    The number of clips is added where it differs from `total`.
    """
    if not interval.n:
        return "-"
    defined = interval.low <= interval.high
    ends = f"[{interval.low:.3f}, {interval.high:.3f}]" if defined else "[-, -]"
    mark = SMALL_MARK if interval.is_small else ""
    count = f" n={interval.n}" if total not in (None, interval.n) else ""
    return f"{interval.mean:.3f} {ends}{mark}{count}"


def number(value: float | None) -> str:
    """Format a number, or return a dash for None."""
    return "-" if value is None else f"{value:.3f}"


def heading(metric: str) -> str:
    """Return a metric's title with an arrow that shows whether higher or lower is better."""
    arrows = {"higher": " ↑", "lower": " ↓", "neither": ""}
    return METRICS[metric].title + arrows[METRICS[metric].better]


def table_text(table: Table, *, width: int) -> str:
    """Render a table under its title. A table wider than the terminal is split."""
    rows = [list(row) for row in table.rows]
    sizes = [max(map(len, column)) + 3 for column in zip(table.header, *rows, strict=True)]
    groups: list[list[int]] = [[]]
    for index, size in enumerate(sizes[1:], start=1):
        if groups[-1] and sizes[0] + sum(sizes[k] for k in groups[-1]) + size + 1 > width:
            groups.append([])
        groups[-1].append(index)
    return "\n".join(
        f"{table.title}\n"
        + _part(
            [table.header[k] for k in (0, *group)], [[row[k] for k in (0, *group)] for row in rows]
        )
        for group in groups
    )


def _part(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.table import Table as RichTable

    table = RichTable()
    table.add_column(header[0], no_wrap=True)
    for name in header[1:]:
        table.add_column(name, no_wrap=True, justify="right")
    for row in rows:
        table.add_row(*row)
    text = StringIO()
    Console(file=text, width=1000, markup=False).print(table)
    return text.getvalue().rstrip()
