"""Run the tests against mutants of the code: small faults that a test has to notice.

    python -m benchmarks.mutation --sample 200 --seed 0 --workers 2 --out docs/results/mutation.json
    python -m benchmarks.mutation --hand

Mutants come from cosmic-ray. Each is applied in a copy of the checkout, where the tests of its
module run first, then those of its package. A run continues where it stopped: mutants that stand in
the output file are not tried again. `--hand` tries the faults of `HAND_MADE` instead.

Left out are mutants that change no result, so that no test can notice them:

- in annotations, which are never evaluated, and in arguments of class decorators (`slots=True`);
- `is` in place of `==`;
- `if TYPE_CHECKING`, and `@cache` and `@lru_cache` with their sizes: results are only kept;
- the -1 of `reshape`: any negative number stands for the missing side;
- `strict=True` of `zip`, an assertion: the lengths are equal by construction;
- the constants of `SPEED_CONSTANTS`, which bound memory or change the speed alone.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Literal, TypeAlias

from scipy.stats import binomtest

ROOT = Path(__file__).parents[1]
# Folder or module -> its tests beyond tests/unit/<package>, the quick ones first. The longest name
# counts.
MORE_TESTS: dict[str, tuple[str, ...]] = {
    "tam": ("tests/integration/test_tiny.py",),
    "video": ("tests/contract/test_readers.py",),
    "video/live": ("tests/integration/test_stream.py",),
    "render": ("tests/integration/test_render.py", "tests/integration/test_layouts.py"),
    "batch": ("tests/integration/test_batch.py",),
    "batch/object_store": ("tests/integration/test_batch_s3.py",),
    "batch/engines": ("tests/contract/test_engines.py",),
    "export": ("tests/contract/test_exporters.py", "tests/integration/test_export.py"),
}
PACKAGES = tuple(name for name in MORE_TESTS if "/" not in name)
SPEED_CONSTANTS = frozenset(
    {
        "CELLS_PER_BLOCK",
        "VALUES_PER_BLOCK",
        "_NEIGHBOUR_VALUES",
        "_SEEK_COST",
        "_POLL_SECONDS",
        "_LONGEST_WAIT_SECONDS",
        "_READ_AT_ONCE",
        "_ROWS_AT_ONCE",
        "_QUESTIONS_AT_ONCE",
        "_KEPT_BARS",
        "_KEPT_SLOTS",
        "_THREADS",
        "_LOOKAHEAD",
        "_SAMPLED_RUNS",
    }
)
TIMEOUT_SECONDS = 300
_RAY, _RAY_TESTS = Lock(), "tests/contract/test_engines.py"
Outcome: TypeAlias = Literal["killed", "survived"]


@dataclass(frozen=True, slots=True)
class HandMade:
    """A fault that is written down.

    Attributes:
        module: path of the file from the root of the checkout.
        old: text that occurs once in it.
        new: the fault.
        tests: the tests that have to notice it.
    """

    module: str
    old: str
    new: str
    tests: str


HAND_MADE = (
    HandMade(
        "tam_video/batch/ledger.py",
        "in reversed(list(enumerate(self.logs)))",
        "in list(enumerate(self.logs))",
        "tests/unit/batch/test_ledger.py",
    ),
    HandMade(
        "tam_video/render/elements.py",
        "x_scale, y_scale = rect.width / width, rect.height / height",
        "y_scale, x_scale = rect.width / width, rect.height / height",
        "tests/unit/render/test_elements.py",
    ),
    HandMade(
        "tam_video/batch/dispatch.py",
        "self._deaths[question.key] > _DEATHS_ALONE",
        "self._deaths[question.key] >= _DEATHS_ALONE",
        "tests/unit/batch/test_dispatch.py",
    ),
    HandMade(
        "tam_video/video/source.py",
        "if not allow_other:",
        "if False:",
        "tests/unit/video/test_source.py",
    ),
    HandMade(
        "tam_video/video/source.py",
        "if not fits:",
        "if False:",
        "tests/unit/video/test_source.py",
    ),
    HandMade(
        "tam_video/render/captions.py",
        "max(0, min(current - 1, len(self.lines) - self.visible_lines))",
        "max(0, min(current, len(self.lines) - self.visible_lines))",
        "tests/unit/render/test_captions.py",
    ),
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One small fault.

    Attributes:
        module: path of the file from the root of the checkout.
        operator: name of cosmic-ray's operator.
        occurrence: which of the places where the operator applies, from 0.
        line: line of the place, from 1.
        definition: the function or class that it is in.
    """

    module: str
    operator: str
    occurrence: int
    line: int
    definition: str


def all_mutants(module: Path) -> Iterator[Mutant]:
    """Yield every mutant of a file that a test could notice."""
    from cosmic_ray.ast import ast_nodes, get_ast_from_path
    from cosmic_ray.ast.ast_query import ASTQuery
    from cosmic_ray.plugins import get_operator, operator_names

    tree = get_ast_from_path(module)
    ignored = set(ignored_positions(module.read_text(encoding="utf-8")))
    for name in operator_names():
        operator_type = get_operator(name)
        if operator_type.arguments() or name.endswith(("_Is", "_IsNot")):
            continue
        operator = operator_type()
        places = [
            (node, start)
            for node in ast_nodes(tree)
            for start, _ in operator.mutation_positions(node)
        ]
        for occurrence, (node, start) in enumerate(places):
            if start not in ignored:
                definition = ASTQuery(node).get_definition_name() or ""
                path = module.relative_to(ROOT).as_posix()
                yield Mutant(path, name, occurrence, start[0], definition)


