"""Write MP4 files: temporary names, error conversion, and packets with exact durations."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tam_video.errors import EncodeError

if TYPE_CHECKING:
    from av import Packet
    from av.container import OutputContainer
    from av.video.stream import VideoStream


@contextmanager
def encode_errors(path: Path) -> Iterator[None]:
    """Convert errors of FFmpeg and the file system into `EncodeError`."""
    import av

    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise EncodeError(
            f"cannot write {path.name}: {error}",
            hint="check free space and that the folder is writable, or try another --encoder",
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`, and rename it to `path` only on success."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def open_mp4(path: Path, **options: str) -> Iterator[OutputContainer]:
    """Open an MP4 for writing; it appears under `path` when the block ends without an error."""
    import av

    with encode_errors(path), replacing(path) as partial:
        muxer = {"movflags": "+faststart", **options}
        output = av.open(str(partial), "w", format="mp4", options=muxer)
        try:
            yield output
            output.close()
        finally:
            with suppress(av.FFmpegError):
                output.close()


class PacketQueue:
    """Mux packets with exact durations, each as soon as its duration is known.

    The encoder would give every frame the average duration. A frame lasts until the next one, so
    its packet waits for that; the pixels of the frame may be overwritten meanwhile.

    Attributes:
        last_duration: the duration that was set last, in ticks.
    """

    def __init__(self, output: OutputContainer, *, default_duration: int = 1) -> None:
        self._output = output
        self._durations: dict[int, int] = {}
        self._waiting: deque[Packet[VideoStream]] = deque()
        self.last_duration = default_duration

    def set_duration(self, pts: int, duration: int) -> None:
        """Set the duration of the frame at `pts`, in ticks."""
        self._durations[pts] = self.last_duration = duration

    def mux(self, packets: Iterable[Packet[VideoStream]]) -> None:
        """Add packets in order, and write those whose duration is known."""
        self._waiting += packets
        while self._waiting and (self._waiting[0].pts or 0) in self._durations:
            packet = self._waiting.popleft()
            packet.duration = self._durations.pop(packet.pts or 0)
            self._output.mux_one(packet)
