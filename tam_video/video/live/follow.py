"""Record a camera in segments, and reconnect after outages.

One thread reads the network, another one writes. All losses are counted: outages of the server,
packets before a keyframe, and packets that the disk was too slow for.
"""

from __future__ import annotations

import logging
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from threading import Event

from tam_video.errors import EncodeError, VideoOpenError
from tam_video.settings.declare import Declared, setting
from tam_video.video.live.address import StreamAddress
from tam_video.video.live.connection import Arrived, Connection, connected
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
_WAIT_SHARE = 0.1  # of the outage so far: waiting makes it longer by a tenth at most
_LONGEST_SEGMENTS = 10  # a stream without a keyframe is cut after this many segment lengths
_STOPPED = "stopped"
_GIBIBYTE = 1 << 30


@dataclass(frozen=True)
class FollowOptions(Declared):
    """Options for recording a camera."""

    segment_seconds: float = setting(
        60.0, "A recorded file ends at the first keyframe after this many seconds.", ge=1, le=3600
    )
    duration_seconds: float | None = setting(
        None, "Seconds to record.", unset="record until stopped", example=3600.0, gt=0
    )
    open_seconds: float = setting(10.0, "Time limit for connecting, in seconds.", gt=0)
    read_seconds: float = setting(5.0, "Reconnect after this many seconds without data.", gt=0)
    longest_wait_seconds: float = setting(
        30.0, "Longest wait before reconnecting, in seconds; waits grow with the outage.", gt=0
    )
    give_up_seconds: float | None = setting(
        None, "Give up after this many seconds without data.", unset="never", example=600.0, gt=0
    )
    buffer_mebibytes: int = setting(
        64, "MiB of packets that may wait for the disk; further packets are dropped.", ge=1
    )
    max_gibibytes: float | None = setting(
        50.0, "GiB of files to keep per camera; older files are removed.", unset="no limit", gt=0
    )
    min_free_gibibytes: float = setting(
        1.0, "GiB of disk to keep free; if less is free, the oldest files are removed.", ge=0
    )


@dataclass(slots=True)
class FollowStatistics:
    """Numbers of connections, segments, frames, losses and gaps in a recording.

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


@dataclass(slots=True)
class StreamFollower:
    """Records one camera in segments, and reconnects after outages; see `run`.

    Attributes:
        address: address of the camera.
        folder: folder of the segments; created if missing.
        camera: name of the camera in the JSON of each segment.
        options: options of the recording.
        on_segment: called with each finished segment.
        stop: set it to end the recording.
        statistics: statistics so far.
        first_wait_seconds: shortest wait before reconnecting; it grows to a tenth of the outage.
    """

    address: StreamAddress
    folder: Path
    camera: str = "camera"
    options: FollowOptions = field(default_factory=FollowOptions)
    on_segment: Callable[[Segment], None] = lambda _: None
    stop: Event = field(default_factory=Event)
    statistics: FollowStatistics = field(default_factory=FollowStatistics)
    first_wait_seconds: float = 0.5
    _ended_at: float | None = field(default=None, init=False)
    _lost_because: str | None = field(default=None, init=False)
    _num_dropped: int = field(default=0, init=False)
    _ends_at: float = field(default=inf, init=False)

    def run(self) -> FollowStatistics:
        """Record until the duration is over, `stop` is set, or an outage is too long.

        Raises:
            VideoOpenError: no packets for `give_up_seconds`.
            EncodeError: the folder can't be written.
        """
        options = self.options
        self._prepare()
        began = last_received = time.monotonic()
        self._ends_at = began + (options.duration_seconds or inf)
        while not self.is_over():
            num_before = self.statistics.num_frames
            try:
                reason = self._one_connection()
            except (VideoOpenError, EncodeError) as exc:
                reason = exc.message
            if self.statistics.num_frames > num_before:
                last_received = time.monotonic()
            if self.is_over():
                return self.statistics
            self._lost_because = self._lost_because or reason
            outage = time.monotonic() - last_received
            if options.give_up_seconds is not None and outage > options.give_up_seconds:
                raise VideoOpenError(
                    f"no packets from {self.address.shown} for {outage:.0f} seconds: {reason}",
                    hint="check the camera and its URL",
                )
            wait = max(self.first_wait_seconds, _WAIT_SHARE * outage)
            wait = min(wait, options.longest_wait_seconds)
            logger.warning("camera %s: %s; reconnecting in %.1f s", self.camera, reason, wait)
            self.stop.wait(min(wait, max(0.0, self._ends_at - time.monotonic())))
        return self.statistics

    def _prepare(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for partial in self.folder.glob(".*.partial"):
                partial.unlink(missing_ok=True)
        except OSError as exc:
            raise EncodeError(
                f"can't write segments into {self.folder}: {exc.strerror}",
                hint="check free disk space and permissions",
            ) from exc

    def is_over(self) -> bool:
        """Return whether `stop` is set or the duration is over."""
        return self.stop.is_set() or time.monotonic() >= self._ends_at

    def _one_connection(self) -> str:
        """Record from one connection until it ends, and return the reason."""
        options = self.options
        with connected(
            self.address,
            open_seconds=options.open_seconds,
            read_seconds=options.read_seconds,
            max_bytes=options.buffer_mebibytes << 20,
        ) as connection:
            self.statistics.num_connections += 1
            return _Recording(self, connection).run()

    def finished(self, writer: SegmentWriter, zero_seconds: float, start_seconds: float) -> None:
        """Rename a finished segment and pass it to `on_segment`.

        Args:
            writer: writer of the segment.
            zero_seconds: monotonic time of stream time 0.
            start_seconds: stream time of the first packet.
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
        self.on_segment(segment)

    def drop(self, count: int, reason: str | None) -> None:
        """Count dropped packets; if a reason is given, record a gap."""
        self._num_dropped += count
        self.statistics.num_dropped += count
        self._lost_because = self._lost_because or reason

    def _make_room(self) -> None:
        """Remove the oldest segments until the limits are met; the newest segment is kept."""
        limit = (self.options.max_gibibytes or math.inf) * _GIBIBYTE
        free = self.options.min_free_gibibytes * _GIBIBYTE
        sizes = [(each, size) for each in recorded_segments(self.folder) if (size := _size(each))]
        total = sum(size for _, size in sizes)
        for segment, size in sizes[:-1]:
            if total <= limit and shutil.disk_usage(self.folder).free >= free:
                return
            logger.warning("removed %s to free disk space", segment.path.name)
            remove_segment(segment)
            self.statistics.num_removed += 1
            total -= size


