"""Memory and time of explaining a long clip: 10 minutes of 1280x720 by default.

    python -m benchmarks.long_clip --minutes 10 --frames 8

The clip is made with the `ffmpeg` program: 20 seconds of moving test picture, repeated without
re-encoding. "Above the model's own" is the peak of the whole run minus the peak of a process that
loaded the model and answered about as many frames of the same size held in memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

QUESTION = "Describe the video."


def peak_mib() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make_long_clip(path: Path, *, minutes: float) -> None:
    """Write the clip."""
    short = path.with_name("short.mp4")
    make = "ffmpeg -v error -y -f lavfi -i testsrc2=size=1280x720:rate=30:duration=20 -g 30 -bf 3"
    make += " -c:v libx264 -preset ultrafast -pix_fmt yuv420p"
    subprocess.run([*make.split(), str(short)], check=True)
    loop = ["ffmpeg", "-v", "error", "-y", "-stream_loop", str(round(minutes * 3) - 1)]
    subprocess.run([*loop, "-i", str(short), "-c", "copy", str(path)], check=True)


def model_alone(num_frames: int) -> dict[str, Any]:
    """Load and answer about frames in memory."""
    import torch

    from tam_video.models import load_model
    from tam_video.types import FrameBatch, Message, VideoInfo

    torch.set_num_threads(1)
    info = VideoInfo(Path("none.mp4"), 18000, 1280, 720, Fraction(30), 600.0)
    pixels = np.random.default_rng(0).integers(0, 256, (num_frames, 720, 1280, 3), np.uint8)
    times = np.linspace(0, 600, num_frames)
    batch = FrameBatch(pixels, np.arange(num_frames), times, info)
    load_model("tiny").generate(batch, [Message("user", QUESTION)])
    return {"peak_mib": peak_mib()}


def whole_run(path: str, out: str, num_frames: int, render: bool) -> dict[str, Any]:
    """Explain the clip as the command does."""
    import torch

    import tam_video

    torch.set_num_threads(1)
    config = tam_video.RunConfig(num_frames=num_frames, render=render)
    began = time.perf_counter()
    run = tam_video.explain_to_folder(path, out, QUESTION, config=config)
    return {
        "peak_mib": peak_mib(),
        "seconds": round(time.perf_counter() - began, 1),
        "stages": {k: round(v, 2) for k, v in run.explanation.timings.items()},
        "frames_in_file": run.explanation.info.num_frames,
    }


def in_child(work: Any, *args: Any) -> dict[str, Any]:
    """Run in a fresh process, so that its peak is its own."""
    with get_context("spawn").Pool(1) as pool:
        result: dict[str, Any] = pool.apply(work, args)
        return result


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--no-video", action="store_true", help="do not render")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.mp4"
        make_long_clip(path, minutes=args.minutes)
        alone = in_child(model_alone, args.frames)
        whole = in_child(whole_run, str(path), f"{folder}/out", args.frames, not args.no_video)
    above = round(whole["peak_mib"] - alone["peak_mib"], 1)
    json.dump({"model_alone": alone, "run": whole, "above_model_mib": above}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
