"""Where and when a word was seen: a mask, boxes, points and a span out of its map.

Pure: numpy in, numpy out. Knows no file and draws nothing.
"""

from __future__ import annotations

from tam_video.localise.pixels import Placement
from tam_video.localise.timeline import SlotTimeline, estimated_frame_seconds, slot_timeline
from tam_video.localise.track import Peak, Stretch, WordTrack
from tam_video.localise.tracks import Keep, token_track, track_map, word_track, word_tracks

__all__ = [
    "Keep",
    "Peak",
    "Placement",
    "SlotTimeline",
    "Stretch",
    "WordTrack",
    "estimated_frame_seconds",
    "slot_timeline",
    "token_track",
    "track_map",
    "word_track",
    "word_tracks",
]
