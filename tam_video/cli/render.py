"""`tam-video render`: draw a finished run again, or several side by side, without a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tam_video.cli.console import Console, common_options, session
from tam_video.cli.options import RenamedOption, add_options, moved_video_option

Command = TypeVar("Command", bound=Callable[..., Any])

_LAYOUT = click.option(
    "--layout",
    type=click.Choice(["overlay", "side", "grid", "words"]),
    help="overlay: heat on the picture, words share one pass of the clip; side: picture beside "
    "heat; grid: a tile for each word; words: one pass and chapter for each word.",
)
_LOOK = (
    click.option("--token", "show_token", type=int, help="Show one token, by index."),
    click.option("--word", "show_word", metavar="WORD", help="Show one word, by text or index."),
    click.option(
        "--tiles", type=click.Choice(["words", "tokens"]), help="What a grid has tiles of."
    ),
    click.option("--colormap", metavar="NAME", help="turbo, inferno, cividis, viridis, jet."),
    click.option("--opacity", type=float, help="Of the hottest cell, 0 to 1  [default: 0.6]"),
    click.option("--threshold", type=float, help="Draw no heat below this, 0 to 1  [default: 0]"),
    click.option(
        "--contours",
        is_flag=True,
        default=None,
        help="Draw a line around the heat, at --threshold.",
    ),
    click.option("--boxes", is_flag=True, default=None, help="Draw the box of the word's track."),
    click.option(
        "--preview", "previews", metavar="KIND,...", help="Also a short animation: gif, webp."
    ),
    click.option(
        "--stills", metavar="KIND,...", help="Also a sheet of words by slots: png, pdf, svg."
    ),
    click.option("--font", metavar="FILE", help="Font of the caption."),
    click.option("--crf", type=int, help="H.264 quality, 0 to 51  [default: 18]"),
    click.option(
        "--speed-preset",
        cls=RenamedOption,
        former=("--preset",),
        metavar="NAME",
        help="x264 speed preset, ultrafast to slower  [default: veryfast]",
    ),
    click.option(
        "--encoder",
        type=click.Choice(["auto", "x264", "nvenc", "qsv", "amf"]),
        help="auto: a graphics card's where one works  [default: x264]",
    ),
)


def look_options(command: Command) -> Command:
    """Add the options that say how the annotated video looks."""
    return add_options(command, (_LAYOUT, *_LOOK))


def _look_of_runs(command: Command) -> Command:
    """The same, for one run or several."""
    layout = click.option(
        "--layout",
        type=click.Choice(["overlay", "side", "grid", "words", "compare"]),
        help="overlay, side, grid, words: see `tam-video explain`; compare: several runs of one "
        "clip side by side.",
    )
    return add_options(command, (layout, *_LOOK))


@click.command("render")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@moved_video_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The MP4 of a comparison; one run is drawn in its own folder.",
)
@click.option("--force", is_flag=True, help="Replace the files of an earlier comparison.")
@_look_of_runs
@common_options
def render_command(
    runs: tuple[Path, ...],
    videos: tuple[Path, ...],
    output: Path | None,
    force: bool,
    as_json: bool,
    verbose: int,
    quiet: bool,
    **options: Any,
) -> None:
    """Draw the annotated MP4s and the captions of a RUN folder again; needs no model.

    With --layout compare: draw several RUNs of one clip side by side, into the file of -o.
    """
    with session(as_json=as_json, quiet=quiet, verbose=verbose) as console:
        from tam_video.cli.settings import checked_runs

        is_compared = options.get("layout") == "compare"
        checked_runs(runs, output, videos, is_compared=is_compared)
        if is_compared:
            _compare(console, runs, output or Path(), videos, force=force, options=options)
        else:
            _again(console, runs[0], videos, options)


def _again(
    console: Console, run_dir: Path, videos: tuple[Path, ...], options: dict[str, Any]
) -> None:
    from tam_video.cli.settings import config_from_options
    from tam_video.runs import render_options, render_run

    look = render_options(config_from_options(options))
    with console.progress() as progress:
        run = render_run(run_dir, options=look, video=videos or None, progress=progress)
    for warning in run.warnings:
        console.note(f"warning: {warning}")
    shown = "\n".join(str(path) for path in run.videos)
    console.result({"run_dir": run.run_dir, "files": run.files}, shown)


def _compare(
    console: Console,
    runs: tuple[Path, ...],
    output: Path,
    videos: tuple[Path, ...],
    *,
    force: bool,
    options: dict[str, Any],
) -> None:
    from tam_video.cli.settings import config_from_options
    from tam_video.runs import render_compared, render_options

    look = render_options(config_from_options({**options, "layout": None}))
    with console.progress() as progress:
        files = render_compared(
            runs,
            output,
            options=look,
            video=videos[0] if videos else None,
            force=force,
            progress=progress,
        )
    console.result({"video": files[0], "files": files}, str(files[0]))
