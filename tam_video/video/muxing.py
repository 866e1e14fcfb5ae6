"""Write MP4 files under temporary names, with exact packet durations."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from tam_video.errors import EncodeError

if TYPE_CHECKING:
    from av import Packet, VideoFrame
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
    """Yield a temporary path beside `path`. On success, rename this file to `path`."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def open_mp4(path: Path, **options: str) -> Iterator[OutputContainer]:
    """Open an MP4 for writing; `path` exists only after the block ends without an error."""
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


class FrameEncoder:
    """Encode frames into a stream and mux their packets with exact durations.

    The encoder would give every frame the average duration. A frame lasts until the next one, so
    its packet waits for that; the pixels of the frame may be overwritten meanwhile.

    Attributes:
        num_frames: frames so far.
        pts: time of the last one, in ticks.
    """

    def __init__(
        self,
        output: OutputContainer,
        stream: VideoStream,
        *,
        tick: Fraction,
        default_duration: int = 1,
    ) -> None:
        self.num_frames = self.pts = 0
        self._output, self._stream, self._tick = output, stream, tick
        self._durations: dict[int, int] = {}
        self._waiting: deque[Packet[VideoStream]] = deque()
        self._last_duration = default_duration

    def encode(self, frame: VideoFrame, pts: int) -> None:
        """Encode the next frame at `pts` ticks, at least one tick after the previous one."""
        if self.num_frames:
            pts = max(pts, self.pts + 1)
            self._durations[self.pts] = self._last_duration = pts - self.pts
        frame.pts, frame.time_base = pts, self._tick
        self.pts, self.num_frames = pts, self.num_frames + 1
        self._mux(self._stream.encode(frame))

    def finish(self, end: int | None) -> None:
        """End the last frame at `end` ticks; by default, it lasts as long as the previous frame."""
        duration = 0 if end is None else end - self.pts
        self._durations[self.pts] = duration if duration > 0 else self._last_duration
        self._mux(self._stream.encode(None))

    def _mux(self, packets: Iterable[Packet[VideoStream]]) -> None:
        """Queue packets in order, and write the packets whose duration is known."""
        self._waiting += packets
        while self._waiting and (self._waiting[0].pts or 0) in self._durations:
            packet = self._waiting.popleft()
            packet.duration = self._durations.pop(packet.pts or 0)
            self._output.mux_one(packet)
