"""Map frame numbers to packets and presentation times.

Owns: display order, frame numbers, the keyframe from which a frame is decoded. No decoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tam_video.types import IntArray
from tam_video.video.container import PacketTable
from tam_video.video.reader import Timeline


@dataclass(frozen=True, slots=True, eq=False)
class FrameIndex:
    """Index of the N displayed frames, in display order.

    Attributes:
        ticks: int64 [N], pts in units of the stream's time base, increasing.
        is_keyframe: bool [N].
        table: the packets of the stream.
        is_counted: the packets' times are unreliable: the frames were counted by decoding the
            whole file, and can only be reached by decoding and counting again.
    """

    ticks: IntArray
    is_keyframe: NDArray[np.bool_]
    table: PacketTable
    is_counted: bool = False

    def __len__(self) -> int:
        return len(self.ticks)

    def timeline(self, time_base: Fraction) -> Timeline:
        """Return the timeline: times in seconds, and which frames are keyframes."""
        seconds = self.ticks * time_base.numerator / time_base.denominator
        return Timeline(pts_seconds=seconds, is_keyframe=self.is_keyframe)

    def number_at(self, ticks: int | None) -> int | None:
        """Return the number of the frame whose pts equals `ticks`, or None if there is none."""
        if ticks is None:
            return None
        number = int(np.searchsorted(self.ticks, ticks))
        return number if number < len(self) and self.ticks[number] == ticks else None

    def keyframe_index(self, index: int, *, steps_back: int = 0) -> int:
        """Return the index of the packet from which decoding must start to reach frame `index`.

        It is the last keyframe before, or the one `steps_back` earlier; 0 if there is none.
        """
        keys = np.flatnonzero(self.table.is_keyframe)
        keys = keys[np.argsort(self.table.pts[keys], kind="stable")]
        rank = int(np.searchsorted(self.table.pts[keys], self.ticks[index], side="right")) - 1
        return int(keys[rank - steps_back]) if rank >= steps_back else 0

    def has_keyframe_between(self, after: int, index: int) -> bool:
        """Return whether frames `after + 1` to `index` include a keyframe to seek to."""
        return bool(self.is_keyframe[after + 1 : index + 1].any())


def index_of_packets(table: PacketTable) -> FrameIndex:
    """Build the index from packets that have times."""
    shown = np.flatnonzero(table.is_shown)
    order = shown[np.argsort(table.pts[shown], kind="stable")]
    return FrameIndex(ticks=table.pts[order], is_keyframe=table.is_keyframe[order], table=table)


def last_duration(index: FrameIndex, *, frame_ticks: int) -> int:
    """Return the last frame's duration in ticks: as stored, else the median, else `frame_ticks`."""
    table = index.table
    if not index.is_counted:
        stored = table.durations[table.is_shown & (table.pts == index.ticks[-1])]
        if stored.size and stored[0] > 0:
            return int(stored[0])
    if len(index) > 1:
        return int(np.median(np.diff(index.ticks)))
    return frame_ticks
