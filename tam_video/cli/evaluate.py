"""`tam-video evaluate`: methods measured on clips whose truth is known."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tam_video.cli.console import common_options, session

if TYPE_CHECKING:
    from tam_video.evaluation.report import Report, Summary

_METHOD_WIDTH, _CELL_WIDTH = 20, 23


@click.group("evaluate")
def evaluate_command() -> None:
    """Measure explanation methods on clips whose truth is known."""


@evaluate_command.command("shapes")
@click.option("-m", "--model", metavar="ID_OR_DIR", help="Hub id or folder  [default: tiny]")
@click.option("--revision", metavar="REV", help="Revision of a hub model.")
@click.option("--dtype", type=click.Choice(["auto", "float32", "bfloat16", "float16"]))
@click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--layer", metavar="N", help="Decoder layer, share of the depth, or input.")
@click.option("--methods", metavar="A,B,...", help="[default: tam,tam-reference,logit]")
@click.option("--metrics", metavar="A,B,...", help="[default: all but insertion,deletion]")
@click.option("--worlds", metavar="A,B,...", help="[default: base]")
@click.option("--split", type=click.Choice(["train", "dev", "test"]), help="[default: test]")
@click.option("-n", "--clips", type=int, metavar="N", help="Clips of each world  [default: 100]")
@click.option("--seed", type=int, metavar="S", help="Which clips  [default: 0]")
@click.option("--steps", type=int, help="Of insertion and deletion curves  [default: 20]")
@click.option("--max-new-tokens", type=int, help="Longest answer  [default: 64]")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="DIR", required=True, help="Folder."
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--force", is_flag=True, help="Start over in a folder with an evaluation.")
@common_options
def shapes_command(
    output: Path,
    workers: int,
    force: bool,
    as_json: bool,
    verbose: int,
    quiet: bool,
    **options: Any,
) -> None:
    """Compare methods on clips of coloured shapes, against exact masks.

    Every clip is written as an MP4, read back and captioned; the colour and shape words of the
    caption are scored. A folder of the same settings is gone on with: finished clips are kept.
    """
    with session(as_json=as_json, quiet=quiet, verbose=verbose) as console:
        from tam_video.evaluation.run import evaluate
        from tam_video.evaluation.settings import make_settings

        settings = make_settings(_values(options))
        try:
            with console.progress() as progress:
                done = evaluate(
                    settings,
                    output,
                    workers=workers,
                    force=force,
                    progress=lambda finished, total: progress("clips", finished, total),
                )
        except KeyboardInterrupt:
            console.note("finished clips are kept: the same command goes on")
            raise
        if done.num_resumed:
            console.note(f"{done.num_resumed} clips were measured before")
        console.result(
            {**done.report.as_dict(), "output_dir": done.folder, "files": done.files},
            f"{tables(done.report)}\n{done.folder}",
        )


def tables(report: Report, *, width: int | None = None) -> str:
    """The figures as text: one table over all clips, and one for each world of several.

    Args:
        report: what was found.
        width: characters of a line; those of the terminal by default.
    """
    columns = width or shutil.get_terminal_size((110, 24)).columns
    metrics = report.settings.metrics
    count = max(1, (columns - _METHOD_WIDTH) // _CELL_WIDTH)
    groups = [metrics[start : start + count] for start in range(0, len(metrics), count)]
    several = len(report.worlds) > 1
    parts = [("all worlds" if several else next(iter(report.worlds)), report.overall)]
    parts += report.worlds.items() if several else ()
    return "\n".join(_tables(parts, groups, columns))


def _tables(
    parts: Sequence[tuple[str, Summary]], groups: Sequence[Sequence[str]], columns: int
) -> Iterator[str]:
    from io import StringIO

    from rich.console import Console as RichConsole
    from rich.table import Table

    from tam_video.evaluation.report import heading, table_rows

    for title, summary in parts:
        for metrics in groups:
            table = Table(title=f"{title}: mean and 95 % interval over clips", title_justify="left")
            table.add_column("method", no_wrap=True)
            for metric in metrics:
                table.add_column(heading(metric), no_wrap=True, justify="right")
            for row in table_rows(summary, metrics):
                table.add_row(*row)
            text = StringIO()
            least = _METHOD_WIDTH + _CELL_WIDTH
            RichConsole(file=text, width=max(columns, least), markup=False).print(table)
            yield text.getvalue().rstrip("\n")


def _values(options: dict[str, Any]) -> dict[str, Any]:
    """Settings from the options that were given."""
    from tam_video.cli.settings import layer

    given = {name: value for name, value in options.items() if value is not None}
    for name in ("methods", "metrics", "worlds"):
        if name in given:
            parts = [part.strip() for part in given[name].split(",")]
            given[name] = tuple(part for part in parts if part)
    if "layer" in given:
        given["layer"] = layer(given["layer"])
    return given
