"""Fail on names and phrases that the project no longer uses; docs/glossary.md has the present ones.

Identifiers are read from the syntax tree, phrases from the text of code and docs.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = ("tam_video", "tests", "benchmarks", "training", "samples", "scripts")
DOCS = ("docs", "pipelines", "README.md", "CONTRIBUTING.md", "SECURITY.md")

# Retired identifier -> what to write instead.
IDENTIFIERS = {
    "told": "record, payload, or what it is",
    "found": "result, or what it is",
    "asked_from_options": "parse_inputs",
    "asked_turns": "build_conversation",
    "load_asked_model": "load_model_from_config",
    "share_out": "assign_inputs",
    "writing": "wrap_os_errors",
    "write_whole": "atomic_write",
    "is_whole": "verify_run",
    "LineBook": "AppendLog",
    "settled": "completed",
    "_Bookkeeper": "ResultRecorder",
    "_hear": "on_event",
    "_lost": "on_worker_died",
    "_kill_the_late": "enforce_timeouts",
    "Sight": "ViewGeometry",
    "Choose": "SubjectSelector",
    "Aim": "SeekTarget",
    "borrowed": "deduplicated",
    "stranger_truth": "mismatched_ground_truth",
}
# Retired phrase (regular expression) -> what to write instead.
PHRASES = {
    r"worn down": "progressively deleted",
    r"foretells?": "predict",
    r"slow twin": "reference implementation",
    r"\bonly door\b": "public entry point",
    r"what had to give": "fallbacks taken",
    r"(?:gone|goes|go|going) on with": "resume",
    r"leans? on earlier": "frames reference earlier packets",
    r"nothing is heard": "emits no further events",
    r"hangs? together with": "connected component containing",
    r"from window to window": "step between window starts",
    r"hottest cell": "heatmap opacity, maximum",
    r"what it would cost": "estimate time and disk",
    r"visitors must show": "access token",
    r"people-text": "human-readable output",
    r"[Ww]hat was written\.": "the paths of the written files",
    r"(?<!\")\bplanted\b(?!\")": "injected error",  # quoted: a value in files of evaluations
}


def identifiers(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything that a module names or uses."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                yield line, name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.alias(name=name):
                yield line, name
            case ast.keyword(arg=str(name)):
                yield line, name


def problems(path: Path) -> Iterator[str]:
    """Yield one line for each retired name or phrase in a file."""
    where = path.relative_to(ROOT)
    if path.suffix == ".py":
        for line, name in sorted(set(identifiers(path))):
            if name in IDENTIFIERS:
                yield f"{where}:{line}: {name!r} is retired, use: {IDENTIFIERS[name]}"
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        for pattern, instead in PHRASES.items():
            if match := re.search(pattern, text):
                yield f"{where}:{number}: {match[0]!r} is retired, use: {instead}"


def files() -> Iterator[Path]:
    """Yield the files that are checked."""
    for name in (*CODE, *DOCS):
        path = ROOT / name
        for each in [path] if path.is_file() else sorted(path.rglob("*")):
            is_checked = each.suffix in (".py", ".md", ".toml") and "golden" not in each.parts
            if is_checked and each != Path(__file__).resolve():
                yield each


def main() -> int:
    """Print the problems; return 1 where there are any."""
    lines = [line for path in files() for line in problems(path)]
    print("\n".join(lines))
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
