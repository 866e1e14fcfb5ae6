"""Decode downscaled frames of a long video at low cost.

Owns: which packets are decoded, the times of the frames, the reduced sizes. One frame is in memory
at a time. Files are opened with the checks and limits of `tam_video.video`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from tam_video.errors import VideoDecodeError, VideoOpenError
from tam_video.types import ByteArray
from tam_video.video.container import av_errors, open_stream, readable_packets
from tam_video.video.pixels import PixelRecipe, pixel_recipe, sws_colours, upright
from tam_video.video.reader import ReadLimits

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

logger = logging.getLogger(__name__)

_PEEKED_PACKETS = 600  # enough to measure the distance of keyframes
_EARLY, _LATE = 0.1, 0.5  # of a slot: tolerated deviation of a frame time
_FULL = 2  # AVColorRange


def small_pictures(
    path: Path,
    *,
    slot_seconds: float,
    side: int,
    limits: ReadLimits,
    threads: int = 0,
    start_seconds: float | None = None,
) -> Iterator[tuple[float, ByteArray]]:
    """Yield a luma frame every `slot_seconds`, scaled down to at most `side` pixels per side.

    Only reference frames are decoded, or only keyframes if they are close enough; only the frame
    of a slot is converted.

    `path` is as returned by `checked_path`; the other arguments are explained in `gate.looks`.

    Yields:
        (pts_seconds, uint8 [h, w] upright), in order of time.

    Raises:
        InputError: the file cannot be read, or is refused.
    """
    with open_stream(path, limits=limits, threads=1) as opened, av_errors(path):
        by_keyframes = _has_close_keyframes(*opened, slot_seconds)
    with open_stream(path, limits=limits, threads=threads) as (container, stream), av_errors(path):
        stream.codec_context.skip_frame = "NONKEY" if by_keyframes else "NONREF"
        recipe: PixelRecipe | None = None
        begin = -np.inf if start_seconds is None else start_seconds
        first = due = begin
        last = float(np.nextafter(begin, -np.inf))
        if start_seconds is not None:
            container.seek(round(start_seconds / float(stream.time_base or 1)), stream=stream)
        for pts_seconds, picture in _decoded(container, stream, path, limits):
            if pts_seconds < begin:
                continue
            if recipe is None:
                recipe = pixel_recipe(picture)
                first = due = pts_seconds if start_seconds is None else start_seconds
            if by_keyframes and pts_seconds - due > _LATE * slot_seconds:
                # The keyframes are not close: decode again from the last one, with the others.
                by_keyframes = False
                stream.codec_context.skip_frame = "NONREF"
                container.seek(round(last / float(stream.time_base or 1)), stream=stream)
                continue
            if pts_seconds > last and pts_seconds >= due - _EARLY * slot_seconds:
                yield pts_seconds, _small_luma(picture, recipe, side)
                due = pts_seconds + slot_seconds
            last = max(last, pts_seconds)
            if last - first > limits.max_seconds:
                raise VideoOpenError(
                    f"{path.name} lasts longer than {limits.max_seconds:g} seconds",
                    hint="cut the video first",
                )
        if recipe is None and start_seconds is None:
            raise VideoDecodeError(
                f"no frame of {path.name} can be decoded", hint="repair or re-encode the file"
            )


def _has_close_keyframes(
    container: InputContainer, stream: VideoStream, slot_seconds: float
) -> bool:
    """Return whether successive keyframes are at most `slot_seconds` apart."""
    packets = islice(readable_packets(container, stream), _PEEKED_PACKETS)
    keys = sorted(p.pts for p in packets if p.is_keyframe and p.pts is not None)
    base = float(stream.time_base or 0)
    gaps = [(after - before) * base for before, after in pairwise(keys)]
    return len(gaps) > 1 and max(gaps) <= (1 + _EARLY) * slot_seconds


def all_pictures(
    path: Path, *, side: int, limits: ReadLimits, start_seconds: float | None = None
) -> Iterator[tuple[float, ByteArray]]:
    """Yield all reference frames in colour, scaled down so that the longer side is `side` pixels.

    Yields:
        (pts_seconds, uint8 [h, w, 3] BGR as in OpenCV, not rotated), in order of time.

    Raises:
        InputError: the file cannot be read, or is refused.
    """
    with open_stream(path, limits=limits, threads=0) as (container, stream), av_errors(path):
        stream.codec_context.skip_frame = "NONREF"
        if start_seconds is not None:
            container.seek(round(start_seconds / float(stream.time_base or 1)), stream=stream)
        for pts_seconds, picture in _decoded(container, stream, path, limits):
            if start_seconds is None or pts_seconds >= start_seconds:
                small = _small(picture, side, "bgr24", {})
                yield pts_seconds, cast("ByteArray", small.to_ndarray())


def _decoded(
    container: InputContainer, stream: VideoStream, path: Path, limits: ReadLimits
) -> Iterator[tuple[float, VideoFrame]]:
    """Yield (time, frame) in order of time. Frames that cannot be decoded are skipped.

    The time of a frame without one follows from that of the frame before.
    """
    from av.error import InvalidDataError

    base = float(stream.time_base or 0)
    frame_seconds = float(1 / (stream.average_rate or stream.guessed_rate or 25))
    last = -frame_seconds
    for number, packet in enumerate(chain(readable_packets(container, stream), (None,))):
        if number > limits.max_frames:
            raise VideoOpenError(
                f"{path.name} has more than {limits.max_frames} frames", hint="cut the video first"
            )
        try:
            pictures = stream.decode(packet)
        except InvalidDataError:
            logger.warning("%s: undecodable data near %.1f s", path.name, max(last, 0.0))
            continue
        for picture in pictures:
            last = last + frame_seconds if picture.pts is None else picture.pts * base
            yield last, picture


def _small_luma(picture: VideoFrame, recipe: PixelRecipe, side: int) -> ByteArray:
    """Return a frame's luma in full range, downscaled and rotated upright: uint8 [h, w]."""
    grey = _small(picture, side, "gray", {"dst_color_range": _FULL, **sws_colours(recipe)})
    return upright(cast("ByteArray", grey.to_ndarray())[:, :, None], recipe)[:, :, 0]


def _small(picture: VideoFrame, side: int, kind: str, colours: dict[str, int]) -> VideoFrame:
    scale = min(1.0, side / max(picture.width, picture.height))
    return picture.reformat(
        width=max(1, round(picture.width * scale)),
        height=max(1, round(picture.height * scale)),
        format=kind,
        interpolation="AREA",
        threads=1,
        **colours,
    )
