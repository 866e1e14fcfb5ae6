"""Read presets: TOML files with a pipeline, its inputs and its options.

Precedence, lowest first: a pipeline's defaults, the preset, overrides (`--set`, and the inputs and
the output of a command line).
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
from tam_video.pipelines.problems import (
    KeyPath,
    dotted,
    format_value,
    key_lines,
    line_of,
    list_problems,
)

SCHEMA = 1
_MAX_BYTES = 1 << 20
_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_preset(path: str | Path, *, overrides: Mapping[str, Any] | None = None) -> PipelineOptions:
    """Read a preset and check it.

    Args:
        path: a TOML file in UTF-8 of at most 1 MiB. Its `inputs` are relative to its folder, its
            `output` to the working directory.
        overrides: dotted key -> value that replaces the one of the preset. Inputs given here are
            relative to the working directory.

    Returns:
        The options of the pipeline that the preset names.

    Raises:
        PresetError: it can't be read, is not valid TOML, or has invalid keys: one line for each
            problem, with the key, its line, what was found and what is allowed.
    """
    name, changes = _printable(str(path)), dict(overrides or {})
    text = _read_text(Path(path), name)
    try:
        data = _parse(text, name)
        _override(data, changes, name)
        result = _check(data, None if "inputs" in changes else Path(path).parent)
    except RecursionError as exc:
        raise PresetError(name, ["tables or lists are nested too deeply"]) from exc
    if isinstance(result, PipelineOptions):
        return result
    raise PresetError(
        name, _locate(result, text, changes), hint="`tam-video run --new PIPELINE` shows all keys"
    )


def read_override(text: str) -> tuple[str, Any]:
    """Parse `key.sub=value` into a dotted key and a value.

    The value is TOML: `16`, `["gif"]`, `true`. A bare word that is not TOML is a string.

    Raises:
        ConfigError: there is no key, or the value starts like TOML and is not valid.
    """
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    if not equals or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", key):
        raise ConfigError(f"{text!r} is not KEY=VALUE", hint="for example: --set run.num_frames=16")
    try:
        parsed = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError) as exc:
        if value[:1] in ("", "[", "{", '"', "'"):
            raise ConfigError(
                f"--set {key}: {value!r} is not a TOML value",
                hint="""in a shell, add quotes: --set 'questions=["What moves?"]'""",
            ) from exc
        return key, value
    return key, parsed["value"] if len(parsed) == 1 else value


def load_pipeline(name: str) -> type[Pipeline]:
    """Return the class of a pipeline.

    Raises:
        UnknownNameError: there is no such pipeline.
        ConfigError: a plug-in can't be loaded.
        MissingDependencyError: it needs a package that is not installed.
    """
    try:
        pipeline: type[Pipeline] = PIPELINES.load(name)
    except MissingDependencyError:
        raise
    except (ImportError, AttributeError) as exc:
        raise ConfigError(
            f"the pipeline {name!r} can't be loaded: {exc}",
            hint="repair or uninstall the package that provides the pipeline",
        ) from exc
    return pipeline


def _read_text(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise PresetError(name, [f"can't be read: {reason}"], hint="check the path") from exc
    if len(raw) > _MAX_BYTES:
        raise PresetError(name, ["larger than 1 MiB"], hint="check that the file is a preset")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise PresetError(name, [f"line {line}: not UTF-8"], hint="save the file as UTF-8") from exc


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as exc:  # also for numbers with too many digits
        match = _POSITION.search(str(exc))
        position = "end of the file: " if match else ""
        if match and match[1]:
            position = f"line {match[1]}, column {match[2]}: "
        problem = f"{position}not valid TOML: {_POSITION.sub('', str(exc))}"
        raise PresetError(name, [problem]) from exc


def _override(data: dict[str, Any], changes: Mapping[str, Any], name: str) -> None:
    for key, value in changes.items():
        *tables, last = key.split(".")
        target: Any = data
        for number, table in enumerate(tables):
            target = target.setdefault(table, {})
            if not isinstance(target, dict):
                path = ".".join(tables[: number + 1])
                raise PresetError(name, [f"override {key}: {path} is not a table"])
        target[last] = value


def _check(
    data: Mapping[str, Any], inputs_folder: Path | None
) -> PipelineOptions | dict[KeyPath, str]:
    """Validate a preset. Return the options, or a message for each invalid key."""
    schema = data.get("schema", SCHEMA)
    if type(schema) is not int or schema != SCHEMA:
        return {("schema",): f"found {format_value(schema)}, allowed: {SCHEMA}"}
    name = data.get("pipeline")
    if not isinstance(name, str):
        problem = "missing" if name is None else f"found {format_value(name)}"
        return {("pipeline",): f"{problem}, allowed: {', '.join(PIPELINES.names())}"}
    try:
        model = load_pipeline(name).options_type
    except UnknownNameError as exc:
        return {("pipeline",): f"{exc.message}; {exc.hint}"}
    values = {key: value for key, value in data.items() if key != "schema"}
    resolved = values if inputs_folder is None else {**values, **_inputs(values, inputs_folder)}
    options, errors = None, []
    try:
        options = model.model_validate_json(json.dumps(resolved, default=str), strict=True)
    except ValidationError as exc:
        errors = exc.errors()
    except ConfigError as exc:
        return {(): exc.message}
    problems = list_problems(errors, values, model)
    return problems if problems or options is None else options


def _locate(
    problems: Mapping[KeyPath, str], text: str, overrides: Mapping[str, Any]
) -> Iterator[str]:
    """Yield each problem with the line number of its key, sorted by line."""
    lines = key_lines(text)
    for path in sorted(problems, key=lambda path: line_of(path, lines) or 0):
        key, line = dotted(path), line_of(path, lines)
        position = f"line {line}, {key}: " if line else f"{key}: " if key else ""
        if any(key == each or key.startswith((f"{each}.", f"{each}[")) for each in overrides):
            position = f"override {key}: "
        yield f"{position}{problems[path]}"


def _inputs(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    inputs = data.get("inputs")
    if not isinstance(inputs, list):
        return {}
    return {
        "inputs": [_resolve(each, folder) if isinstance(each, str) else each for each in inputs]
    }


def _resolve(text: str, folder: Path) -> str:
    """Resolve a relative path against a folder. URLs and absolute paths are returned unchanged."""
    if not text or protocol(text) is not None or text.startswith("/"):
        return text
    home = folder.resolve()
    while text.startswith("../"):  # `home` is resolved: its parent is not that of a link
        home, text = home.parent, text.removeprefix("../").lstrip("/")
    start = glob.escape(str(home)) if WILD & set(text) else str(home)
    return str(Path(start, text))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
