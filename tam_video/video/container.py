"""Open a video or image file safely, and list its packets.

Owns: the formats that may be opened, the choice of the stream, the conversion of PyAV's errors, the
packet table. Does not decode.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tam_video.errors import NoVideoStreamError, VideoDecodeError, VideoOpenError
from tam_video.types import IntArray
from tam_video.video.reader import ReadLimits
from tam_video.video.still import PICTURE_FORMATS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# Self-contained formats only: a playlist (hls, dash, concat, sdp ...) could open other files.
_FORMATS = (
    "3gp,aac,ac3,aiff,apng,asf,avi,av1,dv,flac,flv,gif,h263,h264,hevc,ivf,m4v,matroska,mjpeg,mov,"
    "mp3,mp4,mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,rm,vc1,wav,webm,wtv,yuv4mpegpipe,"
    f"{','.join(PICTURE_FORMATS)}"
)
NEVER = np.iinfo(np.int64).min
_VP8_SHOWN = 0x10  # RFC 6386, section 9.1: the show_frame bit of the first byte


class _Row(NamedTuple):
    pts: int | None
    dts: int | None
    size: int
    duration: int
    is_keyframe: bool
    is_shown: bool


@dataclass(frozen=True, slots=True, eq=False)
class PacketTable:
    """The P packets of one stream in decoding order.

    Attributes:
        pts: int64 [P], presentation time in ticks; undefined if `has_times` is False.
        sizes: int64 [P], bytes.
        is_keyframe: bool [P], decoding can start at this packet.
        is_shown: bool [P], False for packets hidden by an edit list and for invisible frames.
        durations: int64 [P], in ticks; 0 if the container does not store it.
        has_times: whether every packet has a distinct time that the container stores.
        is_cut: whether the last packet is truncated (it is not in the table).
    """

    pts: IntArray
    sizes: IntArray
    is_keyframe: NDArray[np.bool_]
    is_shown: NDArray[np.bool_]
    durations: IntArray
    has_times: bool
    is_cut: bool


@contextmanager
def av_errors(path: Path, *, opening: bool = False) -> Iterator[None]:
    """Convert errors of PyAV and the file system to `VideoOpenError` or `VideoDecodeError`."""
    import av

    try:
        yield
    except (av.FFmpegError, OSError) as exc:
        reason = exc.strerror or type(exc).__name__
        if opening:
            raise VideoOpenError(
                f"{path.name} can't be opened as a video: {reason}",
                hint="check that a player opens the file; playlists are not supported, and "
                "truncated files must be repaired",
            ) from exc
        raise VideoDecodeError(
            f"{path.name} can't be read: {reason}", hint="repair or re-encode the file with ffmpeg"
        ) from exc


@contextmanager
def open_stream(
    path: Path, *, limits: ReadLimits, threads: int = 1
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file, and yield the container and its video stream, ready to demux.

    Args:
        path: an absolute path from `checked_path`.
        limits: limits on what the stream may declare.
        threads: decoding threads; 0 lets FFmpeg choose. Only one thread detects all damage: with
            more, a frame may be returned before its thread has reached the damaged part.
    """
    import av

    options = {
        "protocol_whitelist": "file",
        "format_whitelist": _FORMATS,
        "pattern_type": "none",  # an image named `a%d.png` is one file, not a sequence
        "max_pixels": str(limits.max_pixels),
    }
    with av_errors(path, opening=True):
        # Titles and comments often have another encoding or are damaged; they are not used.
        container = av.open(f"file:{path}", options=options, metadata_errors="replace")
    with container:
        stream = _best_stream(container, path)
        context = stream.codec_context
        limits.check(path.name, context.width, context.height, stream.frames)
        context.thread_type = "AUTO"
        context.thread_count = threads
        yield container, stream


def _best_stream(container: InputContainer, path: Path) -> VideoStream:
    """Choose the default video stream, else the largest, as players do; skip cover art."""
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    streams = [s for s in container.streams.video if not s.disposition & still]
    # A stream without a decoder has no size in PyAV, not even one of 0.
    usable = [s for s in streams if getattr(s, "width", 0) > 0 and getattr(s, "height", 0) > 0]
    if not usable:
        content = "a video stream that can't be decoded" if streams else "no video stream"
        hint = "use a playable video file"
        if container.format.name == "webp_pipe":
            hint = "an animated WebP can't be read: convert it to GIF or MP4"
        raise NoVideoStreamError(f"{path.name} has {content}", hint=hint)
    return max(
        usable,
        key=lambda s: (bool(s.disposition & Disposition.default), s.width * s.height, -s.index),
    )


