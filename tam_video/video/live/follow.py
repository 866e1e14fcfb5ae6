"""A camera is followed: connected again and again, and kept in segments.

One thread reads the network, this one writes. All that is lost is counted: what the server did not
send, what came before a keyframe, what the disk was too slow for.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

from tam_video.errors import EncodeError, VideoOpenError
from tam_video.video.live.address import StreamAddress
from tam_video.video.live.buffer import Arrived
from tam_video.video.live.connection import Connection, connected
from tam_video.video.live.options import FollowOptions, FollowStatistics
from tam_video.video.live.segments import (
    Gap,
    Segment,
    SegmentWriter,
    recorded_segments,
    remove_segment,
)

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
_JUMP_FORWARD_SECONDS = 10.0
_JUMP_BACK_SECONDS = 1.0
_WAIT_SHARE = 0.1  # of the silence so far: an outage is made a tenth longer at most
_LONGEST_SEGMENTS = 10  # a stream with no keyframe for so many segments is cut all the same
_STOPPED = "stopped"


@dataclass(slots=True)
class _Clock:
    """The moment on the wall at which the stream's time is 0, by the shortest delay seen."""

    zero: float = float("inf")

    def see(self, arrived_seconds: float, media_seconds: float) -> None:
        self.zero = min(self.zero, arrived_seconds - media_seconds)


