"""`tam-video compare`: compare several runs that explain the same clip."""

from __future__ import annotations

import math
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tam_video.cli.console import Console, one_line, with_console
from tam_video.cli.options import PATH

if TYPE_CHECKING:
    from tam_video.analysis import Agreement, Comparison

_COLUMNS = {  # header -> attribute of `Agreement`, digits
    "Spearman": ("spearman", 3),
    "IoU": ("iou", 3),
    "peaks, slots": ("peak_slots", 1),
    "peaks, cells": ("peak_cells", 1),
    "energy diff.": ("energy_difference", 3),
}


@click.command("compare")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=PATH)
@click.option("-o", "--output", type=PATH, metavar="DIR", required=True, help="Output folder.")
@click.option("--video", type=PATH, help="New path of the clip, if it was moved.")
@click.option(
    "--allow-other-video",
    is_flag=True,
    help="Accept a --video with different content if number, size and times of the frames match.",
)
@click.option("--no-video", is_flag=True, help="Do not write compare.mp4.")
@click.option("--force", is_flag=True, help="Replace an earlier comparison.")
@with_console
def compare_command(
    console: Console, runs: tuple[Path, ...], output: Path, no_video: bool, **options: Any
) -> None:
    """Compare several runs of one clip, for example with different models, methods or questions.

    For each word that two answers share: rank correlation of its maps, IoU above their Otsu
    thresholds, how far apart they peak, and how their energy over time differs. Maps are brought to
    the finest grid of the runs first. Writes comparison.json, differences.npz, and compare.mp4 with
    the runs side by side.
    """
    from tam_video.analysis import compare_runs

    with console.progress() as progress:
        done = compare_runs(
            runs, output, render=not no_video, progress=partial(progress, "render"), **options
        )
    console.warn(done.warnings)
    console.result(
        {**done.comparison.as_dict(), "output_dir": done.folder, "files": done.files},
        f"{comparison_tables(done.comparison)}\n{done.folder}",
    )


def comparison_tables(comparison: Comparison, *, width: int | None = None) -> str:
    """Return a text table for each pair of runs, with a row for each word in both answers.

    Two more rows have the mean of the words, and the whole answers. A line has `width`
    characters, those of the terminal by default.
    """
    from tam_video.evaluation.tables import Table, table_text

    columns = width or shutil.get_terminal_size((110, 24)).columns
    names = [one_line(name) for name in comparison.names]
    tables = []
    for pair in comparison.pairs:
        rows = [[one_line(word.text), *_cells(word.figures)] for word in pair.words]
        rows.append(["mean of the words", *_cells(pair.mean)])
        rows.append(["the whole answers", *_cells(pair.answer)])
        title = f"{names[pair.first]}  |  {names[pair.second]}"
        tables.append(table_text(Table(title, ["word", *_COLUMNS], rows), width=columns))
    return "\n".join(tables)


def _cells(figures: Agreement) -> list[str]:
    values = [(getattr(figures, name), digits) for name, digits in _COLUMNS.values()]
    return ["-" if math.isnan(value) else f"{value:.{digits}f}" for value, digits in values]
