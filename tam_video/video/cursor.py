"""Seek and decode forward in a stream, and number the decoded frames.

Owns: the keyframe to seek to, the packets that may be decoded after it, the frames that damaged
data may have corrupted. Does not open files and does not convert to RGB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from tam_video.video.container import NEVER, PacketTable, readable_packets
from tam_video.video.frame_index import FrameIndex

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_STEPS_BACK = (0, 1, 2, 4, 8)  # keyframes to go back if a seek lands too late, as in MPEG-TS
_SEEK_COST = 4  # frames: decoding that many takes about as long as a seek


@dataclass(slots=True)
class SeekTarget:
    """The next frame to return; non-reference frames before it are not decoded.

    Attributes:
        ticks: its pts; None if the packets' times are unreliable, or if all frames are decoded.
        is_last: decoding stops there: the next frame is reached by a seek, or there is none.
    """

    ticks: int | None = None
    is_last: bool = False

    def passes(self, packet: Packet[VideoStream]) -> bool:
        """Return whether a packet's frame is displayed before the target frame."""
        return self.ticks is not None and packet.pts is not None and packet.pts < self.ticks

    def ends_at(self, packet: Packet[VideoStream]) -> bool:
        """Return whether decoding can stop at a packet: frames reference only earlier packets."""
        return self.is_last and self.ticks is not None and packet.pts == self.ticks


class Cursor:
    """Decode frames of a freshly opened stream in ascending order."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        index: FrameIndex,
        *,
        seeks: bool = True,
    ) -> None:
        self._container, self._stream, self._index, self._seeks = container, stream, index, seeks
        self._frames: Iterator[VideoFrame] | None = None
        self._at = -1
        self._steps_back = 0
        self._target = SeekTarget()

    def find(self, index: int, *, following: int | None = None) -> VideoFrame | None:
        """Decode frames up to number `index`. Return that frame, or None if it is not found.

        Args:
            index: its number, greater than that of the previous call.
            following: the number that the next call will request; None if this is the last call.

        Returns:
            The decoded frame; None if it was not found at its position.
        """
        if self._seeks and not self._index.is_counted:
            self._target.ticks = int(self._index.ticks[index])
            self._target.is_last = following is None or self._needs_seek(following, after=index)
        if self._frames is None:
            self._frames = self._sound_frames(latest=None)
        if self._needs_seek(index, after=self._at):
            return self._find_by_seek(index)
        return self._forward(index)

    def _needs_seek(self, index: int, *, after: int) -> bool:
        return self._seeks and self._index.has_keyframe_between(after + _SEEK_COST, index)

    def _find_by_seek(self, index: int) -> VideoFrame | None:
        latest = self._index.keyframe_index(index)
        for steps in _STEPS_BACK[_STEPS_BACK.index(self._steps_back) :]:
            position = self._index.keyframe_index(index, steps_back=steps)
            self._frames = self._from(position, latest=latest)
            self._steps_back = steps
            frame = self._forward(index)
            if frame is not None or not position:
                return frame
        return None

    def _from(self, position: int, *, latest: int) -> Iterator[VideoFrame]:
        ticks = int(self._index.table.pts[position])
        self._container.seek(ticks, stream=self._stream)
        return self._sound_frames(latest=latest)

    def _sound_frames(self, *, latest: int | None) -> Iterator[VideoFrame]:
        return sound_frames(
            self._container,
            self._stream,
            table=self._index.table,
            latest=latest,
            target=self._target,
        )

    def _forward(self, index: int) -> VideoFrame | None:
        for frame in self._frames or ():
            number = self._at + 1 if self._index.is_counted else self._index.number_at(frame.pts)
            if number is None:
                continue
            self._at = number
            if number >= index:
                return frame if number == index else None
        return None


def sound_frames(
    container: InputContainer,
    stream: VideoStream,
    *,
    table: PacketTable,
    latest: int | None = None,
    target: SeekTarget | None = None,
) -> Iterator[VideoFrame]:
    """Decode frames in display order, and skip frames that damaged data may have corrupted.

    Args:
        container: open, at its start or just after a seek.
        stream: the stream to decode.
        table: its packets.
        latest: after a seek, the packet index of the last keyframe where decoding may start; None
            at the start of the file.
        target: the frame to decode next, which may change during iteration: non-reference frames
            before it (most B-frames) are skipped. None decodes all frames.

    Yields:
        Frames; none if the packets after the seek do not match the table.
    """
    from av.error import InvalidDataError

    packets: Iterable[Packet[VideoStream]] = readable_packets(container, stream)
    if latest is None:
        packets = islice(packets, len(table.pts))
    else:
        packets = _expected_packets(packets, table, latest)
    restarts: set[int | None] | None = None  # pts of the keyframes since the damage
    target = target or SeekTarget()
    for packet in _then_flush(packets, target):
        if restarts is not None and packet is not None and packet.is_keyframe:
            restarts.add(packet.pts)
        is_idle = packet is not None and target.passes(packet)
        stream.codec_context.skip_frame = "NONREF" if is_idle else "DEFAULT"
        try:
            frames = stream.decode(packet)
        except InvalidDataError:
            restarts = set()
            continue
        for frame in frames:
            if frame.is_corrupt:
                restarts = set() if restarts is None else restarts
            elif restarts is None or frame.pts in restarts:
                restarts = None
                yield frame


def _then_flush(
    packets: Iterable[Packet[VideoStream]], target: SeekTarget
) -> Iterator[Packet[VideoStream] | None]:
    """Yield the packets up to the target, then None, which flushes the decoder.

    Without the flush, a decoder holds a frame back until it has received a few more packets.
    """
    for packet in packets:
        yield packet
        if target.ends_at(packet):
            break
    yield None


def _expected_packets(
    packets: Iterable[Packet[VideoStream]], table: PacketTable, latest: int
) -> Iterator[Packet[VideoStream]]:
    """Yield packets from a keyframe at or before `latest` while they match the packet table."""
    keyframe_pts = np.where(table.is_keyframe, table.pts, NEVER)[: latest + 1]
    position: int | None = None
    for packet in packets:
        if position is None:
            if packet.pts is None or not packet.is_keyframe:
                continue
            if packet.pts > table.pts[latest]:
                return
            candidates = np.flatnonzero(keyframe_pts == packet.pts)
            if not candidates.size:
                continue
            position = int(candidates[-1])
        if position >= len(table.pts) or (packet.pts, packet.size) != (
            table.pts[position],
            table.sizes[position],
        ):
            return
        yield packet
        position += 1
