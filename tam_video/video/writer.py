"""Frames to an H.264 MP4 that keeps the source's timing, colours and sound.

Owns: encoding, copying audio packets, putting a finished file in its place. Knows nothing of what
is drawn on the frames, nor of how they were read.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tam_video.errors import EncodeError
from tam_video.types import ByteArray
from tam_video.video.container import open_stream
from tam_video.video.encoders import Encoder, choose_encoder
from tam_video.video.planes import SWSCALE_MATRIX, DrawnFrame, frame_of_rgb, matrix_of
from tam_video.video.reader import ReadLimits, checked_path, is_dicom, open_video

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.video.stream import VideoStream

_log = logging.getLogger(__name__)

TICKS_PER_SECOND = 90_000
_UNSPECIFIED = 2
_LIMITED_RANGE = 1


@dataclass(frozen=True, slots=True, eq=False)
class TimedFrame:
    """A picture and when it is shown.

    Attributes:
        pts_seconds: presentation time on the source's clock.
        rgb: uint8 [H, W, 3].
    """

    pts_seconds: float
    rgb: ByteArray


@dataclass(frozen=True, slots=True, eq=False)
class TimedPlanes:
    """A picture that is YUV already, and when it is shown.

    Attributes:
        pts_seconds: presentation time on the source's clock.
        drawn: 4:2:0, in the matrix of the file's tags; may be drawn over once the next one is asked
            for.
    """

    pts_seconds: float
    drawn: DrawnFrame


@dataclass(frozen=True, slots=True)
class Chapter:
    """A named stretch of the file, in seconds from its start."""

    start_seconds: float
    end_seconds: float
    title: str


@dataclass(frozen=True, slots=True)
class PictureTags:
    """How a player must read the picture: numbers of ITU-T H.273, 2 meaning "not said".

    Attributes:
        matrix: YUV matrix (1 BT.709, 5 and 6 BT.601, 9 BT.2020).
        primaries: colour primaries.
        transfer: transfer characteristic.
        sample_aspect_ratio: width of a pixel over its height, after rotation.
    """

    matrix: int = _UNSPECIFIED
    primaries: int = _UNSPECIFIED
    transfer: int = _UNSPECIFIED
    sample_aspect_ratio: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class WrittenVideo:
    """What was written.

    Attributes:
        path: the MP4.
        num_frames: pictures in it.
        shift_seconds: source time that became 0 in the file.
        encoder: name of the encoder that made it.
        warnings: fallbacks that were taken, in words.
    """

    path: Path
    num_frames: int
    shift_seconds: float
    encoder: str
    warnings: tuple[str, ...] = ()


@contextmanager
def _encode_errors(path: Path) -> Iterator[None]:
    """Turn what FFmpeg and the file system raise into `EncodeError`."""
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
    """Give a temporary name beside `path`; it takes the place of `path` only on success."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_picture_tags(path: Path, *, rotation_degrees: int = 0) -> PictureTags:
    """Read how the source wants its picture to be read.

    Args:
        path: the source video.
        rotation_degrees: rotation that the reader applies; a quarter turn swaps pixel width and
            height.

    Returns:
        The source's tags.

    Raises:
        InputError: the source can't be opened.
    """
    place = checked_path(path)
    if is_dicom(place):
        with open_video(place) as reader:
            return PictureTags(sample_aspect_ratio=reader.info.sample_aspect_ratio)
    with open_stream(place, limits=ReadLimits()) as (_, stream):
        aspect = stream.sample_aspect_ratio or Fraction(1)
        context = stream.codec_context
        return PictureTags(
            matrix=int(context.colorspace),
            primaries=int(context.color_primaries),
            transfer=int(context.color_trc),
            sample_aspect_ratio=1 / aspect if rotation_degrees % 180 else aspect,
        )


def encoding_matrix(tags: PictureTags, *, width: int, height: int) -> int:
    """The matrix to encode with: the source's, or the usual one for the size where it says none.

    Args:
        tags: the source's tags.
        width: picture width in pixels.
        height: picture height in pixels.

    Returns:
        A number of ITU-T H.273: the tagged one; else BT.709 for HD and BT.601 below, which is what
        players assume of an untagged file.
    """
    if tags.matrix in SWSCALE_MATRIX:
        return tags.matrix
    return matrix_of("", width=width, height=height)