def _size(segment: Segment) -> int:
    """Return the segment's size in bytes, or 0 if its file was removed in the meantime."""
    try:
        return segment.path.stat().st_size
    except OSError:
        return 0


class _Recording:
    """Writes the packets of one camera connection into segments.

    `_zero_seconds` is the arrival time of stream time 0, by the shortest delay so far.
    """

    def __init__(self, follower: StreamFollower, connection: Connection) -> None:
        self._follower, self._connection = follower, connection
        self._zero_seconds = inf
        self._writer: SegmentWriter | None = None
        self._start_seconds = 0.0
        self._last_seconds: float | None = None

    def run(self) -> str:
        """Record until the connection ends, and return the reason."""
        follower = self._follower
        try:
            while not follower.is_over():
                arrived = self._connection.buffer.get(_POLL_SECONDS)
                if isinstance(arrived, str):
                    return arrived
                if arrived is not None:
                    self._write(arrived)
            return _STOPPED
        finally:
            self._end()

    def _write(self, arrived: Arrived) -> None:
        packet = arrived.packet
        seconds = float((packet.dts or 0) * self._connection.time_base)
        if arrived.num_dropped:
            self._end()
            self._follower.drop(arrived.num_dropped, "the disk was too slow")
        last, self._last_seconds = self._last_seconds, seconds
        if last is not None and not -_JUMP_BACK_SECONDS < seconds - last < _JUMP_FORWARD_SECONDS:
            self._end()
            self._follower.drop(0, "the camera's clock jumped")
        self._end_if_long(is_keyframe=packet.is_keyframe)
        self._zero_seconds = min(self._zero_seconds, arrived.seconds - seconds)
        if self._writer is None and not packet.is_keyframe:
            self._follower.drop(1, None)
            return
        if self._writer is None:
            self._writer = SegmentWriter(self._follower.folder, self._connection.stream)
            self._start_seconds = seconds
        self._writer.write(packet)

    def _end_if_long(self, *, is_keyframe: bool) -> None:
        """End the segment if it has reached the configured duration."""
        if self._writer is None:
            return
        wanted = self._follower.options.segment_seconds
        length = self._writer.duration_seconds
        if length >= wanted and is_keyframe:
            self._end()
        elif length >= _LONGEST_SEGMENTS * wanted:
            self._end()
            self._follower.drop(0, "no keyframe for a long time")

    def _end(self) -> None:
        writer, self._writer = self._writer, None
        # A new clock for each file: that of the camera may drift or be adjusted.
        zero, self._zero_seconds = self._zero_seconds, inf
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
