"""`tam-video compare`: runs of models, methods or questions on one clip."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tam_video.cli.console import Console, one_line, with_console

if TYPE_CHECKING:
    from tam_video.analysis import Agreement, Comparison

_HEADER = ("Spearman", "IoU", "peaks, slots", "peaks, cells", "energy diff.")


@click.command("compare")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    required=True,
    help="Output folder.",
)
@click.option(
    "--video", type=click.Path(path_type=Path), help="New path of the clip, if it was moved."
)
@click.option(
    "--allow-other-video",
    is_flag=True,
    help="Accept a --video with other content if its frames have the same number, size and times.",
)
@click.option(
    "--no-video",
    "render",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Do not write compare.mp4.",
)
@click.option("--force", is_flag=True, help="Replace an earlier comparison.")
@with_console
def compare_command(
    console: Console,
    runs: tuple[Path, ...],
    output: Path,
    **options: Any,
) -> None:
    """Compare RUN folders of one clip: models, methods, settings or questions.

    For each word that two answers share: rank correlation of its maps, IoU above their Otsu
    thresholds, how far apart they peak, and how their energy over time differs. Maps are brought to
    the finest grid of the runs first. Writes comparison.json, differences.npz, and compare.mp4 with
    the runs side by side.
    """
    from tam_video.analysis import compare_runs

    with console.progress() as progress:
        done = compare_runs(
            runs,
            output,
            progress=lambda drawn, total: progress("render", drawn, total),
            **options,
        )
    console.warn(done.warnings)
    console.result(
        {**done.comparison.as_dict(), "output_dir": done.folder, "files": done.files},
        f"{comparison_tables(done.comparison)}\n{done.folder}",
    )


def comparison_tables(comparison: Comparison, *, width: int | None = None) -> str:
    """One table for each pair of runs: shared words, their mean, and the answers as a whole.

    Args:
        comparison: the comparison.
        width: width of a line in characters; that of the terminal by default.
    """
    columns = width or shutil.get_terminal_size((110, 24)).columns
    return "\n".join(_tables(comparison, columns))


def _tables(comparison: Comparison, columns: int) -> Iterator[str]:
    from tam_video.evaluation.tables import Table, table_text

    names = [one_line(name) for name in comparison.names]
    for pair in comparison.pairs:
        rows = [[one_line(word.text), *_cells(word.figures)] for word in pair.words]
        rows.append(["mean of the words", *_cells(pair.mean)])
        rows.append(["the whole answers", *_cells(pair.answer)])
        title = f"{names[pair.first]}  |  {names[pair.second]}"
        yield table_text(Table(title, ["word", *_HEADER], rows), width=columns)


def _cells(figures: Agreement) -> list[str]:
    return [
        "-" if math.isnan(value) else f"{value:.{digits}f}"
        for value, digits in (
            (figures.spearman, 3),
            (figures.iou, 3),
            (figures.peak_slots, 1),
            (figures.peak_cells, 1),
            (figures.energy_difference, 3),
        )
    ]
