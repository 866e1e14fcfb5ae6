"""Frames to an MP4 that gives back the very same pixels at the very same times.

H.264 without loss, in RGB. For clips that are made to be read again, not to be watched: few players
show it.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from tam_video.errors import EncodeError
from tam_video.video.writer import TimedFrame, replacing

if TYPE_CHECKING:
    from av import Packet
    from av.container import OutputContainer
    from av.video.stream import VideoStream

_FINEST = Fraction(1, 1_000_000)
_GOP = 12


def write_lossless(
    path: Path,
    frames: Iterable[TimedFrame],
    *,
    width: int,
    height: int,
    time_base: Fraction,
    end_seconds: float,
    pixel_aspect: Fraction = Fraction(1),
) -> int:
    """Encode frames one by one; the file appears under `path` only when it is complete.

    Args:
        path: the MP4 to write; its folder exists.
        frames: uint8 RGB pictures in display order; the first becomes time 0.
        width: frame width in pixels.
        height: frame height in pixels.
        time_base: a time in seconds that all times are multiples of; where MP4 can't count in it,
            times are rounded to the microsecond.
        end_seconds: when the last frame ends, on the frames' clock.
        pixel_aspect: width of a pixel over its height.

    Returns:
        The number of frames.

    Raises:
        EncodeError: no frame came, or the encoder or the disk refused.
    """
    import av

    clock = _clock(time_base)
    try:
        with replacing(path) as partial:
            options = {"movflags": "+faststart", "video_track_timescale": str(clock.denominator)}
            with av.open(str(partial), "w", format="mp4", options=options) as output:
                stream = output.add_stream("libx264rgb", rate=Fraction(25))
                stream.width, stream.height, stream.pix_fmt = width, height, "bgr24"
                # One thread, so that the same frames make the same bytes on every machine; each
                # frame comes out as it goes in.
                stream.options = {
                    "qp": "0",
                    "preset": "ultrafast",
                    "tune": "zerolatency",
                    "threads": "1",
                }
                stream.codec_context.time_base = stream.time_base = clock
                stream.codec_context.gop_size = _GOP
                stream.codec_context.sample_aspect_ratio = pixel_aspect
                count = _encode(output, stream, frames, clock=clock, end_seconds=end_seconds)
                if not count:
                    raise EncodeError(f"cannot write {path.name}: there are no frames")
    except (av.FFmpegError, OSError) as exc:
        raise EncodeError(
            f"cannot write {path.name}: {exc.strerror}", hint="check space and permissions"
        ) from exc
    return count


def _encode(
    output: OutputContainer,
    stream: VideoStream,
    frames: Iterable[TimedFrame],
    *,
    clock: Fraction,
    end_seconds: float,
) -> int:
    """Encode and mux one frame late, so that each packet knows how long it stays."""
    import av

    waiting: Packet[VideoStream] | None = None
    start, ticks, count = 0.0, -1, 0

    def mux(until: int) -> None:
        if waiting is not None:
            waiting.duration = max(1, until - ticks)
            output.mux(waiting)

    for frame in frames:
        start = frame.pts_seconds if not count else start
        now = max(round((frame.pts_seconds - start) / clock), ticks + 1)
        picture = av.VideoFrame.from_ndarray(frame.rgb, format="rgb24").reformat(format="bgr24")
        picture.pts, picture.time_base = now, clock
        mux(now)
        (waiting,) = stream.encode(picture)
        ticks, count = now, count + 1
    mux(round((end_seconds - start) / clock))
    for packet in stream.encode(None):
        output.mux(packet)
    return count


def _clock(time_base: Fraction) -> Fraction:
    """A tick 1/n that MP4 can hold and `time_base` is a multiple of."""
    return max(Fraction(1, time_base.denominator), _FINEST)
