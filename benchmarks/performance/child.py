"""One function in a process of its own: `measurement.in_child` starts it."""

from __future__ import annotations

import importlib
import json
import sys

from benchmarks.performance.measurement import peak_bytes


def main() -> None:
    """Call the named function and print what it returns, and the peak, as one line of JSON."""
    module, _, name = sys.argv[1].partition(":")
    function = getattr(importlib.import_module(f"{__package__}.{module}"), name)
    result = function(**json.loads(sys.argv[2]))
    print(json.dumps({**result, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
