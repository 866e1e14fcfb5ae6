"""What the commands that measure methods share: options, their values, tables of figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from tam_video.cli.console import Console
from tam_video.cli.options import add_options, parse_settings, setting_options

Command = TypeVar("Command", bound=Callable[..., Any])


class Measured(Protocol):
    """What an evaluation gives back."""

    @property
    def num_resumed(self) -> int:
        """Clips that an earlier run had measured."""
        ...


Done = TypeVar("Done", bound=Measured)

METHOD_WIDTH, CELL_WIDTH = 20, 23
_LISTS = ("methods", "metrics", "worlds", "parts")

_MODEL = setting_options(
    "model.model", "model.revision", "model.dtype", "model.device", "method.layer"
)
_METHODS = click.option("--methods", metavar="A,B,...", help="[default: tam,tam-reference,logit]")
_WORLDS = (
    click.option("--worlds", metavar="A,B,...", help="[default: base]"),
    click.option("--split", type=click.Choice(["train", "dev", "test"]), help="[default: test]"),
    click.option("--seed", type=int, metavar="S", help="Which clips  [default: 0]"),
)
_RUN = (
    click.option("--max-new-tokens", type=int, help="Longest answer  [default: 64]"),
    click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        metavar="DIR",
        required=True,
        help="Folder.",
    ),
    click.option(
        "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes."
    ),
    click.option("--force", is_flag=True, help="Start over in a folder with an evaluation."),
)


def asked_options(command: Command) -> Command:
    """Add the options that say which model and which methods are measured."""
    return add_options(command, (_MODEL, _METHODS))


def model_options(command: Command) -> Command:
    """Add the options that say which model is asked."""
    return _MODEL(command)


def world_options(command: Command) -> Command:
    """Add the options that say which clips of shapes are drawn."""
    return add_options(command, _WORLDS)


def run_options(command: Command) -> Command:
    """Add the options that say how and where to it is measured."""
    return add_options(command, _RUN)


def given_values(options: dict[str, Any]) -> dict[str, Any]:
    """Settings from the options that were given; lists are split at their commas."""
    given = parse_settings(options)
    for name in given.keys() & set(_LISTS):
        parts = [part.strip() for part in given[name].split(",")]
        given[name] = tuple(part for part in parts if part)
    return given


def measure(
    console: Console,
    evaluate: Callable[..., Done],
    settings: Any,
    output: Path,
    *,
    workers: int,
    force: bool,
) -> Done:
    """Run an evaluation with a progress display.

    Raises:
        TamVideoError: what it raises.
    """
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
    return done


def text_table(
    title: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, width: int
) -> str:
    """A table as text under its title; figures stand at the right of their columns.

    Args:
        title: what is told, on a line of its own.
        header: of the name's column, then of each figure.
        rows: a name and its figures.
        width: characters of a line; as many as one figure needs at least.
    """
    from io import StringIO

    from rich.console import Console as RichConsole
    from rich.table import Table

    table = Table()
    table.add_column(header[0], no_wrap=True)
    for name in header[1:]:
        table.add_column(name, no_wrap=True, justify="right")
    for row in rows:
        table.add_row(*row)
    text = StringIO()
    RichConsole(file=text, width=max(width, METHOD_WIDTH + CELL_WIDTH), markup=False).print(table)
    return f"{title}\n{text.getvalue().rstrip()}"