def ignored_positions(source: str) -> Iterator[tuple[int, int]]:
    """Yield (line, column) of every character whose mutants change no result."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        for part in ignored_parts(node):
            yield from positions(part, lines)
            yield part.lineno, part.col_offset - 1  # the @ of a decorator


def ignored_parts(node: ast.AST) -> Iterator[ast.expr | ast.keyword]:
    """Yield the parts of a node whose mutants change no result; see above."""
    for name in ("annotation", "returns"):
        if isinstance(part := getattr(node, name, None), ast.expr):
            yield part
    match node:
        case ast.ClassDef(decorator_list=decorators):
            for decorator in decorators:
                if isinstance(decorator, ast.Call):
                    yield from decorator.keywords
        case ast.FunctionDef(decorator_list=decorators):
            yield from (each for each in decorators if "cache" in name_of(each).split("_"))
        case ast.If(test=ast.Name(id="TYPE_CHECKING") as test):
            yield test
        case ast.Call(func=ast.Attribute(attr="reshape"), args=sides):
            yield from (side for side in sides if ast.unparse(side) == "-1")
        case ast.Call(func=ast.Name(id="zip"), keywords=keywords):
            yield from keywords
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in SPEED_CONSTANTS:
            yield value


def name_of(decorator: ast.expr) -> str:
    """Name a decorator without its arguments."""
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)


def positions(node: ast.expr | ast.keyword, lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield (line, column) of every character of a node."""
    last_line = node.end_lineno or node.lineno
    for line in range(node.lineno, last_line + 1):
        first = node.col_offset if line == node.lineno else 0
        last = (node.end_col_offset or 0) if line == last_line else len(lines[line - 1])
        yield from ((line, column) for column in range(first, last))


def sample_mutants(number: int, seed: int, packages: Sequence[str]) -> list[Mutant]:
    """Draw mutants: a module by its number of lines, then one of its operators, then a place.

    Operators that apply in many ways (each of 11 replacements of `+`) weigh as one.
    """
    rng = random.Random(seed)
    modules = sorted(
        path
        for package in packages
        for path in (ROOT / "tam_video" / package).rglob("*.py")
        if path.name != "__init__.py"
    )
    weights = [len(path.read_text(encoding="utf-8").splitlines()) for path in modules]
    mutants: dict[Path, list[Mutant]] = {}
    chosen: dict[Mutant, None] = {}
    while len(chosen) < number:
        [path] = rng.choices(modules, weights)
        if path not in mutants:
            mutants[path] = list(all_mutants(path))
        kinds = sorted({kind(each.operator) for each in mutants[path]})
        if not kinds:
            continue
        wanted = rng.choice(kinds)
        mutant = rng.choice([m for m in mutants[path] if kind(m.operator) == wanted])
        if mutated_source(mutant) is not None:
            chosen[mutant] = None
    return list(chosen)


def mutated_source(mutant: Mutant, checkout: Path = ROOT) -> str | None:
    """Return the text of a module with a mutant; None where the operator fails or changes nothing.

    cosmic-ray's `ExceptionReplacer` lists places with dotted names, and can't change them.
    """
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    source = (checkout / mutant.module).read_text(encoding="utf-8")
    try:
        mutated = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)
    except AttributeError:
        return None
    return None if mutated == source else mutated


def kind(operator: str) -> str:
    """Name an operator without what it replaces by what."""
    return operator.split("_")[0]


