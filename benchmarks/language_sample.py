"""Draw docstring heads, help texts and error messages for a person to read.

    python -m benchmarks.language_sample --seed 1 -n 100

Prints numbered texts with their file and line. A reader who has not seen the code marks each text
that needs a second reading; docs/quality.md has the counts.
"""

from __future__ import annotations

import argparse
import ast
import random
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
HELP = ("help", "short_help", "unset")


def texts(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, kind and text of what a module says to its readers."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            head = (ast.get_docstring(node) or "").partition("\n\n")[0]
            if head:
                yield getattr(node, "lineno", 1), "docstring", f"{label(node)}: {head}"
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            for argument in (*node.exc.args, *(k.value for k in node.exc.keywords)):
                if is_text(argument):
                    yield node.lineno, "error", ast.unparse(argument)
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg in HELP and is_text(keyword.value):
                    yield node.lineno, "help", ast.unparse(keyword.value)
            if is_setting(node) and is_text(node.args[1]):
                yield node.lineno, "help", ast.unparse(node.args[1])


def is_setting(node: ast.Call) -> bool:
    """Whether a call is `setting(default, help, ...)`."""
    return isinstance(node.func, ast.Name) and node.func.id == "setting" and len(node.args) > 1


def label(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> str:
    """Name what a docstring belongs to."""
    return "module" if isinstance(node, ast.Module) else node.name


def is_text(node: ast.expr) -> bool:
    """Whether a node is a string of several words."""
    if isinstance(node, ast.JoinedStr):
        return True
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value


def main() -> int:
    """Print a seeded sample."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-n", type=int, default=100, help="number of texts")
    options = parser.parse_args()
    everything = [
        (path.relative_to(ROOT), *text)
        for path in sorted((ROOT / "tam_video").rglob("*.py"))
        for text in texts(path)
    ]
    rng = random.Random(options.seed)
    for number, (path, line, kind, text) in enumerate(rng.sample(everything, options.n), start=1):
        print(f"{number}. [{kind}] {path}:{line}\n   {text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
