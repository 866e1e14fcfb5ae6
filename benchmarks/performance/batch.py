"""Two workers against one, and what the machine itself allows.

The ceiling: two batches of one worker each at the same time, over one such batch after the other.
Wall time: do not pin it to one core, and let nothing else run.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.performance.measurement import ROOT, Measurement

_CLIP = "samples/shapes.mp4"


def two_workers(quick: bool) -> Measurement:
    """Clips a second of `tam-video batch --workers 2` over those of one worker."""
    count = 6 if quick else 100
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = _clips(folder / "clips", count)
        half = _clips(folder / "half", count // 2)
        one = _seconds([_batch(clips, folder / "one", workers=1)])
        two = _seconds([_batch(clips, folder / "two", workers=2)])
        outs = (folder / "left", folder / "right")
        apart = _seconds([_batch(half, out, workers=1) for out in outs])
    return Measurement(
        ratio=one / two,
        target=1.8,
        sense="at least",
        seconds={"one worker": one, "two workers": two, "two batches at once": apart},
        how=f"wall time of {count} clips with the small model, all files written, start included",
        figures={"ceiling of the machine": one / apart, "share of it": apart / two},
    )


def _clips(folder: Path, count: int) -> Path:
    """A folder of clips that look alike; a batch would ask but once of clips that are the same."""
    folder.mkdir()
    clip = (ROOT / _CLIP).read_bytes()
    for number in range(count):
        ignored = struct.pack(">I4sQ", 16, b"free", number)  # a box that players skip
        (folder / f"{number:03}.mp4").write_bytes(clip + ignored)
    return folder


def _batch(clips: Path, out: Path, *, workers: int) -> list[str]:
    asked = ["-q", "Describe the video.", "-o", str(out), "--workers", str(workers)]
    return [sys.executable, "-m", "tam_video", "batch", str(clips), *asked]


def _seconds(commands: list[list[str]]) -> float:
    """Run all at once; until the last has ended."""
    start = time.perf_counter()
    running = [
        subprocess.Popen(each, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for each in commands
    ]
    ended = [each.wait() for each in running]
    if any(ended):
        raise RuntimeError(f"a batch ended with {max(ended)}")
    return time.perf_counter() - start
