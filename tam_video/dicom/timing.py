"""Compute exact frame times of a cine loop from its most reliable tag.

Source: DICOM PS3.3, C.7.6.5 (Cine) and C.7.6.6 (Multi-frame): the frame increment pointer names the
tag to use. Differs: if that tag is missing or not valid, the other tags are tried in turn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from tam_video.dicom.header import number
from tam_video.types import Float64Array

if TYPE_CHECKING:
    from pydicom import Dataset

TimingSource: TypeAlias = Literal[
    "FrameTimeVector", "FrameTime", "CineRate", "RecommendedDisplayFrameRate", "assumed"
]
ASSUMED_FPS = Fraction(25)
_MILLISECOND = Fraction(1, 1000)
_FINEST = Fraction(1, 1_000_000_000)
_VECTOR_TAG, _TIME_TAG = 0x00181065, 0x00181063


@dataclass(frozen=True, slots=True, eq=False)
class FrameTimes:
    """Frame times of a DICOM file, and the tag that they come from.

    Attributes:
        pts_seconds: float64 [N], from 0, increasing; each the nearest float of the exact value.
        duration_seconds: up to the end of the last frame.
        average_fps: number of frames divided by the duration.
        time_base: greatest common divisor of all times, in seconds; at least a nanosecond.
        source: tag that the times come from.
        warnings: tags that were ignored, and why.
    """

    pts_seconds: Float64Array
    duration_seconds: Fraction
    average_fps: Fraction
    time_base: Fraction
    source: TimingSource
    warnings: tuple[str, ...] = ()


def frame_times(dataset: Dataset, num_frames: int) -> FrameTimes:
    """Compute the times of all frames from the most reliable valid tag."""
    steps = _constant_steps(dataset)
    vector = _vector(dataset, num_frames)
    pointer = dataset.get("FrameIncrementPointer")
    pointers = list(pointer) if isinstance(pointer, list | tuple) else [pointer]
    has_vector = bool(_values(dataset, "FrameTimeVector")) and num_frames > 1
    if vector is not None and (_TIME_TAG not in pointers or "FrameTime" not in steps):
        return _of_vector(vector)
    warnings = []
    if has_vector and vector is None:
        warnings.append("FrameTimeVector is not valid and is ignored")
    source: TimingSource = next(iter(steps), "assumed")
    if source == "assumed" and num_frames > 1:
        warnings.append(f"no tag defines the frame times: {ASSUMED_FPS} frames per second assumed")
    step = steps.get(source, 1 / ASSUMED_FPS)
    return FrameTimes(
        pts_seconds=np.array([float(index * step) for index in range(num_frames)]),
        duration_seconds=num_frames * step,
        average_fps=1 / step,
        time_base=step,
        source=source,
        warnings=tuple(warnings),
    )


def _constant_steps(dataset: Dataset) -> dict[TimingSource, Fraction]:
    """Map each constant-rate tag to its seconds per frame. The most reliable tag is first."""
    steps: dict[TimingSource, Fraction] = {}
    step = _positive(dataset, "FrameTime")
    if step is not None:
        steps["FrameTime"] = step * _MILLISECOND
    rates: tuple[TimingSource, ...] = ("CineRate", "RecommendedDisplayFrameRate")
    for keyword in rates:
        rate = _positive(dataset, keyword)
        if rate is not None:
            steps[keyword] = 1 / rate
    return steps


def _vector(dataset: Dataset, num_frames: int) -> list[Fraction] | None:
    """Return the seconds between frames from FrameTimeVector, or None if the tag is invalid.

    The first value is that of the first frame, 0 by definition; some files omit it.
    """
    values = [number(each) for each in _values(dataset, "FrameTimeVector")]
    if len(values) == num_frames - 1:
        values = [Fraction(0), *values]
    steps = [each * _MILLISECOND for each in values[1:] if each is not None and each > 0]
    if num_frames < 2 or len(values) != num_frames or len(steps) != num_frames - 1:
        return None
    return steps


def _of_vector(steps: list[Fraction]) -> FrameTimes:
    times = [Fraction(0), *accumulate(steps)]
    duration = times[-1] + steps[-1]  # the last frame has the duration of the one before
    ticks = math.lcm(*(each.denominator for each in steps))
    return FrameTimes(
        pts_seconds=np.array([float(each) for each in times]),
        duration_seconds=duration,
        average_fps=len(times) / duration,
        time_base=max(Fraction(1, ticks), _FINEST),
        source="FrameTimeVector",
    )


def _positive(dataset: Dataset, keyword: str) -> Fraction | None:
    values = _values(dataset, keyword)
    value = number(values[0]) if len(values) == 1 else None
    return value if value is not None and value > 0 else None


def _values(dataset: Dataset, keyword: str) -> list[Any]:
    """Return the values of a tag, or an empty list if they can't be parsed."""
    try:
        value = dataset.get(keyword)
    except (ValueError, TypeError, ArithmeticError, OverflowError):
        return []
    if value is None:
        return []
    is_one = isinstance(value, str) or not hasattr(value, "__iter__")
    return [value] if is_one else list(value)
