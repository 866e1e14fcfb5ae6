"""Write what is generated from the declarations of settings: `python docs/generate.py`.

The tables between `<!-- settings: NAME ... -->` and `<!-- end of settings -->` in the pages, where
a name is a group, a pipeline, or a field of one as "group.field"; the presets in `pipelines/`; and
the keywords of Python in `tam_video/settings/keywords.py`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tam_video.settings.declare import REQUIRED, Field, declared
from tam_video.settings.groups import GROUPS, run_fields

ROOT = Path(__file__).resolve().parents[1]
_REGION = re.compile(r"(<!-- settings: (.+?) -->\n).*?(<!-- end of settings -->)", re.DOTALL)
_KEYWORDS = '''"""The settings of a run as keyword arguments; written by `docs/generate.py`."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


# ruff: noqa: E501
# fmt: off
class SettingKeywords(TypedDict, total=False):
    """All settings except the model, as keyword arguments."""

'''


def outputs() -> Iterator[tuple[Path, str]]:
    """Yield each generated file with its text."""
    from tam_video.pipelines.base import PIPELINES
    from tam_video.pipelines.new import preset_text

    yield ROOT / "tam_video" / "settings" / "keywords.py", keywords(run_fields())
    for name in PIPELINES.targets:
        yield ROOT / "pipelines" / f"{name.replace('-', '_')}.toml", preset_text(name)
    for page in sorted((ROOT / "docs").glob("*.md")):
        yield page, fill(page.read_text(encoding="utf-8"))


def fill(text: str) -> str:
    """Return a page with its tables written anew."""
    return _REGION.sub(lambda match: f"{match[1]}{_tables(match[2])}{match[3]}", text)


def keywords(fields: Iterable[Field]) -> str:
    """Return the source of the `TypedDict` of settings."""
    lines = (f"    {field.name}: {_source(field.type)}\n" for field in fields)
    return _KEYWORDS + "".join(line for line in lines if not line.startswith("    model:"))


def table(fields: Iterable[Field]) -> str:
    """Return a Markdown table of fields."""
    rows = ["| setting | option | default | meaning |", "|---|---|---|---|"]
    for field in fields:
        flags = ", ".join(f"`{each}`" for each in (field.setting.short, field.flag) if each)
        default = field.default_text
        if default and default != field.setting.unset:
            default = f"`{default}`"
        rows.append(
            f"| `{field.name}` | {flags} | {default} | {field.meaning} |".replace("  ", " ")
        )
    return "\n".join(rows) + "\n"


def key_table(fields: Iterable[Field]) -> str:
    """Return a Markdown table of the keys of a preset."""
    from tam_video.pipelines.new import toml

    rows = ["| key | default | meaning |", "|---|---|---|"]
    for field in fields:
        default = "required" if field.default is REQUIRED else field.setting.unset
        if field.default is not REQUIRED and field.default is not None and field.name != "run":
            default = f"`{toml(field.default)}`"
        rows.append(f"| `{field.name}` | {default} | {field.meaning} |".replace("  ", " "))
    return "\n".join(rows) + "\n"


def _tables(names: str) -> str:
    """Return the tables of groups, or the table of a pipeline or of "group.field" names."""
    from tam_video.pipelines.preset import load_pipeline

    parts = names.split()
    if parts[0] in GROUPS:
        heads = ((GROUPS[part].__doc__ or "").rstrip(".") for part in parts)
        tables = (table(declared(GROUPS[part])) for part in parts)
        headed = (f"\n### {head}\n\n{rows}" for head, rows in zip(heads, tables, strict=True))
        return "".join(headed) + "\n"
    group = parts[0].partition(".")[0]
    fields = declared(GROUPS[group] if group in GROUPS else load_pipeline(group).options_type)
    chosen = [f for f in fields if f"{group}.{f.name}" in parts or parts == [group]]
    shown = [field for field in chosen if field.name != "pipeline"]
    return table(shown) if group in GROUPS else key_table(shown)


def _source(annotation: object) -> str:
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    text = text.replace("typing.", "").replace("'", '"')
    union = re.fullmatch(r"Union\[(.*)\]", text)
    return re.sub(r", (?![^\[]*\])", " | ", union[1]) if union else text


if __name__ == "__main__":
    stale = [
        path
        for path, text in outputs()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in outputs():
        if path in stale:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")
