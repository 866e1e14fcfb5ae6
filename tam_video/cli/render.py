"""`tam-video render`: draw a finished run again, without a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tam_video.cli.console import common_options, session

Command = TypeVar("Command", bound=Callable[..., Any])


def look_options(command: Command) -> Command:
    """Add the options that say how the annotated video looks."""
    for option in (
        click.option("--preset", metavar="NAME", help="x264 speed preset  [default: veryfast]"),
        click.option("--crf", type=int, help="H.264 quality, 0 to 51  [default: 18]"),
        click.option("--font", metavar="FILE", help="Font of the caption."),
        click.option("--opacity", type=float, help="Of the hottest cell, 0 to 1  [default: 0.6]"),
        click.option("--colormap", metavar="NAME", help="turbo, inferno, cividis, viridis, jet."),
        click.option(
            "--mode",
            type=click.Choice(["auto", "words"]),
            help="auto: words share one pass of the clip; words: one pass for each word.",
        ),
        click.option(
            "--word", "show_word", metavar="WORD", help="Show one word, by text or index."
        ),
        click.option("--token", "show_token", type=int, help="Show one token, by index."),
    ):
        command = option(command)
    return command


@click.command("render")
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option(
    "--video",
    "videos",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Where the source is now, if it was moved; once for each input.",
)
@look_options
@common_options
def render_command(
    run_dir: Path,
    videos: tuple[Path, ...],
    as_json: bool,
    verbose: int,
    quiet: bool,
    **options: Any,
) -> None:
    """Draw the annotated MP4s and the captions of RUN_DIR again; needs no model."""
    with session(as_json=as_json, quiet=quiet, verbose=verbose) as console:
        from tam_video.cli.settings import config_from_options
        from tam_video.pipeline import render_options, render_run

        look = render_options(config_from_options(options))
        with console.progress() as progress:
            run = render_run(run_dir, options=look, video=videos or None, progress=progress)
        shown = "\n".join(str(path) for path in run.videos)
        console.result({"run_dir": run.run_dir, "files": run.files}, shown)
