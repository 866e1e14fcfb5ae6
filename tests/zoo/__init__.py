"""Random-weight instances of the real transformers classes, one module per group of families.

A module defines `CASES`: model type -> `Case`. They are found by themselves; the contract suite
runs over all of them.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from zoo.common import Case


def all_cases() -> dict[str, Case]:
    """Every family's case, by model type."""
    result: dict[str, Case] = {}
    for module in iter_modules(__path__):
        result |= getattr(import_module(f"zoo.{module.name}"), "CASES", {})
    return dict(sorted(result.items()))
