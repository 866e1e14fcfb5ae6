"""A small still camera: nothing happens, and now and then a square crosses the picture."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from tam_video.video.writer import write_video

FPS = 10
WIDTH, HEIGHT = 160, 120


def write_still_camera(
    path: Path,
    *,
    seconds: float,
    events: Sequence[tuple[float, float]] = (),
    cuts: Sequence[float] = (),
) -> Path:
    """Write the clip.

    Args:
        path: the MP4.
        seconds: its length.
        events: when a square is there.
        cuts: when the scene is another one.
    """
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    scenes = [
        np.stack([60 + 60 * ((columns // step + rows // step) % 2)] * 3, axis=2) * np.array(tint)
        for step, tint in ((20, (1.0, 1.0, 1.0)), (13, (1.6, 0.7, 0.3)), (31, (0.3, 1.2, 1.7)))
    ]

    def frames():
        for number in range(round(seconds * FPS)):
            at = number / FPS
            picture = scenes[sum(at >= cut for cut in cuts) % 3].copy()
            for begin, end in events:
                if begin <= at < end:
                    left = 10 + int(100 * (at - begin) / (end - begin))
                    picture[40:70, left : left + 30] = (230, 40, 40)
            noise = rng.normal(0, 2, (HEIGHT, WIDTH, 1))
            yield (at, np.clip(picture + noise, 0, 255).astype(np.uint8))

    write_video(
        path,
        frames(),
        width=WIDTH,
        height=HEIGHT,
        average_fps=Fraction(FPS),
        speed_preset="ultrafast",
    )
    return path
