"""Hours of nothing with events at known times: are they found, how fast, in how much memory?

    python -m benchmarks.long_video --hours 2 --folder /tmp/long --json

The video is 640x360 at 25 frames a second: a still, noisy background, and objects of the `shapes`
world that appear, move for some seconds and are gone. A few stretches are encoded and joined
without encoding again. Every figure is of a process of its own with one thread.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from tam_video.datasets.scene import SceneObject, Trajectory, object_mask
from tam_video.datasets.shapes import COLORS, MOTIONS, SHAPES
from tam_video.datasets.shapes import background as shapes_background

QUESTION = "Describe the video."
WIDTH, HEIGHT, FPS = 640, 360, 25
UNIT_SECONDS = 15  # what is joined
NUM_RECIPES = 12  # different events
NOISE_LEVELS = 2.0  # standard deviation, of 255
EMPTY_SHARE = (0.4, 0.75)  # of the video: no motion is inserted in this part
WINDOW_SECONDS = 30.0
_NOISE_PICTURES = 40


@dataclass(frozen=True, slots=True)
class Event:
    """An object that appears and is gone, in seconds of the video."""

    onset_seconds: float
    end_seconds: float


def make_long_video(path: Path, *, seconds: float, num_events: int, seed: int = 0) -> list[Event]:
    """Write the video, whole units long, and tell where its events are.

    Args:
        path: the MP4.
        seconds: its length.
        num_events: number of events to insert; fewer if they do not fit.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    texture_seed = int(rng.integers(2**31))
    recipes = [_recipe(rng) for _ in range(min(NUM_RECIPES, num_events))]
    units = [path.with_name(f"unit{number}.mp4") for number in range(len(recipes) + 1)]
    for unit, item in zip(units, [None, *recipes], strict=True):
        _write_unit(unit, texture_seed, item)
    num_units = max(1, round(seconds / UNIT_SECONDS))
    empty = [share * num_units for share in EMPTY_SHARE]
    # Every other unit, so that two events are never closer than what the gate merges.
    room = [n for n in range(1, num_units, 2) if not empty[0] <= n < empty[1]]
    places = sorted(rng.choice(room, min(num_events, len(room)), replace=False).tolist())
    order, events = [0] * num_units, []
    for number, place in enumerate(places):
        (path_of,) = recipes[number % len(recipes)].trajectories
        order[place] = 1 + number % len(recipes)
        first, after = path_of.first_frame / FPS, (path_of.last_frame + 1) / FPS
        events.append(Event(place * UNIT_SECONDS + first, place * UNIT_SECONDS + after))
    join_units(path, [units[number] for number in order])
    for unit in units:
        unit.unlink()
    return events


def _recipe(rng: np.random.Generator) -> SceneObject:
    """An object that comes within seconds and crosses some of the picture."""
    motion = rng.choice([name for name in MOTIONS if name != "still"])
    color, size = rng.choice(list(COLORS)), float(rng.uniform(40, 74))
    first = int(rng.integers(2 * FPS, 6 * FPS))
    last = first + int(rng.integers(3 * FPS, 7 * FPS))
    step = float(rng.uniform(0.7, 1.2))
    dx, dy = MOTIONS[motion]
    way = step * (last - first)
    x, y = (  # the middle of its way, kept within the picture
        rng.uniform(size / 2 + abs(d) * way / 2, max(side - size / 2 - abs(d) * way / 2, side / 2))
        for d, side in ((dx, WIDTH), (dy, HEIGHT))
    )
    middle = (first + last) / 2
    trajectory = Trajectory(
        x_px=float(x) - dx * step * middle,
        y_px=float(y) - dy * step * middle,
        step_px=(dx * step, dy * step),
        size_px=size,
        first_frame=first,
        last_frame=last,
    )
    shape, rgb = str(rng.choice(SHAPES)), COLORS[str(color)]
    return SceneObject(str(color), shape, motion, rgb, 0, (trajectory,))


def _write_unit(path: Path, texture_seed: int, item: SceneObject | None) -> None:
    from tam_video.video.writer import TimedPicture, write_video

    rng = np.random.default_rng(texture_seed)
    plain = shapes_background(texture_seed, width=WIDTH, height=HEIGHT)
    backdrop = plain.astype(np.float32)
    noise = NOISE_LEVELS * rng.standard_normal((_NOISE_PICTURES, HEIGHT, WIDTH, 1), np.float32)

    def frames() -> Iterator[TimedPicture]:
        for frame in range(UNIT_SECONDS * FPS):
            canvas = backdrop
            if item is not None and item.trajectory_at(frame) is not None:
                cover = object_mask(item, frame, width=WIDTH, height=HEIGHT)[..., None] / 255
                canvas = backdrop + cover.astype(np.float32) * (np.float32(item.rgb) - backdrop)
            picture = canvas + noise[int(rng.integers(_NOISE_PICTURES))]
            yield (frame / FPS, np.clip(picture, 0, 255).astype(np.uint8))

    write_video(
        path,
        frames(),
        width=WIDTH,
        height=HEIGHT,
        end_seconds=UNIT_SECONDS,
        average_fps=Fraction(125),  # only sets the key frame distance: 10 seconds, the longest
        crf=22,
        speed_preset="ultrafast",
    )


