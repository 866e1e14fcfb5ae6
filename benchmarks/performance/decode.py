"""Sampling 32 frames of a ten-minute clip: ours beside every reader that people use.

Each reader runs on its own in a fresh process, which opens the file as a user would; that its
frames are the right ones is read from their pixels.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.performance.clips import FPS, numbered_clip, read_number
from benchmarks.performance.measurement import (
    Measurement,
    cpu_seconds,
    extra_peak,
    in_child,
    one_thread,
)

_FRAMES = 32
_RIVALS = ("decord", "torchcodec", "opencv", "pyav")


def sampling_gop30(quick: bool) -> Measurement:
    """A keyframe every second, as cameras write them."""
    return _sampling(30, quick=quick)


def sampling_gop250(quick: bool) -> Measurement:
    """A keyframe every 250 frames, x264's default distance."""
    return _sampling(250, quick=quick)


def _sampling(gop: int, *, quick: bool) -> Measurement:
    path = numbered_clip(seconds=20 if quick else 600, gop=gop)
    names = ["ours", *(name for name in _RIVALS if name != "torchcodec" or _has_torchcodec())]
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for round_ in range(1 if quick else 3):
        for name in names[:: -1 if round_ % 2 else 1]:
            rounds[name].append(in_child("decode:sample", reader=name, path=str(path)))
    cpu = {name: min(each["cpu"] for each in results) for name, results in rounds.items()}
    wrong = {name: max(each["wrong"] for each in results) for name, results in rounds.items()}
    fastest = min((name for name in names if name != "ours"), key=cpu.__getitem__)
    return Measurement(
        ratio=cpu[fastest] / cpu["ours"],
        target=1.0,
        sense="at least",
        seconds={f"{name} cpu": each for name, each in cpu.items()},
        how=f"{_FRAMES} frames of a {path.stem} at 1280x720 to RGB, opening included, one thread,"
        " a process for each; the ratio is to the fastest other reader",
        figures={
            "fastest other": fastest,
            "wrong frames": wrong,
            "not installed": sorted({"ours", *_RIVALS} - set(names)),
        },
    )


def frame_size_memory(quick: bool) -> Measurement:
    """Reading and processing frames in the source's size and in the processor's."""
    frames = 4 if quick else 64
    path = numbered_clip(seconds=4 if quick else 20, gop=30)
    sizes = ("source", "processor")
    results = {
        size: in_child("decode:prepare", path=str(path), size=size, frames=frames) for size in sizes
    }
    source, small = results.values()
    return Measurement(
        ratio=source["extra_bytes"] / small["extra_bytes"],
        target=None,
        sense="at least",
        seconds={f"{size} cpu": each["cpu"] for size, each in results.items()},
        how=f"{frames} frames of {path.stem} at 1280x720 to the pixels of a Qwen2-VL, 14 x 26 cells"
        " a slot; peak beyond the model, a process for each",
        figures={
            "extra_bytes": {size: each["extra_bytes"] for size, each in results.items()},
            "frame_bytes": {size: each["frame_bytes"] for size, each in results.items()},
        },
    )


def prepare(path: str, size: str, frames: int) -> dict[str, Any]:
    """Read a clip's frames and give them to the processor: bytes and seconds."""
    from benchmarks.performance.explaining import QUICK, shown
    from benchmarks.performance.random_qwen import random_model
    from tam_video.config import RunConfig
    from tam_video.models.prompt import encode_prompt
    from tam_video.sampling import read_frames

    one_thread()
    shape = replace(QUICK, slots=frames // 2, rows=14, columns=26)
    model = random_model(shape)
    record: dict[str, Any] = {}

    def call(count: int = frames) -> None:
        settings = RunConfig(num_frames=count, frame_size=size)
        batches = read_frames(path, model=model, settings=settings).batches
        how = {"checkpoint": model.checkpoint, "family": model.adapter}
        encode_prompt(batches, shown(), **how)
        record["frame_bytes"] = batches[0].frames.nbytes

    call(2)
    start = cpu_seconds()
    extra = extra_peak(call)
    return {"extra_bytes": extra, "cpu": cpu_seconds() - start, **record}


def sample(reader: str, path: str) -> dict[str, Any]:
    """Open the clip and read evenly spread frames: seconds, and how many are wrong."""
    read = _READERS[reader]
    read(str(numbered_clip(seconds=2, gop=30)), np.arange(2))  # imports are not what is measured
    count = int(Path(path).stem.split("_")[1].rstrip("s")) * FPS
    asked = np.linspace(0, count - 1, _FRAMES).round().astype(np.int64)
    cpu, wall = cpu_seconds(), time.perf_counter()
    frames = read(path, asked)
    cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
    pairs = zip(frames, asked.tolist(), strict=True)
    wrong = sum(read_number(frame) != number for frame, number in pairs)
    return {"cpu": cpu, "wall": wall, "wrong": wrong}


def _ours(path: str, asked: Any) -> Any:
    from tam_video.video.av_reader import PyAvReader

    with PyAvReader(Path(path), threads=1) as video:
        return video.read(asked).frames


def _decord(path: str, asked: Any) -> Any:
    import decord

    return decord.VideoReader(path, num_threads=1).get_batch(asked.tolist()).asnumpy()


def _torchcodec(path: str, asked: Any) -> Any:
    from torchcodec.decoders import VideoDecoder  # type: ignore[attr-defined]

    decoder = VideoDecoder(path, seek_mode="exact", num_ffmpeg_threads=1, dimension_order="NHWC")
    return decoder.get_frames_at(asked.tolist()).data.numpy()


def _has_torchcodec() -> bool:
    """It is installed, and loads beside this torch and the FFmpeg libraries of the system."""
    if find_spec("torchcodec") is None:
        return False
    try:
        import torchcodec  # noqa: F401
    except (ImportError, OSError, RuntimeError):
        return False
    return True


def _opencv(path: str, asked: Any) -> Any:
    import cv2

    capture, frames = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1]), []
    for number in asked.tolist():
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        frames.append(cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB))
    return np.stack(frames)


def _pyav(path: str, asked: Any) -> Any:
    """Seek to the keyframe before each time, decode up to it: the recipe of PyAV's manual."""
    import av

    frames = []
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        ticks = 1 / (FPS * (stream.time_base or 1))
        for number in asked.tolist():
            wanted = (stream.start_time or 0) + round(number * ticks)
            container.seek(wanted, stream=stream)
            frames += [_first_from(container.decode(stream), wanted)]
    return np.stack(frames)


def _first_from(pictures: Any, ticks: int) -> Any:
    picture = next(picture for picture in pictures if picture.pts >= ticks)
    return picture.to_ndarray(format="rgb24")


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "ours": _ours,
    "decord": _decord,
    "torchcodec": _torchcodec,
    "opencv": _opencv,
    "pyav": _pyav,
}
