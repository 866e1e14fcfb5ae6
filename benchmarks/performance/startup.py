"""From the shell's prompt to the end: `--help`, and a whole `explain` with the small model.

Every run is a fresh process; they take turns. Modules are compiled once, in a round that does not
count, as an installer compiles them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.performance.measurement import (
    ROOT,
    Measurement,
    best_seconds,
    interleaved,
    median_ratio,
)

_CLIP = "samples/shapes.mp4"
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
_LOAD = "import torch, transformers; from tam_video.models import load_model; load_model('tiny')"


def cold_explain(quick: bool) -> Measurement:
    """`tam-video explain` over importing torch and transformers and loading the model."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "run")
        command = ["-m", "tam_video", "explain", _CLIP, "-q", "Describe the video.", "-o", out]
        bare = ["--no-video", "--no-report"]
        calls: dict[str, Callable[[], object]] = {
            "import and load": partial(_run, "-c", _LOAD),
            "explain": partial(_run, *command, "--force"),
            "explain, no MP4, no report": partial(_run, *command, "--force", *bare),
        }
        clocks = interleaved(calls, repeats=1 if quick else 5)
    loads, explains, bares = clocks.values()
    return Measurement(
        ratio=median_ratio(explains, loads),
        target=1.3,
        sense="at most",
        seconds=best_seconds(clocks),
        how=f"CPU time of fresh processes on {_CLIP}; files in the page cache",
        figures={"no MP4, no report": median_ratio(bares, loads)},
    )


def help_seconds(quick: bool) -> Measurement:
    """`tam-video --help`, in CPU seconds."""
    calls: dict[str, Callable[[], object]] = {"help": partial(_run, "-m", "tam_video", "--help")}
    clocks = interleaved(calls, repeats=3 if quick else 10)
    seconds = best_seconds(clocks)
    return Measurement(
        ratio=seconds["help cpu"],
        target=0.3,
        sense="at most",
        seconds=seconds,
        how="CPU seconds of a fresh process, the best of its runs; the figure is no ratio",
    )


def _run(*arguments: str) -> None:
    compiled = {name: each for name, each in os.environ.items() if name != _NO_BYTECODE}
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=ROOT, env=compiled, check=True, capture_output=True)
