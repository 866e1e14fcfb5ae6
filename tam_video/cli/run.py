"""`tam-video run`: run a pipeline from a preset."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from tam_video.cli.console import Console, with_console
from tam_video.cli.options import PATH, check_hashes_option

SOME_FAILED = 3


@click.command("run")
@click.argument("preset", metavar="[PRESET.toml]", required=False, type=PATH)
@click.argument("inputs", metavar="[INPUT]...", nargs=-1)
@click.option("-o", "--output", type=PATH, metavar="DIR", help="Output.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a key of the preset, such as run.num_frames=16; may be repeated.",
)
@click.option("--force", is_flag=True, help="Replace the results of an earlier run.")
@check_hashes_option
@click.option("--check", is_flag=True, help="Check the preset, print all its keys, and exit.")
@click.option("--list", "list_all", is_flag=True, help="List the pipelines and exit.")
@click.option("--new", "new", metavar="PIPELINE", help="Print a preset for PIPELINE and exit.")
@with_console
def run_command(
    console: Console,
    preset: Path | None,
    inputs: tuple[str, ...],
    output: Path | None,
    settings: tuple[str, ...],
    force: bool,
    verify: bool,
    check: bool,
    list_all: bool,
    new: str | None,
) -> None:
    """Run a pipeline: video-qa, annotated-clip, surveillance, medical.

    INPUT and -o override those of the preset, --set any key; missing keys have their defaults. With
    several inputs, the same command resumes an interrupted run. Exit code 3: some inputs failed.
    """
    from tam_video.errors import ConfigError
    from tam_video.pipelines.preset import load_pipeline, read_override, read_preset

    if list_all:
        _list(console)
        return
    if new is not None:
        _print_new(console, new)
        return
    if preset is None:
        raise ConfigError(
            "no preset given", hint="create a preset: tam-video run --new video-qa > mine.toml"
        )
    overrides: dict[str, Any] = dict(map(read_override, settings))
    overrides |= {"inputs": list(inputs)} if inputs else {}
    overrides |= {"output": str(output)} if output else {}
    overrides |= {"verify": True} if verify else {}
    options = read_preset(preset, overrides=overrides)
    pipeline = load_pipeline(options.pipeline).from_options(options)
    if check:
        document = options.model_dump(mode="json", by_alias=False)
        console.result(document, "\n".join(_lines(document)))
        return
    # stdout is for the result; libraries of the workers may print
    with redirect_stdout(sys.stderr), console.progress() as progress:
        result = pipeline.run(force=force, progress=progress)
    console.warn(result.warnings)
    console.result(
        {
            "pipeline": options.pipeline,
            "opens": result.opens,
            "num_failed": result.num_failed,
            "warnings": result.warnings,
            **result.summary,
        },
        str(result.opens),
    )
    if result.num_failed:
        sys.exit(SOME_FAILED)


def _list(console: Console) -> None:
    from tam_video.pipelines.base import PIPELINES
    from tam_video.pipelines.preset import load_pipeline

    summaries = {
        name: (load_pipeline(name).__doc__ or "").partition("\n")[0] for name in PIPELINES.names()
    }
    lines = [f"{name:16s}{summary}" for name, summary in summaries.items()]
    console.result({"pipelines": summaries}, "\n".join(lines))


def _print_new(console: Console, name: str) -> None:
    from tam_video.pipelines.new import preset_text

    text = preset_text(name)
    console.result({"pipeline": name, "preset": text}, text.rstrip("\n"))


def _lines(document: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return options as TOML lines. Unset options become comments because TOML has no null."""
    from tam_video.pipelines.new import toml

    lines = []
    for key, value in document.items():
        if isinstance(value, Mapping):
            lines += _lines(value, f"{prefix}{key}.")
        elif value is None:
            lines.append(f"# {prefix}{key} is not set")
        else:
            lines.append(f"{prefix}{key} = {toml(value)}")
    return lines
