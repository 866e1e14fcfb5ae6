"""How a camera is followed, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """How a camera is followed.

    Attributes:
        segment_seconds: a segment ends at the first keyframe after this.
        duration_seconds: stop after this; None for never.
        open_seconds: longest time for a connection.
        read_seconds: longest silence before the connection is given up.
        first_wait_seconds: shortest wait before a new try; it grows to a tenth of the silence.
        longest_wait_seconds: longest wait between two tries.
        give_up_seconds: end when nothing has come for so long; None for never.
        buffer_bytes: packets that may wait for the disk.
        max_bytes: of all segments together, the oldest go first; None for any number.
        min_free_bytes: that stay free on the disk, in the same way.
    """

    segment_seconds: float = 60.0
    duration_seconds: float | None = None
    open_seconds: float = 10.0
    read_seconds: float = 5.0
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0
    give_up_seconds: float | None = None
    buffer_bytes: int = 64 << 20
    max_bytes: int | None = None
    min_free_bytes: int = 0


@dataclass(slots=True)
class FollowStatistics:
    """What was recorded, and what is missing.

    Attributes:
        num_connections: connections that were made.
        num_segments: finished segments.
        num_frames: pictures in them.
        num_dropped: packets that came and were thrown away.
        num_gaps: times that something is missing.
        missing_seconds: how much is missing, in all.
        num_removed: old segments that were removed to make room.
    """

    num_connections: int = 0
    num_segments: int = 0
    num_frames: int = 0
    num_dropped: int = 0
    num_gaps: int = 0
    missing_seconds: float = 0.0
    num_removed: int = 0
