"""Follow a live stream that is dropped, and count what is missing: frame by frame, by number.

`python -m benchmarks.stream --minutes 5 --drops 2` writes `docs/results/stream.json`. The server is
`benchmarks.live_server`; the first outage hangs up, the next one falls silent, and so on in turn.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.live_server import Coded, Drop, LiveServer, coded_frames, read_numbers
from tam_video.video.live import (
    FollowOptions,
    FollowStatistics,
    Segment,
    StreamFollower,
    recorded_segments,
    stream_address,
)

_WARM_UP_SHARE = 0.2  # of the time; memory is compared from then on
_DRAIN_SECONDS = 2.0
_FPS = 25


@dataclass(frozen=True)
class StreamFigures:
    """What was sent, what is there, what is missing.

    Attributes:
        seconds: length of the stream.
        drops: the outages, as (at second, seconds, kind).
        num_connections: connections that were made.
        num_segments: finished segments.
        num_frames: frames in the stream.
        num_sent: frames that the server sent.
        num_recorded: frames in the segments.
        num_outage: frames that fell into the outages themselves.
        num_waiting: frames while the follower waited for its next try.
        num_to_keyframe: frames that were sent before the first keyframe of a connection.
        num_lost: frames that should be there and are not; must be 0.
        num_in_flight: frames in transit when the follower was stopped.
        num_twice: frames that are there more than once; must be 0.
        is_in_order: whether the segments hold the frames in order.
        told_missing_seconds: what the segments' own JSON says is missing.
        largest_start_error_seconds: of the segments' start on the wall, against the server's clock.
        memory_warm_mib: resident memory after the first fifth.
        memory_peak_mib: the most after that.
    """

    seconds: float
    drops: tuple[tuple[float, float, str], ...]
    num_connections: int
    num_segments: int
    num_frames: int
    num_sent: int
    num_recorded: int
    num_outage: int
    num_waiting: int
    num_to_keyframe: int
    num_lost: int
    num_in_flight: int
    num_twice: int
    is_in_order: bool
    told_missing_seconds: float
    largest_start_error_seconds: float
    memory_warm_mib: float
    memory_peak_mib: float


def measure(
    folder: Path,
    *,
    seconds: float,
    drops: tuple[Drop, ...],
    segment_seconds: float = 30.0,
    read_seconds: float = 5.0,
    longest_wait_seconds: float = 4.0,
) -> StreamFigures:
    """Serve, follow, count."""
    coded = coded_frames(round(seconds * _FPS), fps=_FPS)
    with LiveServer(coded, drops) as server:
        follower = StreamFollower(
            stream_address(server.url),
            folder,
            options=FollowOptions(
                segment_seconds=segment_seconds,
                duration_seconds=seconds + _DRAIN_SECONDS,
                read_seconds=read_seconds,
                longest_wait_seconds=longest_wait_seconds,
            ),
        )
        memory = _Memory(seconds * _WARM_UP_SHARE)
        statistics = follower.run()
        memory.stop()
        return _figures(folder, coded, server, statistics, memory)


def _figures(
    folder: Path,
    coded: Coded,
    server: LiveServer,
    statistics: FollowStatistics,
    memory: _Memory,
) -> StreamFigures:
    segments = recorded_segments(folder)
    numbers = [read_numbers(segment.path) for segment in segments]
    recorded = [number for each in numbers for number in each]
    early = {
        number
        for sent in server.sent
        for number in sent[: _first_keyframe(sent, coded.is_keyframe)]
    }
    sent = {number for each in server.sent for number in each}
    silent = {
        number
        for number in range(len(coded.pieces))
        if any(0 <= number / coded.fps - d.at_seconds < d.seconds for d in server.drops)
    } - sent
    absent = sent - early - set(recorded)
    return StreamFigures(
        seconds=len(coded.pieces) / coded.fps,
        drops=tuple((d.at_seconds, d.seconds, d.kind) for d in server.drops),
        num_connections=statistics.num_connections,
        num_segments=statistics.num_segments,
        num_frames=len(coded.pieces),
        num_sent=len(sent),
        num_recorded=len(recorded),
        num_outage=len(silent),
        num_waiting=len(coded.pieces) - len(sent) - len(silent),
        num_to_keyframe=len(early),
        num_lost=len({n for n in absent if n < max(recorded)}),
        num_in_flight=len({n for n in absent if n > max(recorded)}),
        num_twice=len(recorded) - len(set(recorded)),
        is_in_order=recorded == sorted(recorded),
        told_missing_seconds=round(statistics.missing_seconds, 3),
        largest_start_error_seconds=_start_error(segments, numbers, server),
        memory_warm_mib=round(memory.warm, 1),
        memory_peak_mib=round(memory.peak, 1),
    )


def _first_keyframe(sent: list[int], is_keyframe: list[bool]) -> int:
    """How many of a connection's frames came before its first keyframe."""
    return next((place for place, n in enumerate(sent) if is_keyframe[n]), len(sent))


def _start_error(segments: list[Segment], numbers: list[list[int]], server: LiveServer) -> float:
    """Return the largest difference of a segment's start and the time its first frame was sent."""
    began = time.time() - time.monotonic() + server.began_seconds
    errors = [
        abs(segment.started.timestamp() - began - each[0] / server.coded.fps)
        for segment, each in zip(segments, numbers, strict=True)
    ]
    return round(max(errors), 3)


class _Memory:
    """Resident memory of this process, looked at twice a second."""

    def __init__(self, warm_up_seconds: float) -> None:
        self.warm = self.peak = 0.0
        self._warm_up_seconds = warm_up_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        self._over.wait(self._warm_up_seconds)
        self.warm = self.peak = _resident_mib()
        while not self._over.wait(0.5):
            self.peak = max(self.peak, _resident_mib())


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Run it and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--drops", type=int, default=2)
    parser.add_argument("--drop-seconds", type=float, default=8.0)
    parser.add_argument("--output", type=Path, default=Path("docs/results/stream.json"))
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    seconds = given.minutes * 60
    drops = tuple(
        Drop(
            round(seconds * (number + 1) / (given.drops + 1), 1),
            given.drop_seconds,
            "silence" if number % 2 else "hang up",
        )
        for number in range(given.drops)
    )
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), seconds=seconds, drops=drops)
    text = json.dumps(asdict(figures), indent=1)
    print(text)
    given.output.write_text(text + "\n", encoding="utf-8")
    problems = failures(figures)
    if problems:
        raise SystemExit("; ".join(problems))


def failures(figures: StreamFigures) -> list[str]:
    """What does not hold of what must; nothing where all is well."""
    must = {
        "frames were lost": figures.num_lost == 0,
        "the end is missing": figures.num_in_flight < _FPS,
        "frames are there twice": figures.num_twice == 0,
        "frames are out of order": figures.is_in_order,
        "a drop was not picked up": figures.num_connections == len(figures.drops) + 1,
        "memory grew": figures.memory_peak_mib <= 1.1 * figures.memory_warm_mib,
    }
    return [what for what, holds in must.items() if not holds]


if __name__ == "__main__":
    main()
