"""Encode frames as an H.264 MP4 that keeps the source's times, colours and audio.

Owns: encoding and the colour tags. Does not draw on the frames and does not read them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from tam_video.errors import EncodeError
from tam_video.types import ByteArray, VideoInfo
from tam_video.video.audio import AudioCopy, open_audio
from tam_video.video.container import open_stream
from tam_video.video.encoders import Encoder, choose_encoder
from tam_video.video.muxing import FrameEncoder, open_mp4
from tam_video.video.pixels import LIMITED
from tam_video.video.planes import SWSCALE_MATRIX, DrawnFrame, frame_of_rgb, matrix_of
from tam_video.video.reader import ReadLimits, checked_path, is_dicom

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import OutputContainer
    from av.video.stream import VideoStream

TimedPicture: TypeAlias = tuple[float, ByteArray | DrawnFrame]
"""Presentation time in seconds on the source's clock, and a frame.

uint8 RGB [H, W, 3], or 4:2:0 in the matrix of the file's tags, which may be overwritten as soon as
the next frame is requested.
"""

_log = logging.getLogger(__name__)

TICKS_PER_SECOND = 90_000
_UNSPECIFIED = 2


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter with a title and times in seconds from the start of the file."""

    start_seconds: float
    end_seconds: float
    title: str


