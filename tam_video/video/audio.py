"""Copy the audio packets of a source into an MP4 without re-encoding.

Owns: which audio streams an MP4 can hold, the order and the shift of the packets. Decodes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tam_video.video.container import open_stream
from tam_video.video.reader import ReadLimits, checked_path

if TYPE_CHECKING:
    from av import Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer


class AudioCopy:
    """Copy audio packets from a source to an output, step by step up to given times.

    Attributes:
        warnings: messages about streams that are left out or end early.
    """

    def __init__(self, source: InputContainer | None, output: OutputContainer) -> None:
        """Add the audio streams to the output; call it before the output's header is written."""
        self.warnings: list[str] = []
        self._output = output
        self._streams = {}
        streams = source.streams.audio if source else ()
        for stream in streams:
            if _mp4_holds(stream):
                self._streams[stream.index] = output.add_stream_from_template(stream)
            else:
                codec = stream.codec_context.name if stream.codec_context else "unknown"
                self.warnings.append(f"audio left out: MP4 can't hold {codec} without re-encoding")
        wanted = [stream for stream in streams if stream.index in self._streams]
        self._packets = self._demux(source, wanted) if source and wanted else iter(())
        self._next = next(self._packets, None)

    @property
    def start_seconds(self) -> float | None:
        """Time on the source's clock at which the audio starts, or None if there is no audio."""
        packet = self._next
        if packet is None:
            return None
        start = packet.stream.start_time
        ticks = _packet_ticks(packet) if start is None else start
        return float(ticks * packet.time_base)

    def _demux(self, source: InputContainer, wanted: list[AudioStream]) -> Iterator[Packet[Any]]:
        import av

        packets = source.demux(*wanted)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.InvalidDataError as error:
                self.warnings.append(f"audio ends early: the source is damaged ({error})")
                return
            if packet.dts is not None and packet.size:
                yield packet

    def copy_until(self, seconds: float, *, shift: Fraction) -> None:
        """Mux packets up to source time `seconds`, and subtract `shift` from their times."""
        while self._next is not None:
            packet = self._next
            if float(_packet_ticks(packet) * packet.time_base) > seconds:
                return
            ticks = round(shift / packet.time_base)
            packet.stream = self._streams[packet.stream.index]
            packet.dts = None if packet.dts is None else packet.dts - ticks
            packet.pts = None if packet.pts is None else packet.pts - ticks
            self._output.mux_one(packet)
            self._next = next(self._packets, None)


@contextmanager
def open_audio(path: Path | None, output: OutputContainer) -> Iterator[AudioCopy]:
    """Yield an `AudioCopy` from a file to an output; if `path` is None, it copies nothing."""
    if path is None:
        yield AudioCopy(None, output)
        return
    with open_stream(checked_path(path), limits=ReadLimits()) as (source, _):
        yield AudioCopy(source, output)


def _packet_ticks(packet: Packet[Any]) -> int:
    ticks = packet.dts if packet.pts is None else packet.pts
    return 0 if ticks is None else ticks


def _mp4_holds(stream: AudioStream) -> bool:
    """Return whether MP4 can store the stream unchanged. A test header is written to find out."""
    import av

    trial = av.open(BytesIO(), "w", format="mp4")
    try:
        trial.add_stream_from_template(stream)
        trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    finally:
        with suppress(av.FFmpegError):
            trial.close()
    return True
