"""Parts of a picture made unrecognisable, and boxes drawn around what moves.

What the gate does not see as moving (a person who stands still for long, a thing too small) is not
redacted by `motion`: fixed boxes are for what must never be seen.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tam_video.long.gate import Motion
from tam_video.pipeline import SampledFrames
from tam_video.pipelines.surveillance.options import RedactOptions
from tam_video.types import ByteArray, FrameBatch

Box = tuple[float, float, float, float]
PixelBox = tuple[int, int, int, int]

_CELLS = 5  # of the longer side of a pixelated box
_LINE = (255, 178, 36)


@dataclass(frozen=True, slots=True)
class MotionTrack:
    """What moved when, of one file.

    Attributes:
        motions: looks that saw something, in order of time.
        slot_seconds: from one look to the next.
    """

    motions: tuple[Motion, ...] = ()
    slot_seconds: float = 0.5

    def between(self, start_seconds: float, end_seconds: float) -> tuple[Motion, ...]:
        """The looks of a stretch, both ends included."""
        first = bisect_left(self.motions, start_seconds, key=lambda each: each.pts_seconds)
        last = bisect_right(self.motions, end_seconds, key=lambda each: each.pts_seconds)
        return self.motions[first:last]

    def boxes_around(self, pts_seconds: float, hold_seconds: float) -> list[Box]:
        """What moved around a moment: as the looks before and after it saw it, at least."""
        reach = max(hold_seconds, 1.01 * self.slot_seconds)
        near = self.between(pts_seconds - reach, pts_seconds + reach)
        return [box for motion in near for box in motion.boxes]

    def nearest(self, pts_seconds: float) -> tuple[Box, ...]:
        """What the look closest to a moment saw, if that was less than a look's time away."""
        near = self.between(pts_seconds - self.slot_seconds, pts_seconds + self.slot_seconds)
        closest = min(near, key=lambda each: abs(each.pts_seconds - pts_seconds), default=None)
        return closest.boxes if closest else ()


def redacted(
    rgb: ByteArray, pts_seconds: float, *, options: RedactOptions, track: MotionTrack
) -> ByteArray:
    """A copy of a picture without what is to be hidden.

    Args:
        rgb: uint8 [H, W, 3].
        pts_seconds: when it is shown.
        options: what is hidden.
        track: what moved.
    """
    if not options.is_on:
        return rgb
    picture = rgb.copy()
    moving = track.boxes_around(pts_seconds, options.hold_seconds) if options.motion else []
    grown = [_grown(box, options.margin) for box in moving]
    for left, top, right, bottom in _in_pixels([*options.boxes, *grown], rgb.shape):
        area = picture[top:bottom, left:right]
        area[:] = _hidden(area, options.style)
    return picture


def redact_frames(
    frames: SampledFrames, *, options: RedactOptions, track: MotionTrack
) -> SampledFrames:
    """The frames that a model sees, redacted."""

    def hidden(batch: FrameBatch) -> FrameBatch:
        pictures = [
            redacted(rgb, float(seconds), options=options, track=track)
            for rgb, seconds in zip(batch.frames, batch.pts_seconds, strict=True)
        ]
        return replace(batch, frames=np.stack(pictures))

    return replace(frames, batches=tuple(map(hidden, frames.batches)))


def outlined(rgb: ByteArray, boxes: Sequence[Box]) -> ByteArray:
    """A copy of a picture with a thin line around boxes."""
    if not boxes:
        return rgb
    picture = rgb.copy()
    width = max(1, round(max(rgb.shape) / 480))
    for left, top, right, bottom in _in_pixels(boxes, rgb.shape):
        area = picture[top:bottom, left:right]
        area[:width] = area[-width:] = _LINE
        area[:, :width] = area[:, -width:] = _LINE
    return picture


def _in_pixels(boxes: Sequence[Box], shape: tuple[int, ...]) -> Iterator[PixelBox]:
    """Whole pixels that a box touches, within the picture."""
    height, width = shape[:2]
    for left, top, right, bottom in boxes:
        x0, x1 = max(0, int(left * width)), min(width, int(np.ceil(right * width)))
        y0, y1 = max(0, int(top * height)), min(height, int(np.ceil(bottom * height)))
        if x0 < x1 and y0 < y1:
            yield x0, y0, x1, y1


def _grown(box: Box, margin: float) -> Box:
    left, top, right, bottom = box
    wide, high = margin * (right - left), margin * (bottom - top)
    return left - wide, top - high, right + wide, bottom + high


def _hidden(area: ByteArray, style: str) -> ByteArray:
    import cv2

    height, width = area.shape[:2]
    if style == "black":
        return np.zeros_like(area)
    cell = max(4, -(-max(height, width) // _CELLS))
    coarse = (max(1, width // cell), max(1, height // cell))
    small = cv2.resize(area, coarse, interpolation=cv2.INTER_AREA)
    how = cv2.INTER_NEAREST if style == "pixelate" else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(small, (width, height), interpolation=how), dtype=np.uint8)
