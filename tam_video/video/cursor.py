"""Going forward through a stream: seek, decode, and know which frame is which.

Owns: where a seek must land, which packets may be decoded after it, which pictures damage may have
spoilt. Does not open files and does not make RGB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from tam_video.video.container import PacketTable, readable_packets
from tam_video.video.frame_index import FrameIndex

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_STEPS_BACK = (0, 1, 2, 4, 8)  # keyframes to go back when a seek lands late, as in MPEG-TS
_WORTH_A_SEEK = 4  # frames: decoding that many costs about as much as a seek


class Cursor:
    """A freshly opened stream and how far it was decoded; goes forward only."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        index: FrameIndex,
        *,
        seeks: bool = True,
    ) -> None:
        self._container, self._stream, self._index, self._seeks = container, stream, index, seeks
        self._pictures: Iterator[VideoFrame] | None = None
        self._at = -1
        self._steps_back = 0
        self._target_ticks: int | None = None

    def find(self, index: int) -> VideoFrame | None:
        """Decode up to frame `index`, later than the last; None if it is not where it should be."""
        if self._seeks and not self._index.is_counted:
            self._target_ticks = int(self._index.ticks[index])
        if self._pictures is None:
            self._pictures = self._sound_frames(seek_to=None)
        if self._seeks and self._index.has_entry_between(self._at + _WORTH_A_SEEK, index):
            return self._find_by_seek(index)
        return self._forward(index)

    def _find_by_seek(self, index: int) -> VideoFrame | None:
        for steps in _STEPS_BACK[_STEPS_BACK.index(self._steps_back) :]:
            place = self._index.entry_place(index, steps_back=steps)
            self._pictures = self._from(place)
            self._at, self._steps_back = -1, steps
            picture = self._forward(index)
            if picture is not None or not place:
                return picture
        return None

    def _from(self, place: int) -> Iterator[VideoFrame]:
        ticks = int(self._index.table.pts[place])
        self._container.seek(ticks, stream=self._stream)
        return self._sound_frames(seek_to=place)

    def _sound_frames(self, *, seek_to: int | None) -> Iterator[VideoFrame]:
        return sound_frames(
            self._container,
            self._stream,
            table=self._index.table,
            seek_to=seek_to,
            is_passed_by=self._is_passed_by,
        )

    def _is_passed_by(self, packet: Packet[VideoStream]) -> bool:
        """Whether a packet's picture comes before the one looked for."""
        target = self._target_ticks
        return target is not None and packet.pts is not None and packet.pts < target

    def _forward(self, index: int) -> VideoFrame | None:
        for picture in self._pictures or ():
            number = self._at + 1 if self._index.is_counted else self._index.number_at(picture.pts)
            if number is None:
                continue
            self._at = number
            if number >= index:
                return picture if number == index else None
        return None


def sound_frames(
    container: InputContainer,
    stream: VideoStream,
    *,
    table: PacketTable,
    seek_to: int | None = None,
    is_passed_by: Callable[[Packet[VideoStream]], bool] = lambda _: False,
) -> Iterator[VideoFrame]:
    """Decoded pictures in display order, without those that damaged data may have spoilt.

    Args:
        container: open, at its start or just after a seek.
        stream: the stream to decode.
        table: its packets.
        seek_to: place of the keyframe that a seek asked for; None at the start of the file.
        is_passed_by: whether a packet's picture is not asked for: it is left out where no other
            picture is made from it, as most B-frames are.

    Yields:
        Pictures; none at all if the packets after the seek are not those of the table.
    """
    from av.error import InvalidDataError

    packets: Iterable[Packet[VideoStream]] = readable_packets(container, stream)
    if seek_to is None:
        packets = islice(packets, len(table.pts))
    else:
        packets = _expected_packets(packets, table, seek_to)
    restarts: set[int | None] | None = None  # times of keyframes met since the damage
    for packet in _then_flush(packets):
        if restarts is not None and packet is not None and packet.is_keyframe:
            restarts.add(packet.pts)
        is_idle = packet is not None and is_passed_by(packet)
        stream.codec_context.skip_frame = "NONREF" if is_idle else "DEFAULT"
        try:
            pictures = stream.decode(packet)
        except InvalidDataError:
            restarts = set()
            continue
        for picture in pictures:
            if picture.is_corrupt:
                restarts = set() if restarts is None else restarts
            elif restarts is None or picture.pts in restarts:
                restarts = None
                yield picture


def _then_flush(packets: Iterable[Packet[VideoStream]]) -> Iterator[Packet[VideoStream] | None]:
    yield from packets
    yield None


def _expected_packets(
    packets: Iterable[Packet[VideoStream]], table: PacketTable, seek_to: int
) -> Iterator[Packet[VideoStream]]:
    """Packets from a keyframe at or before `seek_to` on, as long as they are those of the table."""
    places = {int(table.pts[p]): int(p) for p in np.flatnonzero(table.is_keyframe[: seek_to + 1])}
    place: int | None = None
    for packet in packets:
        if place is None:
            if packet.pts is None or not packet.is_keyframe:
                continue
            if packet.pts > table.pts[seek_to]:
                return
            place = places.get(packet.pts)
            if place is None:
                continue
        if place >= len(table.pts) or (packet.pts, packet.size) != (
            table.pts[place],
            table.sizes[place],
        ):
            return
        yield packet
        place += 1
