"""Every command line that a page shows can be parsed, and so can those of version 0.1.0."""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from tam_video.cli import cli

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
VERSION_1 = ROOT / "tests/golden/v1/commands.txt"


def shown_commands(text):
    """Yield the command lines of a page, continued lines joined, without prompt and comment."""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        match = re.match(r"\s*\$ (?:[A-Z_]+=\S+ )*(tam-video(?: .*)?)$", line)
        if match:
            yield match[1]


def parse(line):
    """Parse a command line as click does, without running it."""
    words = shlex.split(line, comments=True)[1:]
    for stop in ("|", ">", "&&", "&", ";"):
        words = words[: words.index(stop)] if stop in words else words
    command, context = cli, click.Context(cli, info_name="tam-video")
    while isinstance(command, click.Group) and words:
        name, command, words = command.resolve_command(context, words)
        context = click.Context(command, parent=context, info_name=name)
    with contextlib.suppress(click.exceptions.Exit):  # of --help and --version
        command.make_context(context.info_name, list(words), parent=context.parent)


COMMANDS = {
    f"{page.relative_to(ROOT)}: {line}": line
    for page in PAGES
    for line in shown_commands(page.read_text(encoding="utf-8"))
}


@pytest.mark.parametrize("line", COMMANDS.values(), ids=COMMANDS.keys())
def test_documented_command_parses(line):
    parse(line)


@pytest.mark.parametrize("line", VERSION_1.read_text(encoding="utf-8").splitlines())
def test_command_of_version_1_parses(line):
    parse(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_documented_modules_exist(page):
    names = re.findall(r"python -m ((?:benchmarks|training)[\w.]*)", page.read_text("utf-8"))

    assert [name for name in names if find_spec(name.rstrip(".")) is None] == []


def test_wrong_option_is_noticed():
    with pytest.raises(click.UsageError):
        parse("tam-video explain clip.mp4 --no-such-option")


def test_pages_show_commands():
    assert len(COMMANDS) > 60
