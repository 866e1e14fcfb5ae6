"""When each frame of a cine is shown, exactly, and which tag says so.

Source: DICOM PS3.3, C.7.6.5 (Cine) and C.7.6.6 (Multi-frame): the frame increment pointer names the
tag that counts. Differs: where that one is missing or makes no sense, the others are asked in turn.
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
    """When frames are shown.

    Attributes:
        pts_seconds: float64 [N], from 0, increasing; each the float next to the exact value.
        duration_seconds: up to the end of the last frame.
        average_fps: frames over duration.
        time_base: the longest step that all times are multiples of, in seconds; a nanosecond where
            that would be shorter.
        source: the tag that was believed.
        warnings: what was not believed, in words.
    """

    pts_seconds: Float64Array
    duration_seconds: Fraction
    average_fps: Fraction
    time_base: Fraction
    source: TimingSource
    warnings: tuple[str, ...] = ()


def frame_times(dataset: Dataset, num_frames: int) -> FrameTimes:
    """Times of all frames by the most trusted tag that makes sense.

    Args:
        dataset: the technical tags.
        num_frames: how many frames there are.
    """
    steps = _steady(dataset)
    vector = _vector(dataset, num_frames)
    pointer = dataset.get("FrameIncrementPointer")
    pointers = list(pointer) if isinstance(pointer, list | tuple) else [pointer]
    has_vector = bool(_values(dataset, "FrameTimeVector")) and num_frames > 1
    if vector is not None and (_TIME_TAG not in pointers or "FrameTime" not in steps):
        return _of_vector(vector)
    warnings = []
    if has_vector and vector is None:
        warnings.append("FrameTimeVector makes no sense and is not used")
    source: TimingSource = next(iter(steps), "assumed")
    if source == "assumed" and num_frames > 1:
        warnings.append(f"no tag says when frames are shown: {ASSUMED_FPS} a second are assumed")
    step = steps.get(source, 1 / ASSUMED_FPS)
    return FrameTimes(
        pts_seconds=np.array([float(index * step) for index in range(num_frames)]),
        duration_seconds=num_frames * step,
        average_fps=1 / step,
        time_base=step,
        source=source,
        warnings=tuple(warnings),
    )


def _steady(dataset: Dataset) -> dict[TimingSource, Fraction]:
    """Seconds a frame by each tag that gives one, the most trusted first."""
    found: dict[TimingSource, Fraction] = {}
    step = _positive(dataset, "FrameTime")
    if step is not None:
        found["FrameTime"] = step * _MILLISECOND
    rates: tuple[TimingSource, ...] = ("CineRate", "RecommendedDisplayFrameRate")
    for keyword in rates:
        rate = _positive(dataset, keyword)
        if rate is not None:
            found[keyword] = 1 / rate
    return found


def _vector(dataset: Dataset, num_frames: int) -> list[Fraction] | None:
    """Seconds from each frame to the one before; None if they fit neither frames nor order.

    The first value is that of the first frame, 0 by rule; files of one value less leave it out.
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
    duration = times[-1] + steps[-1]  # the last frame stays as long as the one before
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
    found = number(values[0]) if len(values) == 1 else None
    return found if found is not None and found > 0 else None


def _values(dataset: Dataset, keyword: str) -> list[Any]:
    """The values of a tag; none where they can't be parsed."""
    try:
        value = dataset.get(keyword)
    except (ValueError, TypeError, ArithmeticError, OverflowError):
        return []
    if value is None:
        return []
    is_one = isinstance(value, str) or not hasattr(value, "__iter__")
    return [value] if is_one else list(value)
