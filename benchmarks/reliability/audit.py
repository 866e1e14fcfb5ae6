"""Pins against what is installed, and both against `security/advisories.toml`. Needs no network.

`scripts/audit` runs it; exit code 1 tells of a pin that is not what runs, of a version known to be
bad that nobody accepted, or of an acceptance that is no longer needed. A range of pyproject.toml
that admits such a version is record, and is no failure.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[2]


def pinned_versions(constraints: str) -> dict[str, str]:
    """Package -> version of each line `name==version`."""
    lines = (line.partition("#")[0].strip() for line in constraints.splitlines())
    pairs = (line.split("==") for line in lines if line)
    return {canonicalize_name(name): version for name, version in pairs}


def installed_versions() -> dict[str, str]:
    """Package -> version of what this interpreter would import."""
    result = ((each.metadata["Name"], each.version) for each in distributions())
    return {canonicalize_name(name): version for name, version in result if name}


def drifted(pins: Mapping[str, str], installed: Mapping[str, str]) -> Iterator[str]:
    """Pins that are not what runs; a package that is not installed here is none."""
    for name, version in pins.items():
        there = installed.get(name, version).partition("+")[0]
        if there != version:
            yield f"{name} is pinned at {version}, {there} is installed"


def known_bad(
    advisories: list[dict[str, Any]], versions: Mapping[str, str]
) -> Iterator[tuple[str, bool]]:
    """What an advisory says of the versions, and whether it is a problem."""
    for record in advisories:
        version = versions.get(record["package"])
        ids = ", ".join(record["ids"])
        named = f"{ids}: {record['package']} {record['affected']}, {record['what']}"
        reason = record.get("accepted")
        if version is not None and SpecifierSet(record["affected"]).contains(version, True):
            yield f"{named}; {version} is in use", reason is None
        elif reason is not None:
            yield f"{named}: accepted, but {version} is not affected", True


def admitted(advisories: list[dict[str, Any]], project: Mapping[str, Any]) -> Iterator[str]:
    """Ranges of pyproject.toml whose lowest version is known to be bad."""
    extras = project["optional-dependencies"].values()
    for text in [*project["dependencies"], *(each for extra in extras for each in extra)]:
        asked = Requirement(text)
        lowest = next((part.version for part in asked.specifier if part.operator == ">="), None)
        for record in advisories:
            is_named = (
                canonicalize_name(asked.name) == record["package"] and "accepted" not in record
            )
            if is_named and lowest and SpecifierSet(record["affected"]).contains(lowest, True):
                yield f"{text} admits {lowest}: {', '.join(record['ids'])}"


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / name).read_text(encoding="utf-8"))


def main() -> int:
    """Print what was found; 1 if something is wrong."""
    pins = pinned_versions((REPOSITORY / "constraints.txt").read_text())
    advisories = _toml("security/advisories.toml")["advisory"]
    project = _toml("pyproject.toml")["project"]
    installed = installed_versions()
    record = list(known_bad(advisories, {**installed, **pins}))
    problems = [*drifted(pins, installed), *(text for text, is_problem in record if is_problem)]
    for text in (text for text, is_problem in record if not is_problem):
        print(f"accepted: {text}")
    for text in admitted(advisories, project):
        print(f"range: {text}")
    for text in problems:
        print(f"problem: {text}")
    ids = sum(len(each["ids"]) for each in advisories)
    print(f"{len(pins)} pins, {len(pins.keys() & installed)} installed, {ids} advisories: ", end="")
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
