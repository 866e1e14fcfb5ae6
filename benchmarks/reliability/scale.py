"""What the ledger and the scheduling cost: many items, 64 simulated workers, no model.

The engine lives in this process and its workers answer at once; planning, fingerprints, dispatch,
ledger (synced) and tables are the real ones. Clips are files of some bytes.
"""

from __future__ import annotations

import json
import resource
import shutil
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tam_video import batch
from tam_video.batch.engines.base import ENGINES
from tam_video.batch.jobs import (
    Began,
    Ended,
    Finished,
    ItemRequest,
    Job,
    Outcome,
    Ready,
    WorkerEvent,
)
from tam_video.batch.runner import run

WORKERS = 64


class SimulatedEngine:
    """Workers that finish each job within the next look at the events."""

    default_workers = WORKERS

    def __init__(self, factory: Any) -> None:
        del factory
        self._said: deque[tuple[int, WorkerEvent]] = deque()

    def start(self, number: int) -> None:
        """Ready at once."""
        self._said.append((number, Ready()))

    def send(self, number: int, job: Job) -> None:
        """Tell all that a worker tells of a job."""
        events: list[WorkerEvent] = [Began("read", job.number), Ended("read", job.number)]
        for question in job.questions:
            for stage in ("answer", "write"):
                events += [
                    Began(stage, job.number, question.key),  # type: ignore[arg-type]
                    Ended(stage, job.number, question.key),  # type: ignore[arg-type]
                ]
            events.append(Finished(job.number, _outcome(question)))
        self._said += [(number, event) for event in events]

    def events(self, timeout_seconds: float) -> list[tuple[int, WorkerEvent]]:
        """All of it."""
        del timeout_seconds
        result, self._said = list(self._said), deque()
        return result

    def stop(self, number: int) -> None:
        """Nothing to stop."""

    def close(self) -> None:
        """Nothing to close."""


def _outcome(question: ItemRequest) -> Outcome:
    answer = "A red circle moves left, a blue square stays still and a green star moves up."
    return Outcome(question.key, run=question.run, answer=answer, maps=question.key)


def peak_mib() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make_clips(folder: Path, count: int) -> None:
    """Files of 64 bytes, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"c{number:06d}.mp4"
        if not path.exists():
            path.write_bytes(number.to_bytes(4) * 16)


def simulate(folder: Path, count: int, *, workers: int) -> dict[str, Any]:
    """Run `count` items, each on a clip of its own; wall and CPU milliseconds per item, memory."""
    targets = {**ENGINES.targets, "simulated": f"{__name__}:SimulatedEngine"}
    object.__setattr__(ENGINES, "targets", targets)
    clips, out = folder / "clips", folder / f"out{count}-{workers}"
    shutil.rmtree(out, ignore_errors=True)
    rows = ({"id": f"i{n}", "video": f"{clips}/c{n:06d}.mp4"} for n in range(count))
    how = batch.BatchOptions(workers=workers, engine="simulated", timeout_seconds=600)
    before, began, cpu = peak_mib(), time.perf_counter(), time.process_time()
    num_done = sum(r.status == "done" for r in run(rows, out, question="What?", options=how))
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    return {
        "items": count,
        "workers": workers,
        "done": num_done,
        "wall_ms_per_item": round(1000 * seconds / count, 3),
        "cpu_ms_per_item": round(1000 * cpu_seconds / count, 3),
        "peak_mib_before": round(before),
        "peak_mib": round(peak_mib()),
        "ledger_mib": round((out / "ledger.jsonl").stat().st_size / 2**20, 1),
    }


def scale_test(folder: Path, *, count: int) -> dict[str, Any]:
    """A tenth of the items, all of them, and a thousand with one worker, each in a process."""
    make_clips(folder / "clips", count)
    runs = []
    for size, workers in ((count // 10, WORKERS), (count, WORKERS), (1000, 1)):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            runs.append(process.submit(simulate, folder, size, workers=workers).result())
    (folder / "scale.json").write_text(json.dumps(runs, indent=1) + "\n")
    return {"runs": runs}
