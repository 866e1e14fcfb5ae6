"""Compute where and when a word is localised: masks, boxes, points and time spans.

Numpy in, numpy out; reads no file and draws nothing.
"""

from __future__ import annotations

from tam_video.localise.pixels import Placement
from tam_video.localise.timeline import SlotTimeline, estimated_frame_seconds, slot_timeline
from tam_video.localise.track import Peak, Stretch, WordTrack
from tam_video.localise.tracks import Keep, subject_track, track_map, word_tracks

__all__ = [
    "Keep",
    "Peak",
    "Placement",
    "SlotTimeline",
    "Stretch",
    "WordTrack",
    "estimated_frame_seconds",
    "slot_timeline",
    "subject_track",
    "track_map",
    "word_tracks",
]
