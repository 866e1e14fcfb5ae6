"""Assign a slot to each time and each frame of the clip.

Owns the boundaries between slots in presentation times of the source, and the times of frames that
were not sampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tam_video.types import Explanation, Float64Array, IntArray

_SAME_SECONDS = 1e-6  # a frame on a boundary belongs to the later slot despite rounding


@dataclass(frozen=True, slots=True, eq=False)
class SlotTimeline:
    """The slots of one input, with their presentation times in the source.

    Attributes:
        slot_seconds: float64 [t], the mean pts of the frames that fed each slot.
        edges_seconds: float64 [t + 1], not decreasing: slot k applies from edge k to edge k + 1.
        frame_seconds: float64 [F], the pts of every frame of the source.
        frame_slots: int64 [F], the slot of each frame, -1 outside of the sampled part.
    """

    slot_seconds: Float64Array
    edges_seconds: Float64Array
    frame_seconds: Float64Array
    frame_slots: IntArray


def slot_timeline(
    explanation: Explanation, *, frame_seconds: Float64Array | None = None
) -> SlotTimeline:
    """Return which time range and which source frames belong to each slot.

    The boundary of two slots is halfway between the last frame of the first and the first frame of
    the second. The first and the last slot extend outwards by half the distance to their neighbour,
    to the end of the clip if less than one slot is left, and at least to their own frames.

    Args:
        explanation: only its first input is used.
        frame_seconds: float64 [F], the pts of all frames of the source; estimated if None.

    Raises:
        ValueError: `frame_seconds` is not one time per frame of the source.
    """
    times = estimated_frame_seconds(explanation) if frame_seconds is None else frame_seconds
    if times.shape != (explanation.info.num_frames,):
        raise ValueError(
            f"frame_seconds must have shape [{explanation.info.num_frames}], "
            f"not {list(times.shape)}"
        )
    slots = explanation.layout.slot_seconds(explanation.pts_seconds)
    edges = _edges(explanation)
    frame_slots = np.searchsorted(edges, times + _SAME_SECONDS, side="right") - 1
    frame_slots[frame_slots == len(slots)] = len(slots) - 1
    frame_slots[times > edges[-1] + _SAME_SECONDS] = -1
    return SlotTimeline(slots, edges, times, frame_slots.astype(np.int64))


def estimated_frame_seconds(explanation: Explanation) -> Float64Array:
    """Estimate the pts of every source frame from the pts of the sampled frames.

    Exact for sampled frames and for a constant frame rate; other frames are spaced evenly.

    Args:
        explanation: only its first input is used.

    Returns:
        float64 [F], presentation times of the source.
    """
    info = explanation.info
    frames = np.array([0, *explanation.indices, info.num_frames])
    end = info.start_seconds + info.duration_seconds
    seconds = np.array([info.start_seconds, *explanation.pts_seconds, end])
    frames, first = np.unique(frames, return_index=True)
    known = np.maximum.accumulate(seconds[first])
    return np.asarray(np.interp(np.arange(info.num_frames), frames, known))


def _edges(explanation: Explanation) -> Float64Array:
    pts, info = explanation.pts_seconds, explanation.info
    fed = [pts[list(frames)] for frames in explanation.layout.frame_slots]
    first = np.array([times.min() for times in fed])
    last = np.array([times.max() for times in fed])
    inner = (last[:-1] + first[1:]) / 2
    clip_start = info.start_seconds
    clip_end = max(clip_start + info.duration_seconds, float(pts.max()))
    start, end = explained_range(
        explanation, clip_start_seconds=clip_start, clip_end_seconds=clip_end
    )
    start, end = min(start, first[0]), max(end, last[-1])
    edges = np.clip([start, *inner, end], clip_start, clip_end)
    return np.asarray(np.maximum.accumulate(edges))


def explained_range(
    explanation: Explanation, *, clip_start_seconds: float, clip_end_seconds: float
) -> tuple[float, float]:
    """Return the time range of all slots, extended by half a slot at both ends.

    It is extended to an end of the clip that is less than half a slot away: samplers that cover the
    whole clip leave such a remainder.

    Args:
        explanation: has the times of the slots.
        clip_start_seconds: pts of the clip's first frame.
        clip_end_seconds: end of the clip's last frame.

    Returns:
        (start, end) in seconds of the source; the whole clip when a single frame was sampled.
    """
    pts = explanation.pts_seconds
    slots = np.unique(explanation.layout.slot_seconds(pts))
    if len(slots) > 1:
        before, after = float(slots[1] - slots[0]), float(slots[-1] - slots[-2])
    else:
        before = after = _lone_slot_seconds(pts, default=clip_end_seconds - clip_start_seconds)
    start, end = float(slots[0]) - before / 2, float(slots[-1]) + after / 2
    if start - clip_start_seconds <= before / 2:
        start = min(start, clip_start_seconds)
    if clip_end_seconds - end <= after / 2:
        end = max(end, clip_end_seconds)
    return start, end


def _lone_slot_seconds(pts_seconds: Float64Array, *, default: float) -> float:
    """Return the duration of a single slot, or `default` if it has only one frame."""
    times = np.unique(pts_seconds)
    gaps = len(times) - 1
    return float(times[-1] - times[0]) * (gaps + 1) / gaps if gaps else default
