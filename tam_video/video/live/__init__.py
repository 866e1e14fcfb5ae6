"""Record live streams to files.

Owns: the allowed addresses, reconnecting, the bounded buffer, segments and their gaps. Packets are
copied without decoding.
"""

from __future__ import annotations

from tam_video.video.live.address import StreamAddress, is_stream, stream_address
from tam_video.video.live.follow import FollowOptions, FollowStatistics, StreamFollower
from tam_video.video.live.segments import Gap, Segment, read_segment, recorded_segments

__all__ = [
    "FollowOptions",
    "FollowStatistics",
    "Gap",
    "Segment",
    "StreamAddress",
    "StreamFollower",
    "is_stream",
    "read_segment",
    "recorded_segments",
    "stream_address",
]
