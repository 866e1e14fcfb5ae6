"""`tam-video evaluate`: methods measured on clips whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tam_video.cli.console import common_options, session
from tam_video.cli.evaluate_controls import controls_command
from tam_video.cli.evaluate_options import (
    asked_options,
    given_values,
    measure,
    run_options,
    world_options,
)
from tam_video.cli.evaluate_reliance import reliance_command
from tam_video.cli.evaluate_tables import tables


class _WithSets(click.Group):
    """Commands of its own, and one for each public set, which are looked up when they are asked."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the help."""
        from tam_video.evaluation.sets import SETS

        return sorted({*super().list_commands(ctx), *SETS.names()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by name."""
        from tam_video.cli.evaluate_sets import set_command

        return super().get_command(ctx, cmd_name) or set_command(cmd_name)


@click.group("evaluate", cls=_WithSets)
def evaluate_command() -> None:
    """Measure explanation methods on clips whose truth is known."""


evaluate_command.add_command(controls_command)
evaluate_command.add_command(reliance_command)


@evaluate_command.command("shapes")
@asked_options
@click.option("--metrics", metavar="A,B,...", help="[default: all but the curves]")
@world_options
@click.option("-n", "--clips", type=int, metavar="N", help="Clips of each world  [default: 100]")
@click.option("--steps", type=int, help="Of insertion and deletion curves  [default: 20]")
@run_options
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

        settings = make_settings(given_values(options))
        done = measure(console, evaluate, settings, output, workers=workers, force=force)
        console.result(
            {**done.report.as_dict(), "output_dir": done.folder, "files": done.files},
            f"{tables(done.report)}\n{done.folder}",
        )
