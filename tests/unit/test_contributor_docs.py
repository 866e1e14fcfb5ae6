"""The pages for contributors name files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_named_files_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*|\w+\.py)(?=[` ])", text))
    named |= set(re.findall(r"^ ?(\w+/) ", text, flags=re.M))

    missing = [
        name
        for name in named
        if not any((folder / name).exists() for folder in (ROOT, ROOT / "tam_video"))
    ]

    assert len(named) > 10
    assert missing == []


def test_every_package_is_described():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    packages = {path.parent.name for path in (ROOT / "tam_video").glob("*/__init__.py")}

    assert [name for name in sorted(packages) if f"`{name}/`" not in text] == []
