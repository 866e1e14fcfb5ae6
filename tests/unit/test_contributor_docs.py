"""The pages for contributors and the workflow name files that exist."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml

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


def test_the_workflow_runs_scripts_of_this_repository_on_the_supported_versions():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    lines = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    scripts = [re.fullmatch(r"(?:PYTHON=python )?(scripts/\w+)", line) for line in lines]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [each.rpartition(" ")[2] for each in project["classifiers"] if "Python :: 3." in each]

    assert all(script and os.access(ROOT / script[1], os.X_OK) for script in scripts)
    assert jobs["test"]["strategy"]["matrix"]["python"] == named
    assert project["requires-python"] == f">={named[0]}"