@dataclass(frozen=True, slots=True)
class PictureTags:
    """Pixel aspect ratio, and colour tags as ITU-T H.273 numbers (2 means "unspecified").

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
    """A written MP4: its path, number of frames, time shift and encoder.

    Attributes:
        path: the MP4.
        num_frames: number of frames.
        shift_seconds: the source time that is 0 in the file.
        encoder: name of the encoder.
        warnings: messages about the fallbacks taken.
    """

    path: Path
    num_frames: int
    shift_seconds: float
    encoder: str
    warnings: tuple[str, ...] = ()


def source_tags(info: VideoInfo) -> PictureTags:
    """Read the colour tags of a source. If no matrix is tagged, use the decoding matrix."""
    matrix = matrix_of(info.color_space, width=info.width, height=info.height)
    tags = PictureTags(matrix, sample_aspect_ratio=info.sample_aspect_ratio)
    path = checked_path(info.path)
    if is_dicom(path):
        return tags
    with open_stream(path, limits=ReadLimits()) as (_, stream):
        context = stream.codec_context
        tagged = int(context.colorspace)
        return replace(
            tags,
            matrix=tagged if tagged in SWSCALE_MATRIX else matrix,
            primaries=int(context.color_primaries),
            transfer=int(context.color_trc),
        )


def encoding_matrix(tags: PictureTags, *, width: int, height: int) -> int:
    """Return the source's colour matrix, or the usual matrix for the frame size if unknown.

    Returns:
        A number of ITU-T H.273: the tagged one; else BT.709 for HD and BT.601 below, as players
        assume for untagged files.
    """
    if tags.matrix in SWSCALE_MATRIX:
        return tags.matrix
    return matrix_of("", width=width, height=height)


def _add_video_stream(
    output: OutputContainer,
    encoder: Encoder,
    options: dict[str, str],
    *,
    size: tuple[int, int],
    average_fps: Fraction,
    tags: PictureTags,
) -> VideoStream:
    rate = average_fps.limit_denominator(1001) or Fraction(25)
    stream = cast("VideoStream", output.add_stream(encoder.codec, rate=rate, options=options))
    stream.width, stream.height = size
    stream.pix_fmt = encoder.pixel_format
    # Without B-frames packets are in display order: no negative times, no edit list.
    context = stream.codec_context
    context.thread_type = "FRAME"  # a quarter faster than slice threads
    context.time_base = stream.time_base = Fraction(1, TICKS_PER_SECOND)
    context.gop_size = max(12, min(250, round(2 * rate)))
    context.colorspace = encoding_matrix(tags, width=stream.width, height=stream.height)
    context.color_primaries = tags.primaries
    context.color_trc = tags.transfer
    context.color_range = LIMITED
    context.sample_aspect_ratio = tags.sample_aspect_ratio
    return stream


def _to_yuv(
    frames: Iterable[TimedPicture], *, size: tuple[int, int], matrix: int
) -> Iterator[tuple[float, VideoFrame]]:
    """Yield (time, encoder frame) of each picture. Each frame is valid until the next request."""
    width, height = size
    for count, (pts_seconds, picture) in enumerate(frames):
        if isinstance(picture, DrawnFrame):
            frame, shape = picture.frame, picture.planes.y.shape
        else:
            frame, shape = frame_of_rgb(picture, matrix=matrix), picture.shape
        if shape[:2] != (height, width):
            raise ValueError(f"frame {count} has the shape {shape}, not {(height, width)}")
        yield pts_seconds, frame


def _encode(
    pictures: Iterable[tuple[float, VideoFrame]],
    output: OutputContainer,
    stream: VideoStream,
    *,
    audio: AudioCopy,
    end_seconds: float | None,
) -> tuple[int, int]:
    """Encode frames and interleave audio. Return the frame count and the time shift in ticks."""
    tick, shift = Fraction(1, TICKS_PER_SECOND), 0
    encoder = FrameEncoder(output, stream, tick=tick, default_duration=TICKS_PER_SECOND // 25)
    for seconds, picture in pictures:
        pts = round(seconds * TICKS_PER_SECOND)
        if not encoder.num_frames:
            starts = audio.start_seconds
            shift = pts if starts is None else min(pts, round(starts * TICKS_PER_SECOND))
        encoder.encode(picture, pts - shift)
        audio.copy_until((encoder.pts + shift) / TICKS_PER_SECOND, shift=shift * tick)
    encoder.finish(None if end_seconds is None else round(end_seconds * TICKS_PER_SECOND) - shift)
    audio.copy_until(float("inf"), shift=shift * tick)
    return encoder.num_frames, shift


def write_video(
    path: Path,
    frames: Iterable[TimedPicture],
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
    """Encode frames as H.264 (yuv420p, faststart) at their own times, with the source's audio.

    Frames are encoded one by one, so memory does not grow with the clip. Video and audio are moved
    by one offset so that the first of them starts at 0. Audio packets are copied, not re-encoded;
    a codec that MP4 can't hold is left out with a warning. The file appears under `path` only when
    it is complete.

    Args:
        path: the MP4 to write; its folder exists.
        frames: frames in display order. Odd sides of RGB are padded by one repeated row or
            column; planes have even sides.
        width: frame width in pixels.
        height: frame height in pixels.
        end_seconds: when the last frame ends, on the source's clock; by default it lasts as long as
            the previous one.
        average_fps: for rate control and the key frame distance only; times come from the frames.
        tags: the source's colour and pixel shape; the default without a source.
        audio_from: file whose audio streams are copied; None for a silent clip.
        chapters: parts of the file with titles, which players list.
        crf: x264 quality, 0 (lossless) to 51.
        speed_preset: x264 speed preset, "ultrafast" to "slower".
        encoder: one of `ENCODER_NAMES`; quality and speed are mapped to its nearest settings.

    Raises:
        EncodeError: there are no frames, the encoder does not work here, or writing fails.
        InputError: `audio_from` can't be opened.
        ValueError: a frame has another size than `width` and `height`.
    """
    size = (width + width % 2, height + height % 2)
    chosen = choose_encoder(encoder, width=size[0], height=size[1])
    with open_mp4(path) as output, open_audio(audio_from, output) as audio:
        options = chosen.options(crf, speed_preset)
        stream = _add_video_stream(
            output, chosen, options, size=size, average_fps=average_fps, tags=tags or PictureTags()
        )
        _set_chapters(output, chapters)
        matrix = int(stream.codec_context.colorspace)
        encoded = _to_yuv(frames, size=(width, height), matrix=matrix)
        count, shift = _encode(encoded, output, stream, audio=audio, end_seconds=end_seconds)
        if count == 0:
            raise EncodeError(f"cannot write {path.name}: there are no frames")
    for warning in audio.warnings:
        _log.warning("%s: %s", path.name, warning)
    warnings = tuple(audio.warnings)
    return WrittenVideo(path, count, shift / TICKS_PER_SECOND, chosen.name, warnings)


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