class _AudioCopy:
    """Audio packets of the source, handed over as they are, up to a given time."""

    def __init__(self, source: InputContainer, output: OutputContainer) -> None:

        self.warnings: list[str] = []
        self._streams = {}
        for stream in source.streams.audio:
            if _mp4_holds(stream):
                self._streams[stream.index] = output.add_stream_from_template(stream)
            else:
                codec = stream.codec_context.name if stream.codec_context else "unknown"
                self.warnings.append(f"audio left out: MP4 can't hold {codec} without re-encoding")
        wanted = [stream for stream in source.streams.audio if stream.index in self._streams]
        self._packets = self._demux(source, wanted) if wanted else iter(())
        self._waiting = next(self._packets, None)

    @property
    def start_seconds(self) -> float | None:
        """When the first packet is heard, on the source's clock; None without audio."""
        packet = self._waiting
        if packet is None:
            return None
        heard = packet.stream.start_time
        ticks = _packet_ticks(packet) if heard is None else heard
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

    def copy_until(self, seconds: float, *, shift_ticks: int, output: OutputContainer) -> None:
        """Mux what starts before `seconds` on the source's clock, moved back by `shift_ticks`."""
        while self._waiting is not None:
            packet = self._waiting
            if float(_packet_ticks(packet) * packet.time_base) > seconds:
                return
            shift = round(Fraction(shift_ticks, TICKS_PER_SECOND) / packet.time_base)
            packet.stream = self._streams[packet.stream.index]
            packet.dts = None if packet.dts is None else packet.dts - shift
            packet.pts = None if packet.pts is None else packet.pts - shift
            output.mux_one(packet)
            self._waiting = next(self._packets, None)


def _packet_ticks(packet: Packet[Any]) -> int:
    ticks = packet.dts if packet.pts is None else packet.pts
    return 0 if ticks is None else ticks


def _mp4_holds(stream: AudioStream) -> bool:
    """Whether an MP4 takes the stream's packets as they are, found by writing a header."""
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


def _add_video_stream(
    output: OutputContainer,
    *,
    size: tuple[int, int],
    tags: PictureTags,
    average_fps: Fraction,
    encoder: Encoder,
    options: dict[str, object],
) -> VideoStream:
    rate = average_fps.limit_denominator(1001) or Fraction(25)
    stream = cast("VideoStream", output.add_stream(encoder.codec, rate=rate))
    stream.width, stream.height = size
    stream.pix_fmt = encoder.pixel_format
    # Without B-frames packets come in display order: no negative times, no edit list to misread.
    stream.options = options
    context = stream.codec_context
    context.thread_type = "FRAME"  # not a slice of each frame for a thread: a quarter faster
    context.time_base = stream.time_base = Fraction(1, TICKS_PER_SECOND)
    context.gop_size = max(12, min(250, round(2 * rate)))
    context.colorspace = encoding_matrix(tags, width=size[0], height=size[1])
    context.color_primaries = tags.primaries
    context.color_trc = tags.transfer
    context.color_range = _LIMITED_RANGE
    context.sample_aspect_ratio = tags.sample_aspect_ratio
    return stream


def _to_yuv(
    frames: Iterable[TimedFrame | TimedPlanes], *, size: tuple[int, int], matrix: int
) -> Iterator[tuple[float, VideoFrame]]:
    """Each picture as the encoder takes it, which copies it at once, with its time."""
    width, height = size
    for count, frame in enumerate(frames):
        if isinstance(frame, TimedPlanes):
            picture, found = frame.drawn.frame, frame.drawn.planes.y.shape
        else:
            picture, found = frame_of_rgb(frame.rgb, matrix=matrix), frame.rgb.shape
        if found[:2] != (height, width):
            raise ValueError(f"frame {count} is {found}, not {(height, width)}")
        yield frame.pts_seconds, picture


def _encode(
    pictures: Iterable[tuple[float, VideoFrame]],
    *,
    output: OutputContainer,
    stream: VideoStream,
    audio: _AudioCopy | None,
    end_seconds: float | None,
) -> tuple[int, int]:
    """Encode and interleave; (number of frames, shift in ticks)."""
    count, shift, start = 0, 0, 0
    packets = _PacketQueue(output)
    for seconds, picture in pictures:
        tick = round(seconds * TICKS_PER_SECOND)
        if count == 0:
            heard = audio.start_seconds if audio else None
            shift = tick if heard is None else min(tick, round(heard * TICKS_PER_SECOND))
        else:
            tick = max(tick, start + 1)
            packets.know(start - shift, tick - start)
        start = tick
        picture.pts = start - shift
        picture.time_base = Fraction(1, TICKS_PER_SECOND)
        packets.mux(stream.encode(picture))
        if audio:
            audio.copy_until(start / TICKS_PER_SECOND, shift_ticks=shift, output=output)
        count += 1
    end = start if end_seconds is None else round(end_seconds * TICKS_PER_SECOND)
    packets.know(start - shift, end - start if end > start else packets.last_duration)
    packets.mux(stream.encode(None))
    if audio:
        audio.copy_until(float("inf"), shift_ticks=shift, output=output)
    return count, shift


