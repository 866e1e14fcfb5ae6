"""Generate a new preset from the declared options of a pipeline."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from tam_video.config import RunConfig
from tam_video.pipelines.base import PIPELINES
from tam_video.pipelines.preset import SCHEMA, load_pipeline
from tam_video.pipelines.problems import table_model
from tam_video.settings.declare import REQUIRED, Field, declared
from tam_video.settings.groups import GROUPS

_WIDTH, _NOTE_COLUMN, _LONGEST_NOTE = 110, 32, 84
_HEAD = """\
# {summary}
#
#   tam-video run {file}
#   tam-video run {file} INPUT... -o DIR --set run.num_frames=16
#
# A line "# key = value" shows a default; remove the first "#" to change it. Where the comment
# starts with "unset", the key has no value and the line shows an example.
# Later ones take precedence: defaults, this file, the command line (INPUT, -o, --set).

schema = {schema}  # version of the preset format
pipeline = {name}
"""


def preset_text(name: str) -> str:
    """Return the text of a preset with all keys of a pipeline and a comment for each key.

    Raises:
        UnknownNameError: there is no such pipeline.
    """
    pipeline = load_pipeline(name)
    head = _HEAD.format(
        summary=(pipeline.__doc__ or name).partition("\n")[0],
        file=f"pipelines/{name.replace('-', '_')}.toml" if name in PIPELINES.targets else "PRESET",
        schema=SCHEMA,
        name=toml(name),
    )
    fields = declared(pipeline.options_type)
    keys = [field for field in fields if table_model(field.type) is None]
    tables = [field for field in fields if table_model(field.type) not in (None, RunConfig)]
    tables += [field for field in fields if field.type is RunConfig]
    return "\n".join(
        [
            head,
            *_keys(keys, {"output": f"{name.replace('-', '_')}_out"}),
            *chain.from_iterable(map(_table, tables)),
            "",
        ]
    )


def toml(value: Any) -> str:
    """Format a value as TOML."""
    if isinstance(value, Mapping):
        pairs = (f"{key} = {toml(each)}" for key, each in value.items() if each is not None)
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)


def _table(field: Field) -> Iterator[str]:
    """Yield the lines for a table, a list of tables, or the settings of a run."""
    model = table_model(field.type)
    yield from ["", *_comment(field.setting.help)]
    if model is RunConfig:
        yield f"[{field.name}]"
        for number, group in enumerate(GROUPS.values()):
            yield from [""] if number else []
            yield f"# --- {(group.__doc__ or '').rstrip('.')}"
            yield from _keys(declared(group))
    elif field.setting.value is None:
        yield f"[{field.name}]"
        yield from _keys(declared(model))
    else:
        for number, values in enumerate(field.setting.value):
            yield from [""] if number else []
            yield f"[[{field.name}]]"
            yield from _keys(
                (each for each in declared(model) if not number or each.name in values), values
            )


def _keys(fields: Iterable[Field], values: Mapping[str, Any] | None = None) -> Iterator[str]:
    """Yield the lines of the keys, with a comment for each key. A long comment is above its key."""
    for field in fields:
        setting = field.setting
        if field.name == "pipeline":
            continue
        value = (values or {}).get(field.name, setting.value)
        is_set = value is not None
        if not is_set:
            value = setting.example if field.default is None else field.default
        if value is REQUIRED:
            value = ""
        line = f"{'' if is_set else '# '}{field.name} = {toml(value)}"
        unset = f"unset: {setting.unset}" if not is_set and field.default is None else ""
        note = ". ".join(filter(None, (unset, field.meaning)))
        if len(note) > _LONGEST_NOTE:
            yield from _comment(field.meaning)
            note = unset
        yield f"{line:<{_NOTE_COLUMN}}  # {note}" if note else line


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")
