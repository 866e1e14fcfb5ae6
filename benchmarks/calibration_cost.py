"""Compare the cost of a calibration with that of explaining the same clips without films.

    python -m benchmarks.calibration_cost --clips 60 --out docs/results/calibration_cost.json
    python -m benchmarks.calibration_cost --model random-3b --clips 10 --explained 2

Each side runs in a process of its own, one after the other. CPU seconds (user and system, import
and loading included) say more than wall seconds where the machine is shared. `random-3b` is a
random-weight Qwen2.5-VL-3B with two layers, made from `../shared/checkpoints`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.performance.measurement import ROOT, cpu_seconds, peak_bytes
from benchmarks.random_checkpoint import save_random_3b
from tam_video.calibration.worlds import find_world
from tam_video.datasets.worlds import write_scene

RANDOM = "random-3b"
MOST_TIME, MOST_MEMORY = 2.0, 1.15


def explain_all(model: str, clips: Path) -> dict[str, Any]:
    """Explain every clip of a folder to a run folder without an annotated video."""
    import tam_video

    loaded = tam_video.load_model(model)
    paths = sorted(clips.glob("*.mp4"))
    for path in paths:
        tam_video.explain_to_folder(
            path, path.with_suffix(""), "Describe the video.", model=loaded, render=False
        )
    return {"clips": len(paths)}


def calibrate_once(model: str, worlds: list[str], num_clips: int) -> dict[str, Any]:
    """Calibrate a model, and return its verdict."""
    import tam_video

    profile = tam_video.calibrate(model, worlds=worlds, num_clips=num_clips).profile
    return {"verdict": profile.verdict, "worlds": profile.worlds, "layers": profile.layers}


def in_child(*arguments: str) -> dict[str, Any]:
    """Run one side in a process of its own with an empty data folder."""
    with tempfile.TemporaryDirectory() as data:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.calibration_cost", "--child", *arguments],
            stdout=subprocess.PIPE,
            check=True,
            cwd=ROOT,
            env={**os.environ, "TAM_VIDEO_DATA": data, "OMP_NUM_THREADS": "1"},
        )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def run_child(arguments: list[str]) -> None:
    """Run one side, and print its result, time and memory as a line of JSON."""
    name, model, *others = arguments
    start = time.perf_counter()
    if name == "explain":
        result = explain_all(model, Path(others[0]))
    else:
        result = calibrate_once(model, others[1:], int(others[0]))
    costs = {
        "cpu_seconds": round(cpu_seconds(), 1),
        "wall_seconds": round(time.perf_counter() - start, 1),
        "peak_mb": round(peak_bytes() / 1e6, 1),
    }
    print(json.dumps({**result, **costs}))


def measure(model: str, worlds: list[str], *, num_clips: int, explained: int) -> dict[str, Any]:
    """Measure both sides on the clips of the first of the worlds.

    Args:
        model: name or folder.
        worlds: worlds that are measured in any case; [] for those that the model understands.
        num_clips: clips per world.
        explained: how many of the clips are explained; the time is scaled to `num_clips`.
    """
    with tempfile.TemporaryDirectory() as folder:
        world = find_world(worlds[0] if worlds else "shapes")
        for number in range(explained):
            write_scene(world.make(0, number), Path(folder) / f"{number:03d}.mp4")
        explain = in_child("explain", model, folder)
    calibrate = in_child("calibrate", model, str(num_clips), *worlds)
    scale = num_clips / explained
    return {
        "clips": num_clips,
        "worlds": worlds or "auto",
        "explain": explain,
        "calibrate": calibrate,
        "ratios": {
            "cpu": round(calibrate["cpu_seconds"] / (scale * explain["cpu_seconds"]), 2),
            "wall": round(calibrate["wall_seconds"] / (scale * explain["wall_seconds"]), 2),
            "memory": round(calibrate["peak_mb"] / explain["peak_mb"], 3),
        },
        "limits": {"time": MOST_TIME, "memory": MOST_MEMORY},
    }


def main() -> None:
    """Measure, print, and store the result under the model's name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--world", dest="worlds", action="append", default=[])
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--explained", type=int, help="explain only so many of the clips")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.child:
        run_child(options.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        name = options.model
        model = str(save_random_3b(Path(folder))) if name == RANDOM else name
        result = measure(
            model,
            options.worlds,
            num_clips=options.clips,
            explained=options.explained or options.clips,
        )
    print(json.dumps(result, indent=1))
    if options.out is not None:
        known = json.loads(options.out.read_text()) if options.out.is_file() else {}
        known[f"{name}, {' '.join(options.worlds) or 'auto'}"] = result
        options.out.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
