"""Shared options of several commands, and options that are generated from declared settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from tam_video.settings.declare import Field, declared
from tam_video.settings.groups import GROUPS, run_fields

Command = TypeVar("Command", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)


class RenamedOption(click.Option):
    """An option that also accepts former flags. Help and docs do not list the former flags."""

    def __init__(self, *args: Any, former: Sequence[str] = (), **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.former = former

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Register the current and the former flags."""
        super().add_to_parser(parser, ctx)
        if self.former:
            current, self.opts = self.opts, list(self.former)
            super().add_to_parser(parser, ctx)
            self.opts = current


check_hashes_option = click.option(
    "--check-hashes",
    "verify",
    cls=RenamedOption,
    former=("--verify",),
    is_flag=True,
    help="Check files of finished runs by hash, not only by size.",
)

_MOVED_VIDEO = (
    click.option(
        "--video",
        "videos",
        multiple=True,
        type=PATH,
        help="New path of a source that was moved; give one --video per input.",
    ),
    click.option(
        "--allow-other-video",
        is_flag=True,
        help="Accept a --video with different content if number, size and times of the frames "
        "match. The output records this.",
    ),
)


def moved_video_options(command: Command) -> Command:
    """Add the options that locate the source files of a finished run."""
    return add_options(command, _MOVED_VIDEO)


def setting_options(*names: str, **changed: Any) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of settings to a command.

    Args:
        names: groups of `tam_video.settings.groups.GROUPS`, or "group.field".
        changed: field -> attributes of its `click.option` that differ for this command.
    """

    def add(command: Command) -> Command:
        options = [
            field_option(field, changed.get(field.name, {}))
            for name in names
            for field in _fields(name)
            if field.flag
        ]
        return add_options(command, options)

    return add


def add_options(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    """Add options to a command. The help lists them in the given order."""
    for option in reversed(options):
        command = option(command)
    return command


def parse_settings(options: dict[str, Any], fields: Sequence[Field] = ()) -> dict[str, Any]:
    """Return the options that are not None, and convert text to setting values.

    `fields` are declared fields that are not those of a run.

    Raises:
        ConfigError: a text can't be parsed.
    """
    parsers = {field.name: field.setting.parse for field in (*run_fields(), *fields)}
    values = {name: value for name, value in options.items() if value is not None}
    for name, value in values.items():
        parse = parsers.get(name)
        if parse is not None and isinstance(value, str):
            values[name] = parse(value)
    return values


def _fields(name: str) -> Sequence[Field]:
    group, _, wanted = name.partition(".")
    return [field for field in declared(GROUPS[group]) if wanted in ("", field.name)]


def field_option(field: Field, changed: dict[str, Any]) -> Callable[[Command], Command]:
    """Create the `click.option` for a field. `changed` replaces arguments of `click.option`."""
    setting = field.setting
    attributes: dict[str, Any] = {"default": None, "help": help_text(field)}
    if field.type is bool:
        attributes |= {"is_flag": True, "flag_value": not field.default}
    elif setting.parse is not None:
        attributes["metavar"] = setting.metavar
    elif field.choices:
        attributes["type"] = click.Choice(field.choices)
    else:
        attributes |= {"type": field.scalar, "metavar": setting.metavar}
    flags = [flag for flag in (setting.short, field.flag) if flag]
    former = (f"--{setting.former}",) if setting.former else ()
    return click.option(
        *flags, field.name, cls=RenamedOption, former=former, **{**attributes, **changed}
    )


def help_text(field: Field) -> str:
    """Return the help text for a field, including the default."""
    default = "" if field.type is bool else field.default_text
    return f"{field.setting.help}{f'  [default: {default}]' if default else ''}"