@dataclass(slots=True)
class StreamFollower:
    """Follows one camera; `run` works until it is told to stop.

    Attributes:
        address: where the camera is.
        folder: where segments go; made if it is missing.
        camera: its name, told in the JSON of each segment.
        options: how it is followed.
        took: called with each finished segment.
        stop: set by anyone to end.
        statistics: so far.
    """

    address: StreamAddress
    folder: Path
    camera: str = "camera"
    options: FollowOptions = field(default_factory=FollowOptions)
    took: Callable[[Segment], None] = lambda _: None
    stop: Event = field(default_factory=Event)
    statistics: FollowStatistics = field(default_factory=FollowStatistics)
    _ended_at: float | None = field(default=None, init=False)
    _lost_because: str | None = field(default=None, init=False)
    _num_dropped: int = field(default=0, init=False)
    _ends_at: float = field(default=float("inf"), init=False)

    def run(self) -> FollowStatistics:
        """Record until the time is over, `stop` is set, or the camera is given up.

        Raises:
            VideoOpenError: nothing has come for `give_up_seconds`.
            EncodeError: the folder can't be written.
        """
        options = self.options
        self._prepare()
        began = last_heard = time.monotonic()
        self._ends_at = began + (options.duration_seconds or float("inf"))
        while not self.is_over():
            num_before = self.statistics.num_frames
            try:
                reason = self._one_connection()
            except (VideoOpenError, EncodeError) as exc:
                reason = exc.message
            if self.statistics.num_frames > num_before:
                last_heard = time.monotonic()
            if self.is_over():
                break
            self._lost_because = self._lost_because or reason
            silence = time.monotonic() - last_heard
            if options.give_up_seconds is not None and silence > options.give_up_seconds:
                raise VideoOpenError(
                    f"nothing came from {self.address.shown} for {silence:.0f} seconds: {reason}",
                    hint="check the camera and its address",
                )
            wait = max(options.first_wait_seconds, _WAIT_SHARE * silence)
            wait = min(wait, options.longest_wait_seconds)
            logger.warning("camera %s: %s; next try in %.1f s", self.camera, reason, wait)
            self.stop.wait(min(wait, max(0.0, self._ends_at - time.monotonic())))
        return self.statistics

    def _prepare(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for left_over in self.folder.glob(".*.partial"):
                left_over.unlink(missing_ok=True)
        except OSError as exc:
            raise EncodeError(
                f"can't write segments into {self.folder}: {exc.strerror}",
                hint="check space and permissions",
            ) from exc

    def is_over(self) -> bool:
        """Whether it was told to stop, or its time is over."""
        return self.stop.is_set() or time.monotonic() >= self._ends_at

    def _one_connection(self) -> str:
        """Record from one connection; why it ended."""
        options = self.options
        with connected(
            self.address,
            open_seconds=options.open_seconds,
            read_seconds=options.read_seconds,
            max_bytes=options.buffer_bytes,
        ) as connection:
            self.statistics.num_connections += 1
            return _Recording(self, connection).run()

    def finished(self, writer: SegmentWriter, zero_seconds: float, start_seconds: float) -> None:
        """Give a segment its name and tell of it.

        Args:
            writer: what holds its packets.
            zero_seconds: moment of the steady clock at which the stream's time is 0.
            start_seconds: the stream's time of its first packet.
        """
        began = zero_seconds + start_seconds
        gap = None
        if self._lost_because is not None and self._ended_at is not None:
            gap = Gap(round(max(0.0, began - self._ended_at), 3), self._lost_because)
            self.statistics.num_gaps += 1
            self.statistics.missing_seconds += gap.seconds
        is_first = self._ended_at is None
        moment = datetime.now(UTC) - timedelta(seconds=time.monotonic() - began)
        segment = writer.finish(
            self.camera, moment, gap=gap, is_first=is_first, num_dropped=self._num_dropped
        )
        self._ended_at, self._lost_because = began + segment.duration_seconds, None
        self._num_dropped = 0
        self.statistics.num_segments += 1
        self.statistics.num_frames += segment.num_frames
        self._make_room()
        self.took(segment)

    def drop(self, count: int, reason: str | None) -> None:
        """Count packets that were thrown away; with a reason, what comes next is a new start."""
        self._num_dropped += count
        self.statistics.num_dropped += count
        self._lost_because = self._lost_because or reason

    def _make_room(self) -> None:
        """Remove the oldest segments until the limits hold; the newest one stays."""
        limit, free = self.options.max_bytes, self.options.min_free_bytes
        if limit is None and not free:
            return
        there = [(each, size) for each in recorded_segments(self.folder) if (size := _size(each))]
        total = sum(size for _, size in there)
        for segment, size in there[:-1]:
            is_full = limit is not None and total > limit
            if not is_full and shutil.disk_usage(self.folder).free >= free:
                return
            logger.warning("%s was removed to make room", segment.path.name)
            remove_segment(segment)
            self.statistics.num_removed += 1
            total -= size


def _size(segment: Segment) -> int:
    """In bytes; 0 where it was removed meanwhile."""
    try:
        return segment.path.stat().st_size
    except OSError:
        return 0


class _Recording:
    """The packets of one connection, parted into segments."""

    def __init__(self, follower: StreamFollower, connection: Connection) -> None:
        self._follower, self._connection = follower, connection
        self._clock = _Clock()
        self._writer: SegmentWriter | None = None
        self._start_seconds = 0.0
        self._last_seconds: float | None = None

    def run(self) -> str:
        """Record; why it ended."""
        follower = self._follower
        try:
            while not follower.is_over():
                arrived = self._connection.buffer.get(_POLL_SECONDS)
                if isinstance(arrived, str):
                    return arrived
                if arrived is not None:
                    self._take(arrived)
            return _STOPPED
        finally:
            self._end()

    def _take(self, arrived: Arrived) -> None:
        packet = arrived.packet
        seconds = float((packet.dts or 0) * self._connection.time_base)
        if arrived.num_dropped:
            self._end()
            self._follower.drop(arrived.num_dropped, "the disk was too slow")
        last, self._last_seconds = self._last_seconds, seconds
        if last is not None and not -_JUMP_BACK_SECONDS < seconds - last < _JUMP_FORWARD_SECONDS:
            self._end()
            self._follower.drop(0, "the camera's clock jumped")
        self._part(is_keyframe=packet.is_keyframe)
        self._clock.see(arrived.seconds, seconds)
        if self._writer is None and not packet.is_keyframe:
            self._follower.drop(1, None)
            return
        if self._writer is None:
            self._writer = SegmentWriter(self._follower.folder, self._connection.stream)
            self._start_seconds = seconds
        self._writer.write(packet)

    def _part(self, *, is_keyframe: bool) -> None:
        """End the segment where it is long enough."""
        if self._writer is None:
            return
        wanted = self._follower.options.segment_seconds
        length = self._writer.duration_seconds
        if length >= wanted and is_keyframe:
            self._end()
        elif length >= _LONGEST_SEGMENTS * wanted:
            self._end()
            self._follower.drop(0, "no keyframe came for long")

    def _end(self) -> None:
        writer, self._writer = self._writer, None
        # A new clock for each file: that of a camera may be slow, fast, or set anew.
        zero, self._clock = self._clock.zero, _Clock()
        if writer is None:
            return
        if not writer.num_frames:
            writer.abandon()
            return
        try:
            self._follower.finished(writer, zero, self._start_seconds)
        except BaseException:
            writer.abandon()
            raise
