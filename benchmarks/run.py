"""How much an explanation costs, as ratios that hold on any machine of a kind.

    python -m benchmarks.run [--quick] [--json] [--only NAME,...]

Pin it to one core (`OMP_NUM_THREADS=1 taskset -c 1`) where the machine does other work. `--quick`
takes small sizes: the way is the same, but the targets are for the full ones.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict

from benchmarks.performance import RATIOS, STAGES
from benchmarks.performance.measurement import Measurement, machine

_VERDICTS = {True: "yes", False: "NO", None: ""}


def main(arguments: list[str] | None = None) -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small sizes, seconds for each")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--only", default="", help="names, separated by commas")
    options = parser.parse_args(arguments)
    known = {**RATIOS, **STAGES}
    names = options.only.split(",") if options.only else list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no {', '.join(unknown)}; known: {', '.join(known)}")
    result = {}
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        result[name] = measurement_of(name)(options.quick)
    if options.json:
        print(json.dumps(report(result, quick=options.quick), indent=1))
    else:
        print(table(result, quick=options.quick))


def report(result: dict[str, Measurement], *, quick: bool) -> dict[str, object]:
    """Everything as JSON values: the bare ratios, and how each was found."""
    ratios = {name: each for name, each in result.items() if name in RATIOS}
    return {
        "quick": quick,
        "ratios": {name: each.ratio for name, each in ratios.items()},
        "measurements": {
            name: {**asdict(each), "holds": None if quick else each.holds}
            for name, each in ratios.items()
        },
        "stages": {name: each.figures for name, each in result.items() if name in STAGES},
        "machine": machine(),
    }


def table(result: dict[str, Measurement], *, quick: bool) -> str:
    """The ratios in columns, then each table of costs as JSON lines."""
    lines = [f"{'measurement':26}{'ratio':>12}  {'target':18}{'holds':7}seconds"]
    for name, each in result.items():
        if each.ratio is None:
            continue
        target = "" if each.target is None else f"{each.sense} {each.target:g}"
        verdict = "" if quick else _VERDICTS[each.holds]
        seconds = ", ".join(f"{key} {value:.4g}" for key, value in each.seconds.items())
        lines.append(f"{name:26}{each.ratio:>12.4g}  {target:18}{verdict:7}{seconds}")
    for name, each in result.items():
        if each.ratio is None:
            lines.append(f"\n{name}: {each.how}")
            lines += [f"  {key}: {json.dumps(value)}" for key, value in each.figures.items()]
    return "\n".join(lines)


def measurement_of(name: str) -> Callable[[bool], Measurement]:
    """The function behind a name."""
    module, _, function = {**RATIOS, **STAGES}[name].partition(":")
    result: Callable[[bool], Measurement] = getattr(
        importlib.import_module(f"benchmarks.performance.{module}"), function
    )
    return result


if __name__ == "__main__":
    main()
