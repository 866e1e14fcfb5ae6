"""Track motion in a file, and redact or outline boxes and moving objects.

Objects that the gate does not detect (a person who stands still for long, a small object) are not
redacted by `motion`. Use fixed boxes for areas that must never be visible.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tam_video.dicom import Box
from tam_video.long.gate import Motion, looks
from tam_video.pipelines.surveillance.options import RedactOptions, SurveillanceOptions
from tam_video.sampling import SampledFrames
from tam_video.types import ByteArray, FrameBatch

Sides = tuple[float, float, float, float]

_CELLS = 5  # of the longer side of a pixelated box
_LINE = (255, 178, 36)


@dataclass(frozen=True, slots=True)
class MotionTrack:
    """Boxes of moving objects in a file, sorted by time."""

    motions: tuple[Motion, ...] = ()  # looks of the gate with motion, in order of time
    slot_seconds: float = 0.5  # between two looks

    def between(self, start_seconds: float, end_seconds: float) -> tuple[Motion, ...]:
        """Return the motion in a time span, including both ends."""
        first = bisect_left(self.motions, start_seconds, key=lambda each: each.pts_seconds)
        last = bisect_right(self.motions, end_seconds, key=lambda each: each.pts_seconds)
        return self.motions[first:last]

    def boxes_around(self, pts_seconds: float, hold_seconds: float) -> list[Sides]:
        """Return the boxes near `pts_seconds`: within `hold_seconds`, or one slot if longer."""
        reach = max(hold_seconds, 1.01 * self.slot_seconds)
        near = self.between(pts_seconds - reach, pts_seconds + reach)
        return [box for motion in near for box in motion.boxes]

    def nearest(self, pts_seconds: float) -> tuple[Sides, ...]:
        """Return the boxes closest to `pts_seconds`, or () if none are within `slot_seconds`."""
        near = self.between(pts_seconds - self.slot_seconds, pts_seconds + self.slot_seconds)
        closest = min(near, key=lambda each: abs(each.pts_seconds - pts_seconds), default=None)
        return closest.boxes if closest else ()


def gate_looks(path: Path, options: SurveillanceOptions) -> Iterator[Motion]:
    """Yield the motion in a file, frame by frame, or nothing if no option needs motion."""
    if options.motion.enabled or options.redact.motion:
        yield from looks(path, options=options.gate())


def motion_track(motions: Iterable[Motion], options: SurveillanceOptions) -> MotionTrack:
    """Create a track from detected motion. Entries without boxes are dropped."""
    return MotionTrack(tuple(each for each in motions if each.boxes), options.gate().slot_seconds)


def redact(
    rgb: ByteArray, pts_seconds: float, *, options: RedactOptions, track: MotionTrack
) -> ByteArray:
    """Return a redacted copy of the frame at the time `pts_seconds`: uint8 [H, W, 3]."""
    if not options.is_on:
        return rgb
    redacted = rgb.copy()
    moving = track.boxes_around(pts_seconds, options.hold_seconds) if options.motion else []
    grown = [_grow(box, options.margin) for box in moving]
    for box in _in_pixels([*options.boxes, *grown], rgb.shape):
        redacted[box.slices] = _hide(redacted[box.slices], options.style)
    return redacted


def redact_frames(
    frames: SampledFrames, *, options: RedactOptions, track: MotionTrack
) -> SampledFrames:
    """Return redacted copies of the frames that a model receives."""

    def redact_batch(batch: FrameBatch) -> FrameBatch:
        redacted = [
            redact(rgb, float(seconds), options=options, track=track)
            for rgb, seconds in zip(batch.frames, batch.pts_seconds, strict=True)
        ]
        return replace(batch, frames=np.stack(redacted))

    return replace(frames, batches=tuple(map(redact_batch, frames.batches)))


def outline(rgb: ByteArray, boxes: Sequence[Sides]) -> ByteArray:
    """Return a copy of a frame with thin lines around boxes."""
    if not boxes:
        return rgb
    outlined = rgb.copy()
    width = max(1, round(max(rgb.shape) / 480))
    for box in _in_pixels(boxes, rgb.shape):
        area = outlined[box.slices]
        area[:width] = area[-width:] = _LINE
        area[:, :width] = area[:, -width:] = _LINE
    return outlined


def _in_pixels(boxes: Sequence[Sides], shape: tuple[int, ...]) -> Iterator[Box]:
    height, width = shape[:2]
    for sides in boxes:
        box = Box.from_fractions(sides, width=width, height=height).within(width, height)
        if box is not None:
            yield box


def _grow(box: Sides, margin: float) -> Sides:
    left, top, right, bottom = box
    wide, high = margin * (right - left), margin * (bottom - top)
    return left - wide, top - high, right + wide, bottom + high


def _hide(area: ByteArray, style: str) -> ByteArray:
    import cv2

    height, width = area.shape[:2]
    if style == "black":
        return np.zeros_like(area)
    cell = max(4, -(-max(height, width) // _CELLS))
    coarse = (max(1, width // cell), max(1, height // cell))
    small = cv2.resize(area, coarse, interpolation=cv2.INTER_AREA)
    how = cv2.INTER_NEAREST if style == "pixelate" else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(small, (width, height), interpolation=how), dtype=np.uint8)
