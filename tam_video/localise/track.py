"""A value class for the track of a word: mask, boxes, points and spans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tam_video.localise.pixels import Placement
from tam_video.localise.timeline import SlotTimeline
from tam_video.types import BoolArray, Float64Array, FloatArray, IntArray

_NO_BOX = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Peak:
    """The first cell that has the greatest value in a map.

    Attributes:
        slot: its slot.
        row: its row.
        column: its column.
        value: its value.
        x_px: horizontal position of its centre in the source picture, clipped to it.
        y_px: vertical position of its centre.
        seconds: its slot's time on the source's clock.
    """

    slot: int
    row: int
    column: int
    value: float
    x_px: float
    y_px: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive frames in the source that have the same box.

    Attributes:
        slot: their slot.
        first_frame: the first frame, 0-based.
        last_frame: the last frame, inclusive.
    """

    slot: int
    first_frame: int
    last_frame: int


@dataclass(frozen=True, slots=True, eq=False)
class WordTrack:
    """Where and when a word (or a token) is localised in one input.

    Pixels are those of the source picture as displayed, after rotation; x1 and y1 of a box are
    exclusive. Times are presentation times of the source. Frames are 0-based.

    Attributes:
        text: the word or the token.
        word_index: index of the word, None for a token.
        token_index: index of the text token, None for a word.
        input: index of the input.
        heat: float32 [t, h, w], the map.
        threshold: cells above it are hot.
        mask: bool [t, h, w], the hot cells of the track; none if the map is constant.
        placement: where the cells lie in the picture.
        timeline: the times of the slots.
        boxes: int64 [t, 4], (x0, y0, x1, y1) around the pixels of each slot's cells; zeros if
            the slot has none.
        centroids: float64 [t, 2], (x, y) of the mean of the cells' centres, weighted by their
            values; NaN if the slot has none.
        peak: the cell with the greatest value, None if the map is constant.
        energy: float64 [t], the sum of the map in each slot.
        energy_share: share of the map's total energy that lies in the track, in [0, 1].
    """

    text: str
    word_index: int | None
    token_index: int | None
    input: int
    heat: FloatArray
    threshold: float
    mask: BoolArray
    placement: Placement
    timeline: SlotTimeline
    boxes: IntArray
    centroids: Float64Array
    peak: Peak | None
    energy: Float64Array
    energy_share: float

    def __repr__(self) -> str:
        span = self.span_seconds
        when = f"{span[0]:.2f}-{span[1]:.2f} s" if span else "nowhere"
        return f"WordTrack({self.text!r}, {when}, {int(self.mask.sum())} cells)"

    @property
    def slots(self) -> IntArray:
        """The slots that have a box, in ascending order: int64."""
        return np.flatnonzero(self.boxes[:, 2] > self.boxes[:, 0])

    @property
    def is_empty(self) -> bool:
        """True if the track has no box."""
        return not len(self.slots)

    @property
    def span_seconds(self) -> tuple[float, float] | None:
        """The start of the first slot and the end of the last slot, or None for an empty track."""
        spans = self.spans_seconds
        return (spans[0][0], spans[-1][1]) if spans else None

    @property
    def spans_seconds(self) -> tuple[tuple[float, float], ...]:
        """The (start, end) of every group of consecutive slots, in seconds."""
        slots, edges = self.slots, self.timeline.edges_seconds
        runs = np.split(slots, np.flatnonzero(np.diff(slots) > 1) + 1) if len(slots) else []
        return tuple((float(edges[run[0]]), float(edges[run[-1] + 1])) for run in runs)

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """The groups of consecutive source frames that share a slot's box, in ascending order."""
        has_box = np.append(self.boxes[:, 2] > self.boxes[:, 0], False)
        slots = np.where(has_box[self.timeline.frame_slots], self.timeline.frame_slots, -1)
        starts = np.flatnonzero(np.diff(slots, prepend=-2))
        ends = np.append(starts[1:], len(slots))
        return tuple(
            Stretch(int(slots[start]), int(start), int(end) - 1)
            for start, end in zip(starts, ends, strict=True)
            if slots[start] >= 0
        )

    @property
    def frame_boxes(self) -> IntArray:
        """The box in every source frame, int64 [F, 4]. It is zero in frames without a box."""
        return np.vstack([self.boxes, _NO_BOX])[self.timeline.frame_slots]

    def box_at(self, frame: int) -> tuple[int, int, int, int] | None:
        """Return the box (x0, y0, x1, y1) in a source frame, or None if there is no box."""
        slot = int(self.timeline.frame_slots[frame])
        if slot < 0 or not self.boxes[slot].any():
            return None
        x0, y0, x1, y1 = self.boxes[slot].tolist()
        return x0, y0, x1, y1

    def pixel_mask(self, slot: int) -> BoolArray:
        """Return the mask of the track's pixels in one slot: bool [H, W]."""
        return self.placement.pixel_mask(self.mask[slot])