def copy_checkout(target: Path) -> None:
    """Copy the files that git knows."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def test_steps(mutant: Mutant, checkout: Path) -> list[list[str]]:
    """List what is run for a mutant, the tests nearest to it first."""
    module = Path(mutant.module)
    parts = module.parts[1:-1]
    steps = [Path("tests/unit", *parts, f"test_{module.name}"), Path("tests/unit", *parts)]
    steps += [Path("tests/unit", parts[0])]
    existing = [str(step) for step in dict.fromkeys(steps) if (checkout / step).exists()]
    named = (*parts, module.stem)
    names = ["/".join(named[:length]) for length in range(len(named), 0, -1)]
    more = next((MORE_TESTS[name] for name in names if name in MORE_TESTS), ())
    return [[step] for step in (*existing, *more)]


def try_mutant(mutant: Mutant, checkout: Path) -> Outcome:
    """Apply a mutant in a copy of the checkout, and run the tests until one fails.

    Raises:
        RuntimeError: those tests fail without the mutant, too.
    """
    path = checkout / mutant.module
    source, mutated = path.read_text(encoding="utf-8"), mutated_source(mutant, checkout)
    assert mutated is not None, mutant
    path.write_text(mutated, encoding="utf-8")
    try:
        steps = test_steps(mutant, checkout)
        failed = next((step for step in steps if fails(step, checkout)), None)
    finally:
        path.write_text(source, encoding="utf-8")
    if failed is None:
        return "survived"
    check_unchanged(tuple(failed), checkout)
    return "killed"


def fails(step: Sequence[str], checkout: Path) -> bool:
    """Whether tests fail; those that start processes have to fail twice, with Ray one at a time."""
    if all(target.startswith("tests/unit") for target in step):
        return not passes(step, checkout)
    with _RAY if _RAY_TESTS in step else nullcontext():
        return not (passes(step, checkout) or passes(step, checkout))


@cache
def check_unchanged(targets: tuple[str, ...], checkout: Path) -> None:
    """Check, once a copy, that tests pass on the code as it is."""
    if fails(targets, checkout):
        raise RuntimeError(f"{', '.join(targets)} fails without a mutant")


def passes(targets: Sequence[str], checkout: Path) -> bool:
    """Whether tests pass; running out of time counts as a failure."""
    options = ("-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--no-header")
    environment = {
        **os.environ,
        "PYTHONPATH": str(checkout),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_PROFILE": "repeatable",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *targets],
            cwd=checkout,
            env=environment,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def run(mutants: Sequence[Mutant], out: Path, *, workers: int) -> dict[str, Outcome]:
    """Try the mutants that are not in the output file yet, and write it after each."""
    outcomes: dict[str, Outcome] = {}
    if out.is_file():
        for record in json.loads(out.read_text(encoding="utf-8"))["mutants"]:
            outcome = record.pop("outcome")
            outcomes[json.dumps(record, sort_keys=True)] = outcome
    rest = [mutant for mutant in mutants if key(mutant) not in outcomes]
    with tempfile.TemporaryDirectory(prefix="mutants.") as folder:
        free: SimpleQueue[Path] = SimpleQueue()
        for index in range(workers):
            checkout = Path(folder) / str(index)
            copy_checkout(checkout)
            free.put(checkout)

        def try_one(mutant: Mutant) -> tuple[Mutant, Outcome]:
            checkout = free.get()
            try:
                return mutant, try_mutant(mutant, checkout)
            finally:
                free.put(checkout)

        with ThreadPoolExecutor(workers) as pool:
            for mutant, outcome in pool.map(try_one, rest):
                outcomes[key(mutant)] = outcome
                print(outcome, mutant.module, mutant.line, mutant.operator, flush=True)
                write(mutants, outcomes, out)
    write(mutants, outcomes, out)
    return outcomes


def run_hand_made() -> int:
    """Try the faults of `HAND_MADE`, and return how many survive."""
    survived = 0
    with tempfile.TemporaryDirectory(prefix="mutants.") as folder:
        checkout = Path(folder)
        copy_checkout(checkout)
        for fault in HAND_MADE:
            path = checkout / fault.module
            source = path.read_text(encoding="utf-8")
            assert source.count(fault.old) == 1, fault
            path.write_text(source.replace(fault.old, fault.new), encoding="utf-8")
            is_killed = not passes([fault.tests], checkout)
            path.write_text(source, encoding="utf-8")
            check_unchanged((fault.tests,), checkout)
            survived += not is_killed
            print("killed" if is_killed else "survived", fault.module, fault.new, flush=True)
    return survived


def key(mutant: Mutant) -> str:
    """A mutant as one string."""
    return json.dumps(asdict(mutant), sort_keys=True)


def write(mutants: Sequence[Mutant], outcomes: dict[str, Outcome], out: Path) -> None:
    """Write score, interval (Wilson), the score of each package, and every mutant."""
    done = [mutant for mutant in mutants if key(mutant) in outcomes]
    killed = [mutant for mutant in done if outcomes[key(mutant)] == "killed"]
    tried, caught = (Counter(Path(m.module).parts[1] for m in each) for each in (done, killed))
    interval = binomtest(len(killed), max(len(done), 1)).proportion_ci(method="wilson")
    document = {
        "killed": len(killed),
        "tried": len(done),
        "score": round(len(killed) / max(len(done), 1), 3),
        "interval": [round(float(interval.low), 3), round(float(interval.high), 3)],
        "packages": {name: f"{caught[name]} of {tried[name]}" for name in sorted(tried)},
        "mutants": [{**asdict(each), "outcome": outcomes[key(each)]} for each in done],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Draw mutants, try them, print the score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=200, help="number of mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--packages", default=",".join(PACKAGES), help="A,B,...")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON file")
    parser.add_argument("--hand", action="store_true", help="try the hand-made faults")
    options = parser.parse_args()
    if options.hand:
        return int(run_hand_made() > 0)
    if options.out is None:
        parser.error("--out is required")
    mutants = sample_mutants(options.sample, options.seed, options.packages.split(","))
    outcomes = run(mutants, options.out, workers=options.workers)
    killed = sum(outcomes[key(mutant)] == "killed" for mutant in mutants)
    print(f"{killed} of {len(mutants)} mutants killed ({killed / len(mutants):.1%})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
