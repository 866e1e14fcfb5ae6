"""Encode frames losslessly as an MP4 with the same pixels and times.

Lossless H.264 in RGB. For clips that are read again, not for playback: few players support it.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from tam_video.errors import EncodeError
from tam_video.types import ByteArray
from tam_video.video.muxing import FrameEncoder, open_mp4

_FINEST = Fraction(1, 1_000_000)
_GOP = 12
# One thread, so that the same frames give the same bytes on every machine; no frame is delayed.
_OPTIONS = {"qp": "0", "preset": "ultrafast", "tune": "zerolatency", "threads": "1"}


def write_lossless(
    path: Path,
    frames: Iterable[tuple[float, ByteArray]],
    *,
    width: int,
    height: int,
    time_base: Fraction,
    end_seconds: float,
    pixel_aspect: Fraction = Fraction(1),
) -> int:
    """Encode frames one by one, and return how many. `path` exists only after success.

    Args:
        path: the MP4 to write; its folder exists.
        frames: time in seconds and uint8 RGB [H, W, 3] of each frame, in display order;
            the first starts at time 0.
        width: frame width in pixels.
        height: frame height in pixels.
        time_base: a unit in seconds that all times are multiples of; times are rounded to
            microseconds if MP4 can't use it.
        end_seconds: when the last frame ends, on the frames' clock.
        pixel_aspect: width of a pixel over its height.

    Raises:
        EncodeError: there are no frames, or the encoder or the file system fails.
    """
    from av import VideoFrame

    tick = max(Fraction(1, time_base.denominator), _FINEST)
    with open_mp4(path, video_track_timescale=str(tick.denominator)) as output:
        stream = output.add_stream("libx264rgb", rate=Fraction(25), options=_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = width, height, "bgr24"
        stream.codec_context.time_base = stream.time_base = tick
        stream.codec_context.gop_size = _GOP
        stream.codec_context.sample_aspect_ratio = pixel_aspect
        encoder, start = FrameEncoder(output, stream, tick=tick), 0.0
        for pts_seconds, rgb in frames:
            start = start if encoder.num_frames else pts_seconds
            picture = VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="bgr24")
            encoder.encode(picture, round((pts_seconds - start) / tick))
        encoder.finish(max(round((end_seconds - start) / tick), encoder.pts + 1))
        if not encoder.num_frames:
            raise EncodeError(f"cannot write {path.name}: there are no frames")
    return encoder.num_frames