def list_packets(path: Path, *, limits: ReadLimits) -> PacketTable:
    """List the packets of the video stream without decoding. The latest lists are cached."""
    state = path.stat()
    return _packets(path, limits, (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns))


@lru_cache(maxsize=4)
def _packets(path: Path, limits: ReadLimits, _state: tuple[int, ...]) -> PacketTable:
    with open_stream(path, limits=limits) as (container, stream):
        return _read_packets(container, stream, path=path, limits=limits)


def _read_packets(
    container: InputContainer, stream: VideoStream, *, path: Path, limits: ReadLimits
) -> PacketTable:
    rows: list[_Row] = []
    is_cut = False
    codec = stream.codec_context.name
    with av_errors(path):
        for packet in readable_packets(container, stream):
            rows.append(_row(packet, codec=codec))
            is_cut = packet.is_corrupt
            if len(rows) > limits.max_frames:
                raise VideoOpenError(
                    f"{path.name} has more than {limits.max_frames} frames",
                    hint="cut the video first",
                )
    if is_cut:
        rows.pop()
    _check_duration(rows, stream, path, limits)
    if not any(row.is_shown for row in rows):
        raise NoVideoStreamError(f"{path.name} has no frames", hint="the file may be truncated")
    return _table(rows, is_cut=is_cut, is_avi=container.format.name == "avi")


def _check_duration(
    rows: Sequence[_Row], stream: VideoStream, path: Path, limits: ReadLimits
) -> None:
    times = [row.pts for row in rows if row.pts is not None]
    seconds = float((max(times) - min(times)) * (stream.time_base or 0)) if times else 0.0
    if seconds > limits.max_seconds:
        raise VideoOpenError(
            f"{path.name} lasts {seconds:.0f} seconds",
            hint=f"the limit is {limits.max_seconds:g} seconds; cut the video first",
        )


def readable_packets(
    container: InputContainer, stream: VideoStream
) -> Iterator[Packet[VideoStream]]:
    """Yield non-empty packets up to the point where the container can't be read further.

    Raises:
        VideoDecodeError: a stream starts in the middle of a damaged file, which PyAV can't read.
    """
    from av.error import InvalidDataError

    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except InvalidDataError:
        return
    except IndexError as exc:
        raise VideoDecodeError(
            "a new stream starts in the middle of the file",
            hint="repair or re-encode the file with ffmpeg",
        ) from exc


def _row(packet: Packet[VideoStream], *, codec: str) -> _Row:
    shown = not packet.is_discard
    if codec == "vp8":
        shown = bool(bytes(packet)[0] & _VP8_SHOWN)
    return _Row(
        packet.pts, packet.dts, packet.size, packet.duration or 0, packet.is_keyframe, shown
    )


def _table(rows: Sequence[_Row], *, is_cut: bool, is_avi: bool) -> PacketTable:
    # AVI stores no presentation times: if frames are reordered, libavformat estimates them.
    guessed = is_avi and any(row.pts != row.dts for row in rows)
    shown_at = [row.pts for row in rows if row.is_shown]
    has_times = not guessed and None not in shown_at and len(set(shown_at)) == len(shown_at)
    return PacketTable(
        pts=np.array([NEVER if row.pts is None else row.pts for row in rows], np.int64),
        sizes=np.array([row.size for row in rows], np.int64),
        durations=np.array([row.duration for row in rows], np.int64),
        is_keyframe=np.array([row.is_keyframe for row in rows], np.bool_),
        is_shown=np.array([row.is_shown for row in rows], np.bool_),
        has_times=has_times and rows[0].is_keyframe,
        is_cut=is_cut,
    )


def frame_rate(stream: VideoStream, *, num_frames: int, seconds: Fraction) -> Fraction:
    """Return the declared frame rate if it matches the measured rate, else the measured rate."""
    declared = stream.average_rate or stream.guessed_rate
    if not seconds:
        return declared or Fraction(25)
    counted = Fraction(num_frames) / seconds
    if declared and abs(declared - counted) <= counted / 2000:
        return declared
    return counted