def join_units(path: Path, units: Sequence[Path]) -> None:
    """Write the packets of files, each `UNIT_SECONDS` long, one after the other."""
    import av

    with av.open(str(path), "w") as output:
        stream = None
        for number, unit in enumerate(units):
            with av.open(str(unit)) as source:
                if stream is None:
                    stream = output.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.dts is None:
                        continue
                    shift = round(Fraction(number * UNIT_SECONDS) / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = stream
                    output.mux(packet)


def peak_mib() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class GateClock:
    """Times the gate as it goes by."""

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None
        self._ended = (0.0, 0.0)

    def __call__(self, stage: str, _done: int, _total: int) -> None:
        """Take a step of the work."""
        now = (time.perf_counter(), time.process_time())
        if stage == "gate":
            self._began, self._ended = self._began or now, now

    def speed(self, seconds: float) -> dict[str, float]:
        """Times real time, by the clock on the wall and by what the processor was used."""
        began = self._began or (0.0, 0.0)
        wall, used = (end - start for start, end in zip(began, self._ended, strict=True))
        return {
            "wall_seconds": round(wall, 1),
            "processor_seconds": round(used, 1),
            "times_real_time_by_wall": round(seconds / wall, 1),
            "times_real_time_by_processor": round(seconds / used, 1),
        }


def whole_run(path: str, out: str, events: Sequence[Event]) -> dict[str, Any]:
    """What the command does, and how well."""
    import torch

    from tam_video.long import LongOptions, explain_long
    from tam_video.long.windows import WindowOptions

    torch.set_num_threads(1)
    began, gate = time.perf_counter(), GateClock()
    options = LongOptions(WindowOptions(WINDOW_SECONDS))
    result = explain_long(path, out, QUESTION, options=options, progress=gate)
    return {
        "seconds": round(time.perf_counter() - began, 1),
        "peak_mib": round(peak_mib(), 1),
        "gate": gate.speed(result.timeline["video"]["duration_seconds"]),
        **score(result.timeline, events),
    }


def score(timeline: dict[str, Any], events: Sequence[Event]) -> dict[str, Any]:
    """Compare spans and windows with the inserted events."""
    gate, windows = timeline["gate"], timeline["windows"]
    held = gate["options"]["hold_before_seconds"]
    errors, detected, explained = [], 0, 0
    for event in events:
        span = next((each for each in gate["spans"] if _overlaps(each, event)), None)
        detected += span is not None
        explained += any(_overlaps(each, event) for each in windows)
        if span is not None:
            errors.append(span["start_seconds"] + held - event.onset_seconds)
    needless = [each for each in windows if not any(_overlaps(each, e) for e in events)]
    return {
        "events": len(events),
        "events_found": detected,
        "events_asked": explained,
        "onset_error_seconds": {
            "largest": round(max(map(abs, errors), default=0.0), 3),
            "mean": round(float(np.mean(errors)) if errors else 0.0, 3),
        },
        "windows": len(windows),
        "windows_without_event": len(needless),
        "asked_share": round(
            sum(w["end_seconds"] - w["start_seconds"] for w in windows)
            / timeline["video"]["duration_seconds"],
            4,
        ),
    }


def _overlaps(row: dict[str, Any], event: Event) -> bool:
    return bool(
        row["start_seconds"] < event.end_seconds and event.onset_seconds < row["end_seconds"]
    )


def in_child(work: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
    """Run in a fresh process, so that its peak is its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(work, args)


def measure(folder: Path, *, hours: float, num_events: int) -> dict[str, Any]:
    """Make the long and the short video, and measure both."""
    folder.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {"window_seconds": WINDOW_SECONDS}
    for name, seconds, count in (
        ("short", min(600.0, 1800 * hours), max(2, num_events // 12)),
        ("long", 3600 * hours, num_events),
    ):
        path, began = folder / f"{name}.mp4", time.perf_counter()
        events = make_long_video(path, seconds=seconds, num_events=count)
        result[name] = {
            "seconds_of_video": seconds,
            "mib": round(path.stat().st_size / 2**20, 1),
            "made_in_seconds": round(time.perf_counter() - began, 1),
            "run": in_child(whole_run, str(path), str(folder / f"{name}-out"), events),
            "planted": [asdict(event) for event in events],
        }
    peaks = [result[name]["run"]["peak_mib"] for name in ("long", "short")]
    result["peak_ratio"] = round(peaks[0] / peaks[1], 3)
    return result


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--events", type=int, default=40)
    parser.add_argument("--folder", type=Path, required=True, help="new or empty; a GB is written")
    parser.add_argument("--json", action="store_true", help="print all as JSON")
    args = parser.parse_args()
    result = measure(args.folder, hours=args.hours, num_events=args.events)
    if args.json:
        json.dump(result, sys.stdout, indent=1)
        print()
        return
    run = result["long"]["run"]
    print(f"gate: {run['gate']['times_real_time_by_processor']} x real time on one core")
    print(f"events found: {run['events_found']} of {run['events']}")
    print(f"onset error: {run['onset_error_seconds']['largest']} s at most")
    print(f"windows without an event: {run['windows_without_event']} of {run['windows']}")
    print(f"peak memory: {run['peak_mib']} MiB, {result['peak_ratio']} x that of the short video")


if __name__ == "__main__":
    main()
