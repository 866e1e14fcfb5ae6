"""The figures of an evaluation as text."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tam_video.cli.evaluate_options import CELL_WIDTH, METHOD_WIDTH, text_table

if TYPE_CHECKING:
    from tam_video.evaluation.report import Report, Summary


def tables(report: Report, *, width: int | None = None) -> str:
    """The figures as text: one table over all clips, and one for each world of several.

    Args:
        report: what was found.
        width: characters of a line; those of the terminal by default.
    """
    columns = width or shutil.get_terminal_size((110, 24)).columns
    metrics = report.settings.metrics
    count = max(1, (columns - METHOD_WIDTH) // CELL_WIDTH)
    groups = [metrics[start : start + count] for start in range(0, len(metrics), count)]
    title, worlds = report.settings.title, report.worlds
    parts = [(title(None if len(worlds) > 1 else next(iter(worlds))), report.overall)]
    if len(worlds) > 1:
        parts += [(title(world), summary) for world, summary in worlds.items()]
    return "\n".join(_tables(parts, groups, columns))


def _tables(
    parts: Sequence[tuple[str, Summary]], groups: Sequence[Sequence[str]], columns: int
) -> Iterator[str]:
    from tam_video.evaluation.report import heading, table_rows

    for title, summary in parts:
        for metrics in groups:
            yield text_table(
                f"{title}: mean and 95 % interval over clips",
                ["method", *map(heading, metrics)],
                table_rows(summary, metrics),
                width=columns,
            )