class _PacketQueue:
    """Muxes packets with true durations, each as soon as its own is known.

    The encoder would give every frame the average duration. A frame lasts until the next one, so
    its packet waits for that; the frame itself does not, and its pixels may be written over.
    """

    def __init__(self, output: OutputContainer) -> None:
        self._output = output
        self._durations: dict[int, int] = {}
        self._waiting: deque[Packet[VideoStream]] = deque()
        self.last_duration = TICKS_PER_SECOND // 25

    def know(self, pts: int, duration: int) -> None:
        """Tell how long the frame at `pts` lasts, in ticks."""
        self._durations[pts] = self.last_duration = duration

    def mux(self, packets: Iterable[Packet[VideoStream]]) -> None:
        """Take packets in order, and write those whose duration is known."""
        self._waiting += packets
        while self._waiting and (self._waiting[0].pts or 0) in self._durations:
            packet = self._waiting.popleft()
            packet.duration = self._durations.pop(packet.pts or 0)
            self._output.mux_one(packet)


def write_video(
    path: Path,
    frames: Iterable[TimedFrame | TimedPlanes],
    *,
    width: int,
    height: int,
    end_seconds: float | None = None,
    average_fps: Fraction = Fraction(25),
    tags: PictureTags | None = None,
    audio_from: Path | None = None,
    chapters: Sequence[Chapter] = (),
    crf: int = 18,
    speed_preset: str = "veryfast",
    encoder: str = "x264",
) -> WrittenVideo:
    """Encode frames as H.264 (yuv420p, faststart) at their own times, with the source's sound.

    Frames are taken one by one, so memory does not grow with the clip. Video and audio are moved by
    one offset so that the first of them starts at 0. Audio packets are copied, not re-encoded; a
    codec that MP4 can't hold is left out with a warning. The file appears under `path` only when it
    is complete.

    Args:
        path: the MP4 to write; its folder exists.
        frames: pictures in display order. Odd sides of RGB are padded by one repeated row or
            column; planes have even sides.
        width: frame width in pixels.
        height: frame height in pixels.
        end_seconds: when the last frame ends, on the source's clock; by default it lasts as long as
            the one before.
        average_fps: for rate control and the key frame distance only; times come from the frames.
        tags: the source's colour and pixel shape; `PictureTags()` where there is no source.
        audio_from: file whose audio streams are copied; None for a silent clip.
        chapters: named stretches that players list.
        crf: x264 quality, 0 (lossless) to 51.
        speed_preset: x264 speed preset, "ultrafast" to "slower".
        encoder: one of `ENCODER_NAMES`; quality and speed as near as the encoder has them.

    Returns:
        What was written.

    Raises:
        EncodeError: no frame came, the encoder does not work here, or it or the disk refused.
        InputError: `audio_from` can't be opened.
        ValueError: a frame has another size than was announced.
    """
    even_size = (width + width % 2, height + height % 2)
    chosen = choose_encoder(encoder, width=even_size[0], height=even_size[1])
    with _encode_errors(path), replacing(path) as partial, ExitStack() as stack:
        output = _open_output(partial, stack)
        stream = _add_video_stream(
            output,
            size=even_size,
            tags=tags or PictureTags(),
            average_fps=average_fps,
            encoder=chosen,
            options={**chosen.options(crf, speed_preset)},
        )
        audio = _open_audio(audio_from, output, stack) if audio_from else None
        _set_chapters(output, chapters)
        matrix = int(stream.codec_context.colorspace)
        count, shift = _encode(
            _to_yuv(frames, size=(width, height), matrix=matrix),
            output=output,
            stream=stream,
            audio=audio,
            end_seconds=end_seconds,
        )
        if count == 0:
            raise EncodeError(f"cannot write {path.name}: there are no frames")
        output.close()
    warnings = tuple(audio.warnings) if audio else ()
    for warning in warnings:
        _log.warning("%s: %s", path.name, warning)
    return WrittenVideo(path, count, shift / TICKS_PER_SECOND, chosen.name, warnings)


def _open_output(path: Path, stack: ExitStack) -> OutputContainer:
    import av

    output = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})

    def close() -> None:
        with suppress(av.FFmpegError):
            output.close()

    stack.callback(close)
    return output


def _set_chapters(output: OutputContainer, chapters: Sequence[Chapter]) -> None:
    output.set_chapters(
        [
            {
                "id": number,
                "start": round(chapter.start_seconds * TICKS_PER_SECOND),
                "end": round(chapter.end_seconds * TICKS_PER_SECOND),
                "time_base": Fraction(1, TICKS_PER_SECOND),
                "metadata": {"title": chapter.title},
            }
            for number, chapter in enumerate(chapters)
        ]
    )


def _open_audio(path: Path, output: OutputContainer, stack: ExitStack) -> _AudioCopy | None:
    source, _ = stack.enter_context(open_stream(checked_path(path), limits=ReadLimits()))
    return _AudioCopy(source, output) if source.streams.audio else None
