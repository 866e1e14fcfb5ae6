"""Windows to choose from."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tam_video.samplers import Window, window
from tam_video.types import VideoInfo


def window_at(pts: list[float], *, last: float = 0.04, start: float | None = None) -> Window:
    """Frames shown at `pts`, every tenth a keyframe, the last on screen for `last` seconds."""
    times = np.array(pts, np.float64)
    info = VideoInfo(
        Path("clip.mp4"),
        num_frames=len(times),
        width=8,
        height=8,
        average_fps=Fraction(25),
        duration_seconds=float(times[-1] - times[0]) + last,
        start_seconds=float(times[0]),
    )
    return window(info, times, np.arange(len(times)) % 10 == 0, start_seconds=start)


@pytest.fixture
def at() -> Callable[..., Window]:
    """`window_at`, for tests that make their own."""
    return window_at


@pytest.fixture
def constant() -> Window:
    """100 frames at 25 a second, from 3 s on."""
    return window_at([3 + n / 25 for n in range(100)])


@pytest.fixture
def variable() -> Window:
    """7 frames at uneven times."""
    return window_at([0.0, 0.1, 0.15, 0.9, 1.0, 2.6, 2.7], last=0.3)
