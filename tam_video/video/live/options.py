"""Options and statistics of a stream follower."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """Options of a stream follower.

    Attributes:
        segment_seconds: a segment ends at the first keyframe after this.
        duration_seconds: stop after this; None to record until stopped.
        open_seconds: timeout of a connection.
        read_seconds: timeout of a read; the connection is then closed.
        first_wait_seconds: minimum wait before reconnecting; grows to a tenth of the outage.
        longest_wait_seconds: maximum wait before reconnecting.
        give_up_seconds: fail after an outage of this length; None for never.
        buffer_bytes: size of the packet buffer.
        max_bytes: total size of all segments, the oldest are removed; None for no limit.
        min_free_bytes: free disk space to keep, in the same way.
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
    """Statistics of a recording.

    Attributes:
        num_connections: connections made.
        num_segments: finished segments.
        num_frames: frames in finished segments.
        num_dropped: packets that were received and dropped.
        num_gaps: gaps between segments.
        missing_seconds: total length of the gaps.
        num_removed: old segments that were removed to free disk space.
    """

    num_connections: int = 0
    num_segments: int = 0
    num_frames: int = 0
    num_dropped: int = 0
    num_gaps: int = 0
    missing_seconds: float = 0.0
    num_removed: int = 0
