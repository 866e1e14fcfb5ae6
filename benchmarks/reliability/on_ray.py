"""The same batch on a running Ray cluster and by local processes, and with a Ray worker killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.reliability.clips import make_items
from benchmarks.reliability.kill import OPTIONS, batch_command
from benchmarks.reliability.verify import check_batch

_RAY = Path(sys.executable).with_name("ray")


def actors() -> list[int]:
    """The processes of Ray actors of this machine that are workers of a batch."""
    result = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"ray::_Actor" in path.read_bytes():
                result.append(int(path.parent.name))
        except OSError:
            continue
    return result


def run_and_kill(command: list[str], *, kills: int, every_seconds: float) -> tuple[int, int]:
    """Run a batch, and kill one of its actors now and then; exit code, and kills made."""
    rng, made = random.Random(0), 0
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait(every_seconds if made < kills else None), made
        except subprocess.TimeoutExpired:
            below = actors()
            if below:
                os.kill(rng.choice(below), signal.SIGKILL)
                made += 1


@contextmanager
def cluster(*, port: int) -> Iterator[str]:
    """A cluster of this machine with two CPUs, as long as the block runs; its address."""
    os.environ["RAY_AUTH_MODE"] = "disabled"  # for this check alone
    head = ["start", "--head", "--block", "--num-cpus=2", f"--port={port}"]
    quiet = ["--disable-usage-stats", "--include-dashboard=false"]
    process = subprocess.Popen([str(_RAY), *head, *quiet], stdout=subprocess.DEVNULL)
    time.sleep(30)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def ray_test(folder: Path, *, count: int, kills: int = 3) -> dict[str, Any]:
    """Start a cluster with two CPUs, run the batch three ways, and compare."""
    items = make_items(folder / "clips", count)
    figures: dict[str, Any] = {"items": count}
    subprocess.run(batch_command(items, folder / "local", *OPTIONS), check=True)
    figures["local"] = check_batch(folder / "local", count=count)
    with cluster(port=6399) as address:
        options = (*OPTIONS, "--engine", "ray", "--ray-address", address)
        for name, times in (("ray", 0), ("ray_killed", kills)):
            began = time.monotonic()
            command = batch_command(items, folder / name, *options)
            code, made = run_and_kill(command, kills=times, every_seconds=45)
            seconds = round(time.monotonic() - began, 1)
            result = check_batch(folder / name, count=count, calm=folder / "local")
            figures[name] = {"exit_code": code, "kills": made, "seconds": seconds, **result}
            (folder / "ray.json").write_text(json.dumps(figures, indent=1) + "\n")
    return figures
