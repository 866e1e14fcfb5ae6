"""Bounded buffer of packets between the network and the disk."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av import Packet
    from av.video.stream import VideoStream


@dataclass(frozen=True, slots=True, eq=False)
class Arrived:
    """A packet and its time of arrival.

    Attributes:
        packet: packet of the demuxer.
        seconds: time of arrival, by the monotonic clock.
        num_dropped: packets that were dropped just before it.
    """

    packet: Packet[VideoStream]
    seconds: float
    num_dropped: int = 0


class PacketBuffer:
    """A queue between two threads, bounded in bytes.

    When it is full, packets are dropped up to the next keyframe that fits: frames that reference a
    missing packet can't be decoded.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._packets: deque[Arrived] = deque()
        self._num_bytes = 0
        self._num_dropped = 0
        self._is_dropping = False
        self._ending: str | None = None
        self._changed = Condition()

    def put(self, packet: Packet[VideoStream], seconds: float) -> bool:
        """Add a packet; return False if it was dropped."""
        with self._changed:
            has_room = self._num_bytes + packet.size <= self._max_bytes or not self._packets
            self._is_dropping = not has_room or (self._is_dropping and not packet.is_keyframe)
            if self._is_dropping:
                self._num_dropped += 1
                return False
            self._packets.append(Arrived(packet, seconds, self._num_dropped))
            self._num_bytes += packet.size
            self._num_dropped = 0
            self._changed.notify()
            return True

    def end(self, reason: str) -> None:
        """Mark the end of the stream, with its reason."""
        with self._changed:
            self._ending = reason
            self._changed.notify()

    def get(self, timeout_seconds: float) -> Arrived | str | None:
        """Return the next packet, the reason of the end, or None after the timeout."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._packets or self._ending is not None, timeout=timeout_seconds
            )
            if self._packets:
                arrived = self._packets.popleft()
                self._num_bytes -= arrived.packet.size
                return arrived
            return self._ending
