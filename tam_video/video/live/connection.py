"""One connection to a camera: opened with its own short list of protocols, read by a thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from threading import Event, Thread
from typing import TYPE_CHECKING

from tam_video.errors import VideoOpenError
from tam_video.video.live.address import StreamAddress
from tam_video.video.live.buffer import PacketBuffer

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_PROBE_SECONDS = 2.0  # of the stream, to learn what it holds
_SERVER_ENDED = "the server ended the stream"


class Connection:
    """A stream that is open: its picture stream, and the packets as they come.

    Attributes:
        stream: the picture stream; lives as long as the connection.
        buffer: packets, in the order of decoding.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, max_bytes: int) -> None:
        self.stream = stream
        self.buffer = PacketBuffer(max_bytes)
        self._container = container
        self._stop = Event()
        self._thread = Thread(target=self._pump, name="camera", daemon=True)
        self._thread.start()

    @property
    def time_base(self) -> Fraction:
        """Seconds per tick."""
        return self.stream.time_base or Fraction(1, 90_000)

    def close(self) -> None:
        """Wait for the thread, which a read time-out ends at the latest, and let the stream go."""
        self._stop.set()
        self._thread.join()
        self._container.close()

    def _pump(self) -> None:
        import av

        began = time.monotonic()
        try:
            for packet in self._container.demux(self.stream):
                if self._stop.is_set():
                    return
                if packet.size:
                    now = time.monotonic()
                    if packet.pts is None and packet.dts is None:  # MJPEG says no times
                        packet.pts = packet.dts = round((now - began) / self.time_base)
                    packet.pts = packet.dts if packet.pts is None else packet.pts
                    packet.dts = packet.pts if packet.dts is None else packet.dts
                    self.buffer.put(packet, now)
            self.buffer.end(_SERVER_ENDED)
        except (av.FFmpegError, OSError, ValueError, IndexError) as exc:  # index: a late stream
            self.buffer.end(reason_of(exc))


@contextmanager
def connected(
    address: StreamAddress, *, open_seconds: float, read_seconds: float, max_bytes: int
) -> Iterator[Connection]:
    """Connect, and read in a thread until the end of the block.

    Args:
        address: where to.
        open_seconds: longest time for the connection.
        read_seconds: longest silence.
        max_bytes: of packets that wait.

    Raises:
        VideoOpenError: there is no connection, or no picture stream that can be copied.
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
        # Without its cause: an error of the library may hold the address with its password.
        raise VideoOpenError(
            f"{address.shown} can't be opened: {reason_of(exc)}",
            hint="check the address and that the camera is on",
        ) from None
    try:
        connection = Connection(container, _picture_stream(container, address), max_bytes)
    except BaseException:
        container.close()
        raise
    try:
        yield connection
    finally:
        connection.close()


def _picture_stream(container: InputContainer, address: StreamAddress) -> VideoStream:
    """The largest one; a stream that can't be decoded has no size in PyAV."""
    usable = [s for s in container.streams.video if getattr(s, "width", 0) > 0]
    if not usable:
        raise VideoOpenError(
            f"{address.shown} sends no pictures that can be read", hint="check the address"
        )
    return max(usable, key=lambda s: s.width * s.height)


def reason_of(exc: BaseException) -> str:
    """What went wrong, without addresses."""
    from av.error import ExitError

    if isinstance(exc, ExitError):  # PyAV ends a call so when its time is over
        return "nothing came in time"
    return getattr(exc, "strerror", None) or type(exc).__name__
