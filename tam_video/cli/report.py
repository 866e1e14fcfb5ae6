"""`tam-video report` and `tam-video serve`: write and serve HTML reports of runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tam_video.cli.console import Console, with_console
from tam_video.cli.options import PATH, RenamedOption, moved_video_options

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command("report")
@click.argument("directory", metavar="RUN_DIR", type=PATH)
@click.option("--single-file", is_flag=True, help="Embed the clip and images in the page.")
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="FILE",
    help="Output file: a single-file report, or the index page for a folder of runs.",
)
@moved_video_options
@click.option("--no-clip", is_flag=True, help="Write a report without frames of the source.")
@click.option("--force", is_flag=True, help="Replace existing reports.")
@with_console
def report_command(
    console: Console,
    directory: Path,
    output: Path | None,
    videos: tuple[Path, ...],
    no_clip: bool,
    force: bool,
    **options: Any,
) -> None:
    """Write report.html for a finished run, or all reports and index.html for a folder of runs.

    A report needs no model and no network. It opens from disk in any browser, next to clip.mp4: the
    explained part of the source, re-encoded without its metadata. Existing reports of runs in a
    folder are kept unless --force is given.
    """
    from tam_video.errors import ConfigError
    from tam_video.report import find_runs, write_report

    runs = find_runs(directory)
    if runs and runs != [directory]:
        if videos or options["single_file"]:
            raise ConfigError(
                "--video and --single-file work only for a single run", hint="give one run folder"
            )
        index = _write_many(
            console, runs, output or directory / "index.html", clip=not no_clip, force=force
        )
        console.result({"index": index, "runs": runs}, str(index))
        return
    with console.progress() as progress:
        page = write_report(
            directory,
            output=output,
            video=videos or None,
            clip=not no_clip,
            force=force,
            progress=partial(progress, "encode"),
            **options,
        )
    console.result({"run_dir": directory, "report": page}, str(page))


def _write_many(
    console: Console, runs: Sequence[Path], index: Path, *, clip: bool, force: bool
) -> Path:
    """Write the missing reports, then the index. If a source is missing, the report has no clip."""
    from tam_video.errors import InputError, RunFolderError
    from tam_video.report import write_index, write_report
    from tam_video.report.index import refuse_foreign

    refuse_foreign(index, force=force)
    with console.progress() as progress:
        for done, run in enumerate(runs, 1):
            if force or not (run / "report.html").exists():
                try:
                    write_report(run, clip=clip, force=force)
                except (InputError, RunFolderError) as exc:
                    console.note(f"warning: {run} has a report without clip: {exc.message}")
                    write_report(run, clip=False, force=force)
            progress("reports", done, len(runs))
    return write_index(runs, index, force=force)


@click.command("serve")
@click.argument("directory", metavar="DIR", type=PATH)
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port; 0 selects a free port.  [default: 8642]"
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--access-token",
    cls=RenamedOption,
    former=("--token",),
    metavar="TEXT",
    help="Access token that visitors must send; auto generates a token.",
)
@with_console
def serve_command(
    console: Console,
    directory: Path,
    port: int | None,
    host: str,
    access_token: str | None,
) -> None:
    """Serve the runs in DIR as web pages, by default only to this machine. Stop with Ctrl-C.

    Needs `pip install 'tam-video[serve]'`. Nothing is written. A --host that other machines can
    reach needs an --access-token.
    """
    from tam_video.report.server import DEFAULT_PORT, serve

    serve(
        directory,
        host=host,
        port=DEFAULT_PORT if port is None else port,
        token=access_token,
        on_start=lambda address: console.result({"address": address}, address),
    )
