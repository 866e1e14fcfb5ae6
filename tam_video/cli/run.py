"""`tam-video run`: a ready-made use, as a preset describes it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from tam_video.cli.console import Console, common_options, session

SOME_FAILED = 3


@click.command("run")
@click.argument("preset", metavar="[PRESET.toml]", required=False, type=click.Path(path_type=Path))
@click.argument("inputs", metavar="[INPUT]...", nargs=-1)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Folder.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a key of the preset, such as run.num_frames=16; may be repeated.",
)
@click.option("--force", is_flag=True, help="Replace what an earlier run wrote.")
@click.option("--check", is_flag=True, help="Check the preset, print what it comes to, and end.")
@click.option("--list", "list_all", is_flag=True, help="List the pipelines and end.")
@click.option("--new", "new", metavar="PIPELINE", help="Print a preset with all keys and end.")
@common_options
def run_command(
    preset: Path | None,
    inputs: tuple[str, ...],
    output: Path | None,
    settings: tuple[str, ...],
    force: bool,
    check: bool,
    list_all: bool,
    new: str | None,
    as_json: bool,
    verbose: int,
    quiet: bool,
) -> None:
    """Run a pipeline: video-qa, annotated-clip, surveillance, medical.

    INPUTs and -o stand in for those of the preset, --set for any key; what the preset leaves out
    has its default. With several inputs the same command goes on where an earlier one was stopped.
    Exit code 3: some inputs failed.
    """
    with session(as_json=as_json, quiet=quiet, verbose=verbose) as console:
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
                "no preset is named", hint="tam-video run --new video-qa > mine.toml makes one"
            )
        given: dict[str, Any] = dict(map(read_override, settings))
        given |= {"inputs": list(inputs)} if inputs else {}
        given |= {"output": str(output)} if output else {}
        options = read_preset(preset, overrides=given)
        pipeline = load_pipeline(options.pipeline).from_options(options)
        if check:
            document = options.model_dump(mode="json")
            console.result(document, "\n".join(_lines(document)))
            return
        # stdout is for the result: libraries of workers talk
        with redirect_stdout(sys.stderr), console.progress() as progress:
            result = pipeline.run(force=force, progress=progress)
        for warning in result.warnings:
            console.note(f"warning: {warning}")
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

    told = {
        name: (load_pipeline(name).__doc__ or "").partition("\n")[0] for name in PIPELINES.names()
    }
    lines = [f"{name:16s}{summary}" for name, summary in told.items()]
    console.result({"pipelines": told}, "\n".join(lines))


def _print_new(console: Console, name: str) -> None:
    from tam_video.pipelines.preset import preset_text

    text = preset_text(name)
    console.result({"pipeline": name, "preset": text}, text.rstrip("\n"))


def _lines(document: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Options as lines of TOML; what is not set is a comment, as TOML has no null."""
    lines = []
    for key, value in document.items():
        if isinstance(value, Mapping):
            lines += _lines(value, f"{prefix}{key}.")
        elif value is None:
            lines.append(f"# {prefix}{key} is not set")
        else:
            lines.append(f"{prefix}{key} = {_toml(value)}")
    return lines


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{key} = {_toml(each)}" for key, each in value.items() if each is not None)
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
