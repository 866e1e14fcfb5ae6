"""`tam-video render`: render one finished run, or several side by side, without a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tam_video.cli.console import Console, with_console
from tam_video.cli.options import PATH, moved_video_options, parse_settings, setting_options
from tam_video.errors import ConfigError


@click.command("render")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=PATH)
@moved_video_options
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="FILE",
    help="Output MP4 of a comparison. A single run is rendered into its own folder.",
)
@click.option("--force", is_flag=True, help="Replace the files of an earlier comparison.")
@setting_options(
    "look",
    layout={
        "type": click.Choice(["overlay", "side", "grid", "words", "compare"]),
        "help": "overlay, side, grid, words: see `tam-video explain`; compare: several runs of one "
        "clip side by side.",
    },
)
@with_console
def render_command(
    console: Console,
    runs: tuple[Path, ...],
    videos: tuple[Path, ...],
    output: Path | None,
    force: bool,
    **options: Any,
) -> None:
    """Render the annotated MP4s and captions of a RUN folder again, without a model.

    With --layout compare: render several RUNs of one clip side by side into the file of -o.
    """
    from tam_video.config import make_config
    from tam_video.runs import render_options, render_run

    is_compared = options.get("layout") == "compare"
    check_runs(runs, output, videos, is_compared=is_compared)
    allow_other = options.pop("allow_other_video")
    if is_compared:
        options["layout"] = None
    look = render_options(make_config(parse_settings(options)))
    payload: dict[str, Any]
    with console.progress() as progress:
        common: dict[str, Any] = {"allow_other_video": allow_other, "progress": progress}
        if is_compared:
            from tam_video.analysis import render_compared

            video = videos[0] if videos else None
            files = render_compared(
                runs, output or Path(), options=look, video=video, force=force, **common
            )
            payload, shown = {"video": files[0], "files": files}, files[:1]
        else:
            run = render_run(runs[0], options=look, video=videos or None, **common)
            payload = {"run_dir": run.run_dir, "files": run.files, "warnings": run.warnings}
            shown = run.videos
    console.warn(payload.get("warnings", ()))
    console.result(payload, "\n".join(map(str, shown)))


def check_runs(
    runs: Sequence[Path], output: Path | None, videos: Sequence[Path], *, is_compared: bool
) -> None:
    """Raise `ConfigError` if the options of `render` contradict each other."""
    if is_compared and output is None:
        raise ConfigError("a comparison needs an output file", hint="add -o comparison.mp4")
    if is_compared and len(runs) < 2:
        raise ConfigError("a comparison needs several runs", hint="give two or more run folders")
    if is_compared and len(videos) > 1:
        raise ConfigError(
            "compared runs must share one clip, but several --video are given",
            hint="give --video once",
        )
    if not is_compared and len(runs) > 1:
        raise ConfigError("several runs need --layout compare", hint="add --layout compare")
    if not is_compared and output is not None:
        raise ConfigError(
            "a single run is rendered into its own folder",
            hint="remove -o, or use --layout compare",
        )
