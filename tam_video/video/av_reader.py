"""The PyAV reader. It seeks to a keyframe, decodes forward and checks every frame's time.

All packets are listed once, which gives exact times and keyframes without decoding. A frame is
decoded from the nearest keyframe before it. The packets after a seek are compared with the list,
and a frame is accepted only if it has the expected time; otherwise the file is read again from its
start. Frames after undecodable data are skipped up to the next intact keyframe.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import islice, pairwise, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from tam_video.errors import VideoDecodeError
from tam_video.types import ByteArray, FrameBatch, IntArray, VideoInfo
from tam_video.video.container import (
    PacketTable,
    av_errors,
    frame_rate,
    list_packets,
    open_stream,
)
from tam_video.video.cursor import Cursor, sound_frames
from tam_video.video.frame_index import FrameIndex, index_of_packets, last_duration
from tam_video.video.pixels import PixelRecipe, pixel_recipe, to_rgb
from tam_video.video.planes import planes_of_frame
from tam_video.video.reader import DEFAULT_LIMITS, DecodedPlanes, ReadLimits, VideoReader
from tam_video.video.still import count_pages, is_picture, read_orientation

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

T = TypeVar("T")

_logger = logging.getLogger(__name__)
_OPENING_FRAMES = 8  # decoded at opening, to check the times of the packets


class PyAvReader(VideoReader):
    """The default reader, based on PyAV; see `VideoReader`.

    Attributes:
        format_name: FFmpeg's name of the container format ("mpegts").
        recipe: conversion of stored frames to RGB.
    """

    def __init__(
        self, path: Path, *, limits: ReadLimits = DEFAULT_LIMITS, threads: int = 1
    ) -> None:
        """Open `path`, list its packets and decode its first frames; see `open_video`.

        `threads` decode, as many as FFmpeg likes if it is 0. The frames of an intact file do not
        depend on it; with more than one, a damaged frame may be accepted as intact.
        """
        self._path, self._limits, self._threads = path, limits, threads
        self._warnings: list[str] = []
        table = list_packets(path, limits=limits)
        with open_stream(path, limits=limits, threads=1) as opened, av_errors(path):
            self._index, self.recipe = self._first_look(*opened, table)
            self.format_name = str(opened[0].format.name)
            self._info = _info(path, *opened, index=self._index, recipe=self.recipe)
        self._timeline = self._index.timeline(self._info.time_base)
        if table.is_cut:
            self._warn(f"the file is truncated after {len(self._index)} frames")
        pages = count_pages(path) if self._info.codec == "tiff" else 1
        if pages > 1:
            self._warn(f"the file has {pages} pages: the first is read")

    @property
    def is_counted(self) -> bool:
        """Whether frames are counted from the start because packet times are unreliable."""
        return self._index.is_counted

    def read_scaled(
        self, indices: IntArray | Sequence[int], *, height: int, width: int
    ) -> FrameBatch:
        """Read frames. A bicubic filter scales each frame before it is converted to RGB."""

        def decode(wanted: Sequence[int]) -> Iterator[tuple[int, ByteArray]]:
            return self._walk(wanted, lambda frame: to_rgb(frame, self.recipe, (height, width)))

        return self._batch(indices, decode, height=height, width=width)

    def planes(self, *, matrix: int) -> Iterator[DecodedPlanes]:
        """Iterate over all frames as 4:2:0 YUV; convert through RGB only if a side is odd."""
        self._check_open()
        converted = self._walk(
            range(len(self._index)),
            lambda frame: planes_of_frame(frame, self.recipe, matrix=matrix),
        )
        return (
            DecodedPlanes(index, float(self._timeline.pts_seconds[index]), planes)
            for index, planes in self._while_open(converted)
        )

    def _decode(self, wanted: Sequence[int]) -> Iterator[tuple[int, ByteArray]]:
        return self._walk(wanted, lambda frame: to_rgb(frame, self.recipe))

    def _warn(self, message: str) -> None:
        if message not in self._warnings:
            self._warnings.append(message)
            _logger.warning("%s: %s", self._path.name, message)

    def _first_look(
        self, container: InputContainer, stream: VideoStream, table: PacketTable
    ) -> tuple[FrameIndex, PixelRecipe]:
        """Build the index from packet times if the first frames confirm them, else by decoding."""
        frames = sound_frames(container, stream, table=table)
        opening = list(islice(frames, _OPENING_FRAMES))
        if not opening:
            raise VideoDecodeError(
                f"no frame of {self._path.name} can be decoded",
                hint="repair or re-encode the file with ffmpeg",
                frame_index=0,
            )
        orientation = read_orientation(self._path) if is_picture(container) else None
        recipe = pixel_recipe(opening[0], orientation=orientation)
        if table.has_times:
            index = index_of_packets(table)
            times = [frame.pts for frame in opening]
            if times == index.ticks[: len(times)].tolist():
                return index, recipe
        self._warn("the container has no reliable frame times: frames are counted by decoding")
        decoded = [(p.pts, p.key_frame) for p in opening]
        opening.clear()
        decoded += [(p.pts, p.key_frame) for p in frames]
        is_avi = container.format.name == "avi"
        return _counted_index(decoded, stream, table, is_avi=is_avi), recipe

    def _walk(
        self, wanted: Sequence[int], convert: Callable[[VideoFrame], T]
    ) -> Iterator[tuple[int, T]]:
        """Yield (number, converted frame) for the increasing frame numbers `wanted`."""
        num_done = 0
        if not self._index.is_counted:
            with (
                open_stream(self._path, limits=self._limits, threads=self._threads) as opened,
                av_errors(self._path),
            ):
                cursor = Cursor(*opened, self._index)
                for index, following in zip_longest(wanted, wanted[1:]):
                    frame = cursor.find(index, following=following)
                    if frame is None:
                        break
                    yield index, convert(frame)
                    num_done += 1
        if num_done < len(wanted):
            yield from self._walk_from_start(wanted[num_done:], convert)

    def _walk_from_start(
        self, wanted: Sequence[int], convert: Callable[[VideoFrame], T]
    ) -> Iterator[tuple[int, T]]:
        """Do the same as `_walk`, but decode from the start in one thread, to detect all damage."""
        with (
            open_stream(self._path, limits=self._limits, threads=1) as opened,
            av_errors(self._path),
        ):
            cursor = Cursor(*opened, self._index, seeks=False)
            for index in wanted:
                frame = cursor.find(index)
                if frame is None:
                    raise VideoDecodeError(
                        f"frame {index} of {self._path.name} can't be decoded",
                        hint="the file is damaged here; repair the file, or exclude this part",
                        frame_index=index,
                    )
                if not self._index.is_counted:
                    self._warn("a seek did not reach its frame: read from the start instead")
                yield index, convert(frame)


def _counted_index(
    decoded: Sequence[tuple[int | None, bool]],
    stream: VideoStream,
    table: PacketTable,
    *,
    is_avi: bool,
) -> FrameIndex:
    """Index decoded frames. If times decrease or are missing, frames get evenly spaced times."""
    times = [ticks for ticks, _ in decoded if ticks is not None]
    increasing = all(a < b for a, b in pairwise(times))
    if is_avi or len(times) < len(decoded) or not increasing:
        ticks = np.rint(np.arange(len(decoded)) * float(_frame_ticks(stream))).astype(np.int64)
        ticks += stream.start_time or 0
    else:
        ticks = np.array(times, np.int64)
    keys = np.array([is_key for _, is_key in decoded], np.bool_)
    return FrameIndex(ticks=ticks, is_keyframe=keys, table=table, is_counted=True)


def _frame_ticks(stream: VideoStream) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    return 1 / (rate * (stream.time_base or Fraction(1, 1000)))


def _info(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    *,
    index: FrameIndex,
    recipe: PixelRecipe,
) -> VideoInfo:
    time_base = stream.time_base or Fraction(1, 1000)
    duration = last_duration(index, frame_ticks=max(1, round(_frame_ticks(stream))))
    seconds = (int(index.ticks[-1] - index.ticks[0]) + duration) * time_base
    height, width, _ = recipe.shape
    aspect = stream.sample_aspect_ratio or Fraction(1)
    return VideoInfo(
        path=path,
        num_frames=len(index),
        width=width,
        height=height,
        average_fps=frame_rate(stream, num_frames=len(index), seconds=seconds),
        duration_seconds=float(seconds),
        start_seconds=float(int(index.ticks[0]) * time_base),
        rotation_degrees=recipe.rotation_degrees,
        codec=stream.codec_context.codec.canonical_name,
        pixel_format=stream.codec_context.pix_fmt or "",
        has_audio=bool(container.streams.audio),
        is_mirrored=recipe.is_mirrored,
        color_space=recipe.color_space,
        color_range=recipe.color_range,
        sample_aspect_ratio=1 / aspect if recipe.is_transposed else aspect,
        time_base=time_base,
        is_image=is_picture(container) and len(index) == 1,
    )
