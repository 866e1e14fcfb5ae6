"""`tam-video explain` of a long video: its options, and what is printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tam_video.cli.console import Console
from tam_video.errors import BatchError, ConfigError

if TYPE_CHECKING:
    from tam_video.config import RunConfig
    from tam_video.types import Message

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--window",
        metavar="TIME",
        help="Explain a long video window by window: 30s, 1m, 0:30. Windows lie where something "
        "moves.",
    ),
    click.option("--stride", metavar="TIME", help="From window to window  [default: as --window]"),
    click.option("--scenes", is_flag=True, help="Cut windows where scenes change, too."),
    click.option(
        "--gate/--no-gate",
        default=None,
        help="With --window: ask only where something moves, or about all  [default: gate]",
    ),
)


def long_options(command: Command) -> Command:
    """Add the options of long videos to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_long_options(options: dict[str, Any], *, report: bool) -> Any | None:
    """Take the options of long videos out of `options`.

    Returns:
        `LongOptions`, or None where the video is explained as one clip.

    Raises:
        ConfigError: one of them is given that needs another, or is no time.
    """
    window, stride, scenes, gate = (
        options.pop(name) for name in ("window", "stride", "scenes", "gate")
    )
    if window is None and not scenes:
        if stride is not None or gate is not None:
            name = "--stride" if stride is not None else "--gate"
            raise ConfigError(f"{name} is for long videos", hint="give --window 30s too")
        return None
    from tam_video.long import LongOptions
    from tam_video.long.gate import GateOptions
    from tam_video.long.windows import WindowOptions, duration_seconds

    windows = WindowOptions(
        WindowOptions().window_seconds if window is None else duration_seconds(window),
        None if stride is None else duration_seconds(stride),
        by_scene=scenes,
    )
    return LongOptions(windows, None if gate is False else GateOptions(), report=report)


def explain_long_to_folder(
    console: Console,
    paths: Sequence[Path],
    output: Path | None,
    turns: Sequence[Message],
    config: RunConfig,
    options: Any,
    *,
    force: bool,
) -> None:
    """Run it and print what came of it.

    Raises:
        TamVideoError: see `explain_long`; a `BatchError` where some windows failed.
    """
    from tam_video.long import default_long_dir, explain_long

    if len(paths) != 1:
        raise ConfigError(
            f"{len(paths)} files are given, a long video is one", hint="tam-video batch for several"
        )
    folder = output or default_long_dir(paths[0], config, turns, options)
    with console.progress() as progress:
        result = explain_long(
            paths[0],
            folder,
            conversation=turns,
            config=config,
            options=options,
            force=force,
            progress=progress,
        )
    for warning in result.warnings:
        console.note(f"warning: {warning}")
    if "report" in result.files:
        console.note(f"report: {result.files['report']}")
    document = {"run_dir": result.folder, **result.timeline, "files": result.files}
    console.result(document, _told(result.timeline, result.folder))
    if result.failed:
        raise BatchError(
            f"{len(result.failed)} of {len(result.windows)} windows failed",
            hint="what was done is kept: the same command asks again about the rest",
        )


def _told(timeline: Mapping[str, Any], folder: Path) -> str:
    """A line for each window, and where all of it is."""
    from tam_video.render.timeline import clock_text

    lines = [
        f"{clock_text(row['start_seconds'])} - {clock_text(row['end_seconds'])}  "
        + (f"failed: {row['error']['message']}" if "error" in row else row["answer"])
        for row in timeline["windows"]
    ]
    if timeline["nothing_moved"]:
        lines = ["nothing moved: no window was asked"]
    return "\n".join([*lines, str(folder)])
