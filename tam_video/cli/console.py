"""Helpers for all commands: human-readable output on stderr, JSON on stdout, and exit codes."""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from tam_video.errors import PresetError, TamVideoError
from tam_video.stages import StageProgress

_OBJECTS_BETWEEN_COLLECTIONS = 50_000  # Python's own 700 costs a tenth of a cold start
_LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}


def with_console(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--json`, `-v` and `--quiet` to a command, and run the command inside a `session`."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
    @click.option("-v", "--verbose", count=True, help="Log more; -vv logs debug output.")
    @click.option("--quiet", is_flag=True, help="Print errors only.")
    @wraps(command)
    def run(*, as_json: bool, verbose: int, quiet: bool, **options: Any) -> None:
        with session(as_json=as_json, quiet=quiet, verbose=verbose) as console:
            command(console, **options)

    return run


@dataclass(frozen=True, slots=True)
class Console:
    """Output of a command: text, or one JSON object if `as_json`. `quiet` hides the progress."""

    as_json: bool = False
    quiet: bool = False

    def note(self, text: str) -> None:
        """Print a line on stderr, unless `quiet`."""
        if not self.quiet:
            click.echo(one_line(text), err=True)

    def warn(self, warnings: Iterable[str]) -> None:
        """Print warnings on stderr, unless `quiet`."""
        for warning in warnings:
            self.note(f"warning: {warning}")

    def result(self, document: Mapping[str, Any], text: str) -> None:
        """Print `document` as JSON on stdout if `as_json`, else print `text`."""
        _echo(json.dumps(document, ensure_ascii=False, default=_plain) if self.as_json else text)

    @contextmanager
    def progress(self) -> Iterator[StageProgress]:
        """Show progress on stderr: a bar on a terminal, plain lines elsewhere."""
        if self.quiet:
            yield lambda _stage, _done, _total: None
        elif sys.stderr.isatty():
            with _bars() as update:
                yield update
        else:
            yield _lines(self)


@contextmanager
def session(*, as_json: bool, quiet: bool, verbose: int) -> Iterator[Console]:
    """Run the body of a command: set up logging, and report errors as one line and an exit code."""
    console = Console(as_json=as_json, quiet=quiet)
    try:
        with _logging_at(_LEVELS.get(-1 if quiet else min(verbose, 2), logging.DEBUG)):
            yield console
    except TamVideoError as exc:
        if os.environ.get("TAM_VIDEO_DEBUG"):
            raise
        _report(exc, as_json=as_json)
        sys.exit(exc.exit_code)
    except KeyboardInterrupt:
        click.echo("interrupted; no incomplete files were left", err=True)
        sys.exit(130)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage less often: imports and model loading create many long-lived objects."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def _logging_at(level: int) -> Iterator[None]:
    """Log messages of at least `level` to stderr, and restore the previous logging afterwards."""
    root, handler = logging.getLogger(), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def _report(exc: TamVideoError, *, as_json: bool) -> None:
    hint = f" (hint: {exc.hint})" if exc.hint else ""
    lines = exc.message.split("\n") if isinstance(exc, PresetError) else [exc.message]
    message = "\n".join(map(one_line, lines))
    click.echo(f"error: {message}{one_line(hint)}", err=True)
    if as_json:
        error = {"type": type(exc).__name__, "message": exc.message, "hint": exc.hint}
        _echo(json.dumps({"error": error}, ensure_ascii=False))


def _echo(text: str) -> None:
    """Print text on stdout. Bytes of file names that are invalid UTF-8 are escaped."""
    click.echo(text.encode("utf-8", "backslashreplace").decode())


def one_line(text: str) -> str:
    """Return untrusted text as one line without control characters."""
    return "".join(c if c.isprintable() else " " for c in text)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


@contextmanager
def _bars() -> Iterator[StageProgress]:
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=RichConsole(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                for other in tasks.values():
                    bars.update(other, visible=False)
                tasks[stage] = bars.add_task(stage, total=total or None)
            bars.update(tasks[stage], completed=done, total=total or None)

        yield update


def _lines(console: Console) -> StageProgress:
    shown: set[tuple[str, int]] = set()

    def update(stage: str, done: int, total: int) -> None:
        quarter = 4 * done // total if total else 0
        if (stage, quarter) not in shown:
            shown.add((stage, quarter))
            console.note(f"{stage} {25 * quarter}%" if total else stage)

    return update
