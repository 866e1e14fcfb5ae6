"""Cameras that send all the time: followed over the network, recorded as files.

Owns: what address may be opened, reconnecting, the bounded buffer, segments and their gaps.
Pictures are copied as they come, never decoded here.
"""

from __future__ import annotations

from tam_video.video.live.address import StreamAddress, is_stream, stream_address
from tam_video.video.live.follow import StreamFollower
from tam_video.video.live.options import FollowOptions, FollowStatistics
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
