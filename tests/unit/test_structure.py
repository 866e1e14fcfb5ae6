"""Rules on the files of the package: no import cycles, and limits on their sizes.

An exception that is no longer needed fails its test.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 8

PUBLIC = "a public function with keyword-only options"
COMMAND = "a command: one parameter for each option"
MANY_PARAMETERS = {
    "tam_video.cli.run.run_command": COMMAND,
    "tam_video.export.exporting.export_explanation": PUBLIC,
    "tam_video.export.exporting.export_run": PUBLIC,
    "tam_video.long.run.explain_long": PUBLIC,
    "tam_video.runs.explain_to_folder": PUBLIC,
    "tam_video.video.writer.write_video": PUBLIC,
}


def read_modules() -> dict[str, tuple[Path, ast.Module]]:
    """The modules of the package by their dotted names."""
    modules = {}
    for path in sorted((ROOT / "tam_video").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = (path, ast.parse(path.read_text(encoding="utf-8")))
    return modules


MODULES = read_modules()


def imported_modules(tree: ast.Module) -> set[str]:
    """The modules of the package that a file imports, lazily or for its types too."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, "imports are absolute"
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= members & MODULES.keys() or {node.module}
    return names & MODULES.keys()


def functions(tree: ast.Module, prefix: str):
    """The functions and methods of a file, with their dotted names; no nested functions."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}.{node.name}", node
        elif isinstance(node, ast.ClassDef):
            yield from functions(ast.Module(node.body, []), f"{prefix}.{node.name}")


FUNCTIONS = {
    name: node for module, (_, tree) in MODULES.items() for name, node in functions(tree, module)
}


def test_no_import_cycle_exists():
    graph = {name: imported_modules(tree) - {name} for name, (_, tree) in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        pytest.fail(f"import cycle: {' -> '.join(exc.args[1])}")


def test_types_import_nothing_above_them():
    for name, (_, tree) in MODULES.items():
        if name.startswith("tam_video.types"):
            assert all(each.startswith("tam_video.types") for each in imported_modules(tree)), name


def test_no_module_is_too_long():
    lengths = {
        name: len(path.read_text(encoding="utf-8").splitlines())
        for name, (path, _) in MODULES.items()
    }
    long = {name for name, length in lengths.items() if length > MAX_MODULE_LINES}
    assert not long


def test_no_function_is_too_long():
    long = {
        name
        for name, node in FUNCTIONS.items()
        if (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    }
    assert not long


def test_no_function_has_too_many_parameters():
    def count(arguments: ast.arguments) -> int:
        names = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        return sum(each.arg not in ("self", "cls") for each in names)

    many = {name for name, node in FUNCTIONS.items() if count(node.args) > MAX_PARAMETERS}
    assert many == MANY_PARAMETERS.keys()
