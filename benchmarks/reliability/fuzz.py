"""Mutated media files through opening, sampling and reading, in a child that may crash or hang.

The child gets one path after the other through a pipe; the parent waits ten seconds for an answer,
kills a child that is late, and starts another where one is gone. Address space is limited, so that
a bomb shows as an error.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import time
from collections import Counter
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

LONGEST_SECONDS = 10.0
_ADDRESS_SPACE = 4 << 30
_SOURCE = ("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=1.2")
_X264 = (
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-pix_fmt",
    "yuv420p",
    "-g",
    "10",
    "-threads",
    "1",
)
SEEDS: dict[str, tuple[str, ...]] = {
    "h264.mp4": _X264,
    "h264_frag.mp4": (*_X264, "-movflags", "frag_keyframe+empty_moov"),
    "hevc.mkv": ("-c:v", "libx265", "-x265-params", "log-level=none:pools=none"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"),
    "vp8.webm": ("-c:v", "libvpx", "-deadline", "realtime"),
    "mpeg4.avi": (
        "-c:v",
        "mpeg4",
    ),
    "mjpeg.avi": (
        "-c:v",
        "mjpeg",
    ),
    "h264.ts": _X264,
    "mpeg2.mpg": (
        "-c:v",
        "mpeg2video",
    ),
    "h264.flv": _X264,
    "prores.mov": (
        "-c:v",
        "prores_ks",
    ),
    "anim.gif": (),
    "theora.ogv": (
        "-c:v",
        "libtheora",
    ),
    "wmv2.asf": (
        "-c:v",
        "wmv2",
    ),
    "still.png": ("-frames:v", "1"),
    "still.jpg": ("-frames:v", "1"),
}


def make_seeds(folder: Path) -> list[Path]:
    """The sound files that are mutated, made with the `ffmpeg` program."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, options in SEEDS.items():
        target = folder / name
        if not target.exists():
            command = ["ffmpeg", "-v", "error", "-y", *_SOURCE, *options, str(target)]
            subprocess.run(command, check=True)
    return [folder / name for name in SEEDS]


def mutate(data: bytes, other: bytes, rng: random.Random) -> tuple[str, bytes]:
    """One of the ways in which files are damaged, or made to attack; its name and the result."""
    kind = rng.choice(["bits", "bits", "header", "cut", "splice", "zeros", "numbers", "repeat"])
    changed = bytearray(data)
    size = len(data)
    if kind in ("bits", "header"):
        reach = min(size, 2048) if kind == "header" else size
        for _ in range(rng.choice([1, 4, 32, 256])):
            changed[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        changed = changed[: rng.randrange(1, size)]
    elif kind == "splice":
        at, start = rng.randrange(size), rng.randrange(len(other))
        changed = changed[:at] + other[start:]
    elif kind == "zeros":
        at = rng.randrange(size)
        end = min(size, at + rng.randrange(1, 4096))
        changed[at:end] = bytes(end - at)
    elif kind == "numbers":
        for _ in range(rng.choice([1, 3])):
            at = rng.randrange(max(1, min(size - 4, 4096)))
            changed[at : at + 4] = rng.choice(
                [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0"]
            )
    else:
        at = rng.randrange(size)
        piece = changed[at : at + rng.randrange(1, 8192)]
        changed[at:at] = piece * rng.choice([1, 8])
    return kind, bytes(changed)


def read_all(connection: Connection) -> None:
    """The child: read every file that it is told, and answer how that went."""
    from tam_video.config import RunConfig
    from tam_video.errors import TamVideoError
    from tam_video.sampling import read_frames

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, hard))
    settings = RunConfig(num_frames=6)
    while (path := connection.recv()) is not None:
        try:
            frames = read_frames(path, model=None, settings=settings)  # type: ignore[arg-type]
            record = "read" if len(frames.batches[0].frames) else "nothing"
        except TamVideoError as exc:
            record = type(exc).__name__
        except BaseException as exc:  # noqa: BLE001  the point is to see them
            record = f"UNTYPED {type(exc).__name__}: {exc}"[:200]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        connection.send((record, peak))


class _Child:
    """A reader process that can be replaced."""

    def __init__(self) -> None:
        self.num_started = 0
        self._start()

    def _start(self) -> None:
        context = get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(target=read_all, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self.num_started += 1
        self._is_warm = False

    def read(self, path: Path) -> tuple[str, float, float]:
        """How it went, seconds, and the child's peak in MiB so far."""
        began = time.monotonic()
        self._ours.send(str(path))
        # the first answer waits for the imports
        if not self._ours.poll(LONGEST_SECONDS + (0 if self._is_warm else 120)):
            self.end()
            self._start()
            return "HANG", time.monotonic() - began, 0.0
        try:
            record, peak = self._ours.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            self._start()
            return f"CHILD DIED {code}", time.monotonic() - began, 0.0
        seconds = time.monotonic() - began if self._is_warm else 0.0
        self._is_warm = True
        return record, seconds, peak

    def end(self) -> None:
        self._process.kill()
        self._process.join()


def fuzz_media(folder: Path, *, count: int, seed: int = 0) -> dict[str, Any]:
    """Mutate and read `count` files.

    Files that crash, hang or fail with an error that is not ours are kept in `folder/bad`.
    """
    seeds = make_seeds(folder / "seeds")
    contents = [path.read_bytes() for path in seeds]
    rng = random.Random(seed)
    child = _Child()
    results: Counter[str] = Counter()
    slowest, peak, bad = 0.0, 0.0, []
    for number in range(count):
        which = number % len(seeds)
        kind, data = mutate(contents[which], rng.choice(contents), rng)
        path = folder / f"mutant{seeds[which].suffix}"
        path.write_bytes(data)
        record, seconds, now = child.read(path)
        results[record.split(":")[0]] += 1
        slowest, peak = max(slowest, seconds), max(peak, now)
        if record == "HANG" or record.startswith(("CHILD", "UNTYPED")):
            (folder / "bad").mkdir(exist_ok=True)
            kept = folder / "bad" / f"{number:05d}-{kind}{seeds[which].suffix}"
            kept.write_bytes(data)
            bad.append([kept.name, record])
        if number % 200 == 199 or number == count - 1:
            figures = {
                "files": number + 1,
                "containers": len(seeds),
                "results": dict(results.most_common()),
                "children_started": child.num_started,
                "slowest_seconds": round(slowest, 2),
                "child_peak_mib": round(peak),
                "bad": bad,
            }
            (folder / "fuzz.json").write_text(json.dumps(figures, indent=1) + "\n")
    child.end()
    return figures
