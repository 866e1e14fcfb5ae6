"""What a measurement is, and fair clocks: interleaved repeats, CPU seconds, peaks of processes."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).parents[2]
_PACKAGES = ("numpy", "torch", "transformers", "av", "opencv-python")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure and how it was found.

    Attributes:
        ratio: the figure; None for a table of costs.
        target: what the figure is held against; None for none.
        sense: whether the figure should be "at least" or "at most" the target.
        seconds: CPU and wall seconds of what was compared, by name.
        how: sizes and way of measuring, in words.
        figures: whatever else was found, as JSON values.
    """

    ratio: float | None
    target: float | None
    sense: Literal["at least", "at most"]
    seconds: dict[str, float]
    how: str
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool | None:
        """Whether the figure meets its target; None without one."""
        if self.ratio is None or self.target is None:
            return None
        return self.ratio >= self.target if self.sense == "at least" else self.ratio <= self.target


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds a call took.

    Attributes:
        cpu: user and system time of this process and the children it has waited for.
        wall: by the clock on the wall.
    """

    cpu: float
    wall: float


def cpu_seconds() -> float:
    """CPU time so far, user and system, of this process and the children it has waited for."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, kinds))


def timed(call: Callable[[], object]) -> Clock:
    """Run once, with garbage collected before and not meanwhile."""
    gc.collect()
    gc.disable()
    try:
        cpu, wall = cpu_seconds(), time.perf_counter()
        call()
        return Clock(cpu_seconds() - cpu, time.perf_counter() - wall)
    finally:
        gc.enable()


def interleaved(
    calls: dict[str, Callable[[], object]], *, repeats: int, warm_ups: int = 1
) -> dict[str, list[Clock]]:
    """Run all calls in turns, every other round backwards, so that a busy machine hits all alike.

    Args:
        calls: what is compared, by name.
        repeats: rounds that count.
        warm_ups: rounds before them that do not.
    """
    clocks: dict[str, list[Clock]] = {name: [] for name in calls}
    for round_ in range(warm_ups + repeats):
        for name in list(calls)[:: -1 if round_ % 2 else 1]:
            clock = timed(calls[name])
            if round_ >= warm_ups:
                clocks[name].append(clock)
    return clocks


def median_ratio(
    above: list[Clock], below: list[Clock], *, by: Literal["cpu", "wall"] = "cpu"
) -> float:
    """The median over rounds of time over time of the same round."""
    pairs = zip(above, below, strict=True)
    return statistics.median(getattr(a, by) / getattr(b, by) for a, b in pairs)


def best_seconds(clocks: dict[str, list[Clock]]) -> dict[str, float]:
    """The least CPU and wall seconds of each call."""
    seconds = {}
    for name, each in clocks.items():
        seconds[f"{name} cpu"] = min(clock.cpu for clock in each)
        seconds[f"{name} wall"] = min(clock.wall for clock in each)
    return seconds


def in_child(function: str, **options: Any) -> dict[str, Any]:
    """Call a function of this package in a process of its own, for a clean peak of memory.

    Args:
        function: "module:function", which takes JSON values and returns a dict of them.
        **options: its arguments.

    Returns:
        What it returned.
    """
    command = [sys.executable, "-m", f"{__package__}.child", function, json.dumps(options)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def peak_bytes() -> int:
    """The most memory that this process has held so far, shared libraries included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def extra_peak(call: Callable[[], object]) -> int:
    """Bytes by which a call raises the process's resident memory above what it is before.

    The peak of the kernel is set back first (Linux), so that what came before does not hide it.
    """
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)  # what was freed before would hide what is asked for now
    reset_peak()
    before = _status_bytes("VmRSS")
    call()
    return max(0, resident_peak() - before)


def reset_peak() -> None:
    """Set the peak of resident memory back to what is resident now (Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def resident_peak() -> int:
    """The most bytes of resident memory since the last `reset_peak` (Linux)."""
    return _status_bytes("VmHWM")


def one_thread() -> None:
    """Keep torch and OpenCV to one thread."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (cpu.read_text(encoding="utf-8").splitlines() if cpu.is_file() else ())
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def _status_bytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}")
