"""Which packet shows which frame, and when.

Owns: display order, frame numbers, the place where decoding must start for a frame. No decoding.
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
    """N shown frames in display order.

    Attributes:
        ticks: int64 [N], presentation times, increasing.
        is_keyframe: bool [N].
        table: the packets behind the frames.
        is_counted: the packets' times can't be trusted: the frames were counted by decoding the
            file, and can only be found by counting again.
    """

    ticks: IntArray
    is_keyframe: NDArray[np.bool_]
    table: PacketTable
    is_counted: bool = False

    def __len__(self) -> int:
        return len(self.ticks)

    def timeline(self, time_base: Fraction) -> Timeline:
        """The same in seconds."""
        seconds = self.ticks * time_base.numerator / time_base.denominator
        return Timeline(pts_seconds=seconds, is_keyframe=self.is_keyframe)

    def number_at(self, ticks: int | None) -> int | None:
        """The frame shown from exactly `ticks` on, if there is one."""
        if ticks is None:
            return None
        number = int(np.searchsorted(self.ticks, ticks))
        return number if number < len(self) and self.ticks[number] == ticks else None

    def entry_place(self, index: int, *, steps_back: int = 0) -> int:
        """Where in the packets decoding must start to reach frame `index`.

        Args:
            index: frame number.
            steps_back: how many more keyframes to go back.

        Returns:
            The place of the keyframe packet; 0 if there is none earlier.
        """
        keys = np.flatnonzero(self.table.is_keyframe)
        keys = keys[np.argsort(self.table.pts[keys], kind="stable")]
        rank = int(np.searchsorted(self.table.pts[keys], self.ticks[index], side="right")) - 1
        return int(keys[rank - steps_back]) if rank >= steps_back else 0

    def has_entry_between(self, after: int, index: int) -> bool:
        """Whether a keyframe lies in frames `after + 1` to `index`, so that a seek saves work."""
        return bool(self.is_keyframe[after + 1 : index + 1].any())


def index_of_packets(table: PacketTable) -> FrameIndex:
    """Frames in display order from packets that have times."""
    shown = np.flatnonzero(table.is_shown)
    order = shown[np.argsort(table.pts[shown], kind="stable")]
    return FrameIndex(ticks=table.pts[order], is_keyframe=table.is_keyframe[order], table=table)


def last_duration(index: FrameIndex, *, frame_ticks: int) -> int:
    """Ticks that the last frame stays: as stored, else as its neighbours, else `frame_ticks`."""
    table = index.table
    if not index.is_counted:
        stored = table.durations[table.is_shown & (table.pts == index.ticks[-1])]
        if stored.size and stored[0] > 0:
            return int(stored[0])
    if len(index) > 1:
        return int(np.median(np.diff(index.ticks)))
    return frame_ticks
