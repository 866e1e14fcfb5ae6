"""Presets: a TOML file that says which pipeline is run, on what, and how.

What counts, from the weakest: a pipeline's defaults, the preset, overrides (`--set`, and the inputs
and the output of a command line).
"""

from __future__ import annotations

import glob
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tam_video.batch.clips import WILD
from tam_video.batch.sources import protocol
from tam_video.errors import ConfigError, MissingDependencyError, PresetError, UnknownNameError
from tam_video.pipelines.base import PIPELINES, Pipeline, PipelineOptions
from tam_video.pipelines.problems import dotted, shown, told_problems
from tam_video.pipelines.toml_lines import KeyPath, key_lines, line_of

SCHEMA = 1
_MAX_BYTES = 1 << 20
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_preset(path: str | Path, *, overrides: Mapping[str, Any] | None = None) -> PipelineOptions:
    """Read a preset and check it.

    Args:
        path: a TOML file in UTF-8 of at most 1 MiB. Its `inputs` count from its folder, its
            `output` from the working directory.
        overrides: dotted key -> value, in place of what the preset says. Inputs that are given
            here count from the working directory.

    Returns:
        The options of the pipeline that the preset names.

    Raises:
        PresetError: it can't be read, is no TOML, or holds what makes no sense: one line for each
            problem, with the key, its line, what was found and what is allowed.
    """
    name, given = _printable(str(path)), dict(overrides or {})
    text = _read_text(Path(path), name)
    try:
        data = _parse(text, name)
        _override(data, given, name)
        found = _checked(data, None if "inputs" in given else Path(path).parent)
    except RecursionError as exc:
        raise PresetError(name, ["tables or lists are nested too deeply"]) from exc
    if isinstance(found, PipelineOptions):
        return found
    raise PresetError(
        name, _placed(found, text, given), hint="`tam-video run --new PIPELINE` shows all keys"
    )


def read_override(text: str) -> tuple[str, Any]:
    """Read `key.sub=value` as a dotted key and a value.

    The value is TOML: `16`, `["gif"]`, `true`. A bare word that is none stands for itself.

    Raises:
        ConfigError: there is no key, or the value begins like TOML and is none.
    """
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    if not equals or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", key):
        raise ConfigError(f"{text!r} sets nothing", hint="--set run.num_frames=16")
    try:
        parsed = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError) as exc:
        if value[:1] in ("", "[", "{", '"', "'"):
            raise ConfigError(
                f"--set {key}: {value!r} is no value of TOML",
                hint="""in a shell: --set 'questions=["What moves?"]'""",
            ) from exc
        return key, value
    return key, parsed["value"] if len(parsed) == 1 else value


def load_pipeline(name: str) -> type[Pipeline]:
    """The class of a pipeline.

    Raises:
        UnknownNameError: there is none of this name.
        ConfigError: one of another package can't be loaded.
        MissingDependencyError: it needs a package that is not installed.
    """
    try:
        found: type[Pipeline] = PIPELINES.load(name)
    except MissingDependencyError:
        raise
    except (ImportError, AttributeError) as exc:
        raise ConfigError(
            f"the pipeline {name!r} can't be loaded: {exc}",
            hint="mend or uninstall the package that offers it",
        ) from exc
    return found


def _read_text(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise PresetError(name, [f"can't be read: {reason}"], hint="check the path") from exc
    if len(raw) > _MAX_BYTES:
        raise PresetError(name, ["larger than 1 MiB"], hint="is it a preset?")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise PresetError(name, [f"line {line}: not UTF-8"], hint="save it as UTF-8") from exc


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as exc:  # also a number of more digits than Python reads
        found = _PLACE.search(str(exc))
        where = "end of the file: " if found else ""
        if found and found[1]:
            where = f"line {found[1]}, column {found[2]}: "
        told = f"{where}no valid TOML: {_PLACE.sub('', str(exc))}"
        raise PresetError(name, [told]) from exc


def _override(data: dict[str, Any], given: Mapping[str, Any], name: str) -> None:
    for key, value in given.items():
        *tables, last = key.split(".")
        place: Any = data
        for number, table in enumerate(tables):
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                told = ".".join(tables[: number + 1])
                raise PresetError(name, [f"override {key}: {told} is no table"])
        place[last] = value


def _checked(
    data: Mapping[str, Any], inputs_folder: Path | None
) -> PipelineOptions | dict[KeyPath, str]:
    """The options, or what is wrong with which key."""
    schema = data.get("schema", SCHEMA)
    if type(schema) is not int or schema != SCHEMA:
        return {("schema",): f"found {shown(schema)}, allowed: {SCHEMA}"}
    asked = data.get("pipeline")
    if not isinstance(asked, str):
        told = "missing" if asked is None else f"found {shown(asked)}"
        return {("pipeline",): f"{told}, allowed: {', '.join(PIPELINES.names())}"}
    try:
        model = load_pipeline(asked).options_type
    except UnknownNameError as exc:
        return {("pipeline",): f"{exc.message}; {exc.hint}"}
    given = {key: value for key, value in data.items() if key != "schema"}
    placed = given if inputs_folder is None else {**given, **_from_folder(given, inputs_folder)}
    options, errors = None, []
    try:
        options = model.model_validate_json(json.dumps(placed, default=str), strict=True)
    except ValidationError as exc:
        errors = exc.errors()
    except ConfigError as exc:
        return {(): exc.message}
    problems = told_problems(errors, given, model)
    return problems if problems or options is None else options


def _placed(
    problems: Mapping[KeyPath, str], text: str, overrides: Mapping[str, Any]
) -> Iterator[str]:
    """Problems with the places of their keys, in the order of the lines."""
    lines = key_lines(text)
    for path in sorted(problems, key=lambda path: line_of(path, lines) or 0):
        key, line = dotted(path), line_of(path, lines)
        place = f"line {line}, {key}: " if line else f"{key}: " if key else ""
        if any(key == each or key.startswith((f"{each}.", f"{each}[")) for each in overrides):
            place = f"override {key}: "
        yield f"{place}{problems[path]}"


def _from_folder(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    inputs = data.get("inputs")
    if not isinstance(inputs, list):
        return {}
    return {"inputs": [_beside(each, folder) if isinstance(each, str) else each for each in inputs]}


def _beside(text: str, folder: Path) -> str:
    """A path that counts from a folder; addresses and absolute paths as they are."""
    if not text or protocol(text) is not None or text.startswith("/"):
        return text
    home = folder.resolve()
    while text.startswith("../"):  # no link is stepped over: `home` is resolved
        home, text = home.parent, text.removeprefix("../").lstrip("/")
    start = glob.escape(str(home)) if WILD & set(text) else str(home)
    return str(Path(start, text))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
