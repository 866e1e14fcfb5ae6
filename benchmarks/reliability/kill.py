"""Kill a batch at random moments until it is done, and compare it with an undisturbed run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.reliability.clips import make_items
from benchmarks.reliability.verify import check_batch

OPTIONS = ("--workers", "2", "--keep", "maps", "-n", "8", "--max-new-tokens", "24")
_PATIENCE_SECONDS = 7200


def batch_command(items: Path, out: Path, *options: str) -> list[str]:
    """The command that runs the batch with `tiny`."""
    run = [sys.executable, "-m", "tam_video", "batch", str(items), "-o", str(out), "--quiet"]
    return [*run, *options]


def children(pid: int) -> list[int]:
    """All processes below one, from /proc."""
    result = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = [int(child) for child in path.read_text().split()]
        except OSError:
            continue
        for child in below:
            result += [child, *children(child)]
    return result


def workers(pid: int) -> list[int]:
    """The worker processes of a batch."""
    result = []
    for child in children(pid):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if b"spawn_main" in command:
            result.append(child)
    return result


def kill_all(pids: list[int]) -> int:
    """SIGKILL; how many were there."""
    killed = 0
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        except ProcessLookupError:
            continue
    return killed


def disturbed_run(
    command: list[str], *, rng: random.Random, kills: int, longest_wait: float
) -> Counter[str]:
    """Run a command, killing a worker or the whole tree at random moments, until it ends by itself.

    Args:
        command: starts or resumes the batch.
        rng: chooses moments and victims.
        kills: kill no more than this.
        longest_wait: seconds between two kills are drawn from 0 to this.

    Returns:
        How often what was killed: "worker", "tree"; "starts" of the command, and its exit codes
        but 0.
    """
    counts: Counter[str] = Counter()
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        counts["starts"] += 1
        while True:
            is_done = counts["worker"] + counts["tree"] >= kills
            try:
                process.wait(None if is_done else rng.uniform(0, longest_wait))
                break
            except subprocess.TimeoutExpired:
                if rng.random() < 0.5:
                    kill_all([process.pid, *children(process.pid)])
                    process.wait()
                    counts["tree"] += 1
                    break
                below = workers(process.pid)
                if below and kill_all([rng.choice(below)]):
                    counts["worker"] += 1
        if process.returncode == 0:
            return counts
        if process.returncode != -signal.SIGKILL:
            counts[f"exit code {process.returncode}"] += 1  # too many workers died in a row
    raise TimeoutError(f"the batch did not end: {counts}")


def kill_test(
    folder: Path,
    *,
    count: int,
    kills: int,
    kills_each: int,
    seed: int = 0,
    longest_wait: float = 30.0,
    options: tuple[str, ...] = OPTIONS,
) -> dict[str, Any]:
    """Disturb batches of `count` items until at least `kills` kills were made.

    Figures are written to `kill.json` after each batch: an interrupted check can be looked at.
    """
    items = make_items(folder / "clips", count)
    calm = folder / "calm"
    subprocess.run(batch_command(items, calm, *options), check=True)
    figures: dict[str, Any] = {"items": count, "calm": check_batch(calm, count=count), "runs": []}
    rng = random.Random(seed)
    made = 0
    while made < kills:
        out = folder / f"disturbed{len(figures['runs'])}"
        began = time.monotonic()
        command = batch_command(items, out, *options)
        counts = disturbed_run(
            command, rng=rng, kills=min(kills_each, kills - made), longest_wait=longest_wait
        )
        made += counts["worker"] + counts["tree"]
        record = {**counts, "seconds": round(time.monotonic() - began, 1)}
        figures["runs"].append({**record, **check_batch(out, count=count, calm=calm)})
        figures["kills"] = made
        (folder / "kill.json").write_text(json.dumps(figures, indent=1) + "\n")
        print(json.dumps(figures["runs"][-1]), flush=True)
        if made and counts["worker"] + counts["tree"] == 0:
            break  # batches end before they can be disturbed: the waits are too long
    return figures
