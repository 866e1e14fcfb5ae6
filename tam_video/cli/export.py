"""`tam-video export`: write the word tracks of a finished run in the formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tam_video.cli.console import Console, with_console
from tam_video.cli.options import PATH, moved_video_options


@click.command("export")
@click.argument("run_dir", required=False, type=PATH)
@click.option(
    "-f",
    "--format",
    "formats",
    multiple=True,
    metavar="NAME,NAME,...",
    help="Formats to write; --list prints all formats.",
)
@click.option(
    "-o", "--output", type=PATH, metavar="DIR", help="Output folder.  [default: RUN_DIR/export]"
)
@click.option(
    "--word",
    "words",
    multiple=True,
    metavar="WORD",
    help="Word to export, as text or index; may be repeated.  [default: the content words]",
)
@click.option("--all-words", is_flag=True, help="Also export function words.")
@click.option(
    "--frames",
    type=click.Choice(["all", "seen"]),
    default="all",
    show_default=True,
    help="Frames to write in formats with one entry per frame. all: every frame; seen: only the "
    "frames that the model received.",
)
@click.option(
    "--keep",
    type=click.Choice(["peak", "all"]),
    default="peak",
    show_default=True,
    help="Regions of a map to export. peak: the connected region at the peak; all: every region.",
)
@moved_video_options
@click.option("--force", is_flag=True, help="Replace earlier exports.")
@click.option("--list", "list_all", is_flag=True, help="List the formats and exit.")
@with_console
def export_command(
    console: Console,
    run_dir: Path | None,
    formats: tuple[str, ...],
    output: Path | None,
    videos: tuple[Path, ...],
    **options: Any,
) -> None:
    """Export the words of RUN_DIR to other tools: masks, boxes, time spans, tables and maps.

    Needs no model.
    """
    if options.pop("list_all"):
        _list(console)
        return
    from tam_video.errors import ConfigError
    from tam_video.export.exporting import export_run

    words, all_words = options.pop("words"), options.pop("all_words")
    if run_dir is None:
        raise ConfigError(
            "no run folder given", hint="for example: tam-video export RUN -f coco,vtt"
        )
    if words and all_words:
        raise ConfigError("--word and --all-words can't be combined", hint="remove one option")
    with console.progress() as progress:
        exported = export_run(
            run_dir,
            [name.strip() for each in formats for name in each.split(",") if name.strip()],
            out_dir=output,
            words=words or ("all" if all_words else "content"),
            video=videos or None,
            progress=progress,
            **options,
        )
    console.warn(exported.warnings)
    written = [path for paths in exported.files.values() for path in paths]
    console.result(
        {
            "run_dir": run_dir,
            "out_dir": exported.out_dir,
            "files": exported.files,
            "warnings": exported.warnings,
        },
        "\n".join(map(str, written)),
    )


def _list(console: Console) -> None:
    from tam_video.export.exporting import list_exporters

    rows = [
        {
            "name": each.name,
            "files": each.files,
            "first_frame": each.index_base,
            "extra": each.extra or None,
            "summary": each.summary,
        }
        for each in list_exporters()
    ]
    lines = [
        f"{row['name']:12s} {row['summary']}"
        + (f"  [needs tam-video[{row['extra']}]]" if row["extra"] else "")
        for row in rows
    ]
    console.result({"formats": rows}, "\n".join(lines))
