"""Going forward through a stream: seek, decode, and know which frame is which.

Owns: where a seek must land, which packets may be decoded after it, which pictures damage may have
spoilt. Does not open files and does not make RGB.
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

_STEPS_BACK = (0, 1, 2, 4, 8)  # keyframes to go back when a seek lands late, as in MPEG-TS
_WORTH_A_SEEK = 4  # frames: decoding that many costs about as much as a seek


@dataclass(slots=True)
class Aim:
    """The picture looked for, which tells what need not be decoded.

    Attributes:
        ticks: its time; None where packets' times can't be trusted, or all pictures are wanted.
        is_last: nothing is read on from there: the next picture is sought, or there is none.
    """

    ticks: int | None = None
    is_last: bool = False

    def passes(self, packet: Packet[VideoStream]) -> bool:
        """Whether a packet's picture comes before the one looked for."""
        return self.ticks is not None and packet.pts is not None and packet.pts < self.ticks

    def ends_at(self, packet: Packet[VideoStream]) -> bool:
        """Whether no packet after this one matters: pictures lean on earlier packets only."""
        return self.is_last and self.ticks is not None and packet.pts == self.ticks


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
        self._aim = Aim()

    def find(self, index: int, *, following: int | None = None) -> VideoFrame | None:
        """Decode up to a frame.

        Args:
            index: its number, later than the last.
            following: the frame that will be asked for after it; None for none.

        Returns:
            The picture; None if it is not where it should be.
        """
        if self._seeks and not self._index.is_counted:
            self._aim.ticks = int(self._index.ticks[index])
            self._aim.is_last = following is None or self._is_sought(following, after=index)
        if self._pictures is None:
            self._pictures = self._sound_frames(seek_to=None)
        if self._is_sought(index, after=self._at):
            return self._find_by_seek(index)
        return self._forward(index)

    def _is_sought(self, index: int, *, after: int) -> bool:
        return self._seeks and self._index.has_entry_between(after + _WORTH_A_SEEK, index)

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
            aim=self._aim,
        )

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
    aim: Aim | None = None,
) -> Iterator[VideoFrame]:
    """Decoded pictures in display order, without those that damaged data may have spoilt.

    Args:
        container: open, at its start or just after a seek.
        stream: the stream to decode.
        table: its packets.
        seek_to: place of the keyframe that a seek asked for; None at the start of the file.
        aim: the picture looked for, which may change on the way: one before it is left out where
            no other picture is made from it, as most B-frames are. None for all pictures.

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
    aim = aim or Aim()
    for packet in _then_flush(packets, aim):
        if restarts is not None and packet is not None and packet.is_keyframe:
            restarts.add(packet.pts)
        is_idle = packet is not None and aim.passes(packet)
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


def _then_flush(
    packets: Iterable[Packet[VideoStream]], aim: Aim
) -> Iterator[Packet[VideoStream] | None]:
    """Packets as far as they matter, then the sign that the decoder shall hand out what it holds.

    Without that sign a decoder keeps a picture back until it has met a few more packets.
    """
    for packet in packets:
        yield packet
        if aim.ends_at(packet):
            break
    yield None


def _expected_packets(
    packets: Iterable[Packet[VideoStream]], table: PacketTable, seek_to: int
) -> Iterator[Packet[VideoStream]]:
    """Packets from a keyframe at or before `seek_to` on, as long as they are those of the table."""
    keyframe_pts = np.where(table.is_keyframe, table.pts, NEVER)[: seek_to + 1]
    place: int | None = None
    for packet in packets:
        if place is None:
            if packet.pts is None or not packet.is_keyframe:
                continue
            if packet.pts > table.pts[seek_to]:
                return
            places = np.flatnonzero(keyframe_pts == packet.pts)
            if not places.size:
                continue
            place = int(places[-1])
        if place >= len(table.pts) or (packet.pts, packet.size) != (
            table.pts[place],
            table.sizes[place],
        ):
            return
        yield packet
        place += 1
