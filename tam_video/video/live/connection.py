"""Connect to a camera, and read packets in a thread into a bounded buffer."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from threading import Condition, Event, Thread
from typing import TYPE_CHECKING

from tam_video.errors import VideoOpenError
from tam_video.video.live.address import StreamAddress

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer
    from av.video.stream import VideoStream

_PROBE_SECONDS = 2.0  # of the stream, to learn what it holds
_SERVER_ENDED = "the server ended the stream"


@dataclass(frozen=True, slots=True, eq=False)
class Arrived:
    """A packet and its arrival time.

    Attributes:
        packet: packet of the demuxer.
        seconds: time of arrival, by the monotonic clock.
        num_dropped: packets that were dropped just before it.
    """

    packet: Packet[VideoStream]
    seconds: float
    num_dropped: int = 0


class PacketBuffer:
    """A queue of packets between two threads. Its size in bytes is limited.

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
        """Mark the end of the stream and store the reason."""
        with self._changed:
            self._ending = reason
            self._changed.notify()

    def get(self, timeout_seconds: float) -> Arrived | str | None:
        """Return the next packet, the reason why the stream ended, or None after the timeout."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._packets or self._ending is not None, timeout=timeout_seconds
            )
            if self._packets:
                arrived = self._packets.popleft()
                self._num_bytes -= arrived.packet.size
                return arrived
            return self._ending


class Connection:
    """An open camera stream and its packets.

    Attributes:
        stream: video stream; valid until the connection is closed.
        buffer: packets in decoding order.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, max_bytes: int) -> None:
        self.stream = stream
        self.buffer = PacketBuffer(max_bytes)
        self._container = container
        self._stop = Event()
        self._thread = Thread(target=self._read_packets, name="camera", daemon=True)
        self._thread.start()

    @property
    def time_base(self) -> Fraction:
        """Time base of the stream in seconds."""
        return self.stream.time_base or Fraction(1, 90_000)

    def close(self) -> None:
        """Stop the thread, wait for at most the read timeout, and close the stream."""
        self._stop.set()
        self._thread.join()
        self._container.close()

    def _read_packets(self) -> None:
        import av

        began = time.monotonic()
        try:
            for packet in self._container.demux(self.stream):
                if self._stop.is_set():
                    return
                if packet.size:
                    now = time.monotonic()
                    if packet.pts is None and packet.dts is None:  # MJPEG has no timestamps
                        packet.pts = packet.dts = round((now - began) / self.time_base)
                    packet.pts = packet.dts if packet.pts is None else packet.pts
                    packet.dts = packet.pts if packet.dts is None else packet.dts
                    self.buffer.put(packet, now)
            self.buffer.end(_SERVER_ENDED)
        except (av.FFmpegError, OSError, ValueError, IndexError) as exc:  # index: an added stream
            self.buffer.end(reason_of(exc))


@contextmanager
def connected(
    address: StreamAddress, *, open_seconds: float, read_seconds: float, max_bytes: int
) -> Iterator[Connection]:
    """Connect to a camera, and read its packets in a thread until the block ends.

    Raises:
        VideoOpenError: the connection failed, or there is no video stream that can be copied.
    """
    import av

    probe = str(round(min(_PROBE_SECONDS, open_seconds / 2) * 1e6))
    options = {**address.options, "analyzeduration": probe}
    try:
        container = av.open(
            address.url,
            options=options,
            timeout=(open_seconds, read_seconds),
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as exc:
        # Without cause: an error of the library may contain the address with its password.
        raise VideoOpenError(
            f"can't open {address.shown}: {reason_of(exc)}",
            hint="check the URL, and check that the camera is on",
        ) from None
    try:
        connection = Connection(container, _video_stream(container, address), max_bytes)
    except BaseException:
        container.close()
        raise
    try:
        yield connection
    finally:
        connection.close()


def _video_stream(container: InputContainer, address: StreamAddress) -> VideoStream:
    """Return the largest video stream that can be decoded."""
    usable = [s for s in container.streams.video if getattr(s, "width", 0) > 0]
    if not usable:
        raise VideoOpenError(
            f"{address.shown} has no video stream that can be decoded", hint="check the URL"
        )
    return max(usable, key=lambda s: s.width * s.height)


def reason_of(exc: BaseException) -> str:
    """Return the reason for an error as a text that does not contain the URL."""
    from av.error import ExitError

    if isinstance(exc, ExitError):  # raised by PyAV after a timeout
        return "timeout"
    return getattr(exc, "strerror", None) or type(exc).__name__
