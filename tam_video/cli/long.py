"""`tam-video explain --window`: options and printed result for long videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tam_video.cli.calibrate import say_if_not_calibrated
from tam_video.cli.console import Console
from tam_video.cli.options import Command, add_options
from tam_video.errors import BatchError, ConfigError

if TYPE_CHECKING:
    from tam_video.config import RunConfig
    from tam_video.types import Message

_OPTIONS = (
    click.option(
        "--window",
        metavar="TIME",
        help="Explain a long video in windows of this length (30s, 1m, 0:30). Parts without "
        "motion are skipped unless --no-gate is given.",
    ),
    click.option(
        "--stride", metavar="TIME", help="Time between window starts.  [default: the window length]"
    ),
    click.option("--scenes", is_flag=True, help="Also start a window at each scene change."),
    click.option(
        "--gate/--no-gate",
        default=None,
        help="With --window: skip parts without motion, or explain all parts.  [default: gate]",
    ),
    click.option(
        "--check-hashes",
        is_flag=True,
        help="With --window: check files of finished windows by hash, not only by size.",
    ),
)


def long_options(command: Command) -> Command:
    """Add the options for long videos to a command."""
    return add_options(command, _OPTIONS)


def take_long_options(options: dict[str, Any], *, report: bool) -> tuple[Any, bool] | None:
    """Remove the options for long videos from `options` and return them.

    Returns:
        `LongOptions` and `--check-hashes`, or None if the video is explained as one clip.

    Raises:
        ConfigError: an option needs another one, or is not a time.
    """
    window, stride, scenes, gate, hashes = (
        options.pop(name) for name in ("window", "stride", "scenes", "gate", "check_hashes")
    )
    if window is None and not scenes:
        needing = {"--stride": stride, "--gate": gate, "--check-hashes": hashes or None}
        for name in (name for name, value in needing.items() if value is not None):
            raise ConfigError(f"{name} needs --window", hint="add --window 30s")
        return None
    from tam_video.long import LongOptions
    from tam_video.long.gate import GateOptions
    from tam_video.long.windows import WindowOptions, duration_seconds

    windows = WindowOptions(
        WindowOptions().window_seconds if window is None else duration_seconds(window),
        None if stride is None else duration_seconds(stride),
        by_scene=scenes,
    )
    return LongOptions(windows, None if gate is False else GateOptions(), report=report), hashes


def explain_long_to_folder(
    console: Console,
    paths: Sequence[Path],
    output: Path | None,
    turns: Sequence[Message],
    config: RunConfig,
    options: tuple[Any, bool],
    *,
    force: bool,
) -> None:
    """Explain a long video and print the answers. Raise `BatchError` if some windows failed."""
    from tam_video.export.document import read_explanation
    from tam_video.long import default_long_dir, explain_long

    if len(paths) != 1:
        raise ConfigError(
            f"--window takes one video, not {len(paths)} files",
            hint="use tam-video batch for several videos",
        )
    long_options, verify = options
    folder = output or default_long_dir(paths[0], config, turns, long_options)
    with console.progress() as progress:
        result = explain_long(
            paths[0],
            folder,
            conversation=turns,
            config=config,
            options=long_options,
            force=force,
            verify=verify,
            progress=progress,
        )
    console.warn(result.warnings)
    new = [each.run_dir for each in result.windows if each.run_dir and not each.is_resumed]
    if new and len(new) == len(result.windows):
        say_if_not_calibrated(console, config, read_explanation(new[0]))
    if "report" in result.files:
        console.note(f"report: {result.files['report']}")
    document = {"run_dir": result.folder, **result.timeline, "files": result.files}
    console.result(document, _lines(result.timeline, result.folder))
    if result.failed:
        raise BatchError(
            f"{len(result.failed)} of {len(result.windows)} windows failed",
            hint="finished windows are kept; repeat the command to retry the failed windows",
        )


def _lines(timeline: Mapping[str, Any], folder: Path) -> str:
    """Return the lines to print: one for each window, then the folder."""
    from tam_video.render.timeline import clock_text

    lines = [
        f"{clock_text(row['start_seconds'])} - {clock_text(row['end_seconds'])}  "
        + (f"failed: {row['error']['message']}" if "error" in row else row["answer"])
        for row in timeline["windows"]
    ]
    if timeline["nothing_moved"]:
        lines = ["no motion: no window was explained"]
    return "\n".join([*lines, str(folder)])
