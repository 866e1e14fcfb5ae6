"""Frames by PyAV: seek to a keyframe, decode forward, and check every frame's time.

The method: all packets are listed once, which gives exact times and keyframes without decoding. A
frame is reached from the nearest keyframe before it. The packets met after a seek are compared with
the list, and a frame counts only if its time is the one expected; otherwise the file is read again
from its start. Frames after undecodable data are not handed out before the next intact keyframe.
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
from tam_video.video.planes import Planes, planes_of_frame
from tam_video.video.reader import (
    DEFAULT_LIMITS,
    DecodedFrame,
    DecodedPlanes,
    ReaderBase,
    ReadLimits,
    checked_indices,
    checked_range,
)
from tam_video.video.still import count_pages, is_picture, read_orientation

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

Picture = TypeVar("Picture")

_logger = logging.getLogger(__name__)
_OPENING_FRAMES = 8  # decoded at opening, to see whether the packets tell the truth


class PyAvReader(ReaderBase):
    """The default reader; see `VideoReader` for what it promises."""

    def __init__(
        self, path: Path, *, limits: ReadLimits = DEFAULT_LIMITS, threads: int = 1
    ) -> None:
        """Open `path`, list its packets and decode its first frames.

        Args:
            path: an absolute path, as `checked_path` gives it.
            limits: what the file may declare.
            threads: decoding threads; 0 leaves it to FFmpeg. The frames of a sound file are the
                same; with more than one, a damaged frame may pass for a sound one.

        Raises:
            VideoOpenError: not a video, refused or too large.
            NoVideoStreamError: no picture stream that can be decoded.
            VideoDecodeError: no frame can be decoded.
        """
        self._path, self._limits, self._threads = path, limits, threads
        self._warnings: list[str] = []
        with open_stream(path, limits=limits, threads=1) as (container, stream):
            table = list_packets(container, stream, path=path, limits=limits)
        with open_stream(path, limits=limits, threads=1) as opened, av_errors(path):
            self._index, self._recipe = self._first_look(*opened, table)
            self._format_name = str(opened[0].format.name)
            self._info = _info(path, *opened, index=self._index, recipe=self._recipe)
        self._timeline = self._index.timeline(self._info.time_base)
        if table.is_cut:
            self._warn(f"the file is cut off after {len(self._index)} frames")
        pages = count_pages(path) if self._info.codec == "tiff" else 1
        if pages > 1:
            self._warn(f"the file holds {pages} pictures: the first is read")

    @property
    def is_counted(self) -> bool:
        """Whether frames are found by counting, because the packets' times can't be trusted."""
        return self._index.is_counted

    @property
    def format_name(self) -> str:
        """The container as FFmpeg names it ("mpegts")."""
        return self._format_name

    @property
    def recipe(self) -> PixelRecipe:
        """How stored pictures become RGB frames."""
        return self._recipe

    def read(self, indices: IntArray | Sequence[int]) -> FrameBatch:
        """The asked frames, in the asked order; see `VideoReader.read`."""
        return self._batch(indices, None)

    def read_scaled(
        self, indices: IntArray | Sequence[int], *, height: int, width: int
    ) -> FrameBatch:
        """The asked frames in another size; see `ScalingReader.read_scaled`."""
        return self._batch(indices, (height, width))

    def _batch(self, indices: IntArray | Sequence[int], size: tuple[int, int] | None) -> FrameBatch:
        self._check_open()
        asked = checked_indices(indices, num_frames=len(self._index))
        frames = np.empty((len(asked), *(size or self._recipe.shape[:2]), 3), np.uint8)

        def convert(picture: VideoFrame) -> ByteArray:
            return to_rgb(picture, self._recipe, size)

        for index, rgb in self._walk(np.unique(asked).tolist(), convert):
            for place in np.flatnonzero(asked == index):
                frames[place] = rgb
        pts_seconds = self._timeline.pts_seconds[asked]
        return FrameBatch(frames=frames, indices=asked, pts_seconds=pts_seconds, info=self._info)

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[DecodedFrame]:
        """Frames in display order; see `VideoReader.frames`."""
        self._check_open()
        wanted = checked_range(start, stop, num_frames=len(self._index))
        return (
            DecodedFrame(index, float(self._timeline.pts_seconds[index]), rgb)
            for index, rgb in self._sequence(wanted, self._rgb)
        )

    def planes(self, *, matrix: int) -> Iterator[DecodedPlanes]:
        """All frames in display order as YUV; see `PlanarReader.planes`."""
        self._check_open()

        def convert(picture: VideoFrame) -> Planes:
            return planes_of_frame(picture, self._recipe, matrix=matrix)

        return (
            DecodedPlanes(index, float(self._timeline.pts_seconds[index]), planes)
            for index, planes in self._sequence(range(len(self._index)), convert)
        )

    def _warn(self, words: str) -> None:
        if words not in self._warnings:
            self._warnings.append(words)
            _logger.warning("%s: %s", self._path.name, words)

    def _rgb(self, picture: VideoFrame) -> ByteArray:
        return to_rgb(picture, self._recipe)

    def _sequence(
        self, wanted: range, convert: Callable[[VideoFrame], Picture]
    ) -> Iterator[tuple[int, Picture]]:
        for found in self._walk(wanted, convert):
            self._check_open()
            yield found

    def _first_look(
        self, container: InputContainer, stream: VideoStream, table: PacketTable
    ) -> tuple[FrameIndex, PixelRecipe]:
        """Decode the first frames; believe the packets if these show when the packets say."""
        pictures = sound_frames(container, stream, table=table)
        opening = list(islice(pictures, _OPENING_FRAMES))
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
            seen = [picture.pts for picture in opening]
            if seen == index.ticks[: len(seen)].tolist():
                return index, recipe
        self._warn("the container has no reliable frame times: frames are counted by decoding")
        seen_all = [(p.pts, p.key_frame) for p in opening]
        opening.clear()
        seen_all += [(p.pts, p.key_frame) for p in pictures]
        is_avi = container.format.name == "avi"
        return _counted_index(seen_all, stream, table, is_avi=is_avi), recipe

    def _walk(
        self, wanted: Sequence[int], convert: Callable[[VideoFrame], Picture]
    ) -> Iterator[tuple[int, Picture]]:
        """Upright pictures of the frames `wanted` (increasing numbers), each one checked."""
        done = 0
        if not self._index.is_counted:
            with (
                open_stream(self._path, limits=self._limits, threads=self._threads) as opened,
                av_errors(self._path),
            ):
                cursor = Cursor(*opened, self._index)
                for index, following in zip_longest(wanted, wanted[1:]):
                    picture = cursor.find(index, following=following)
                    if picture is None:
                        break
                    yield index, convert(picture)
                    done += 1
        if done < len(wanted):
            yield from self._walk_from_start(wanted[done:], convert)

    def _walk_from_start(
        self, wanted: Sequence[int], convert: Callable[[VideoFrame], Picture]
    ) -> Iterator[tuple[int, Picture]]:
        """The same without a seek, by one thread: what FFmpeg shows is the truth."""
        with (
            open_stream(self._path, limits=self._limits, threads=1) as opened,
            av_errors(self._path),
        ):
            cursor = Cursor(*opened, self._index, seeks=False)
            for index in wanted:
                picture = cursor.find(index)
                if picture is None:
                    raise VideoDecodeError(
                        f"frame {index} of {self._path.name} can't be decoded",
                        hint="the file is damaged there: repair it, or leave that part out",
                        frame_index=index,
                    )
                if not self._index.is_counted:
                    self._warn("a seek did not reach its frame: read from the start instead")
                yield index, convert(picture)


def _counted_index(
    seen: Sequence[tuple[int | None, bool]],
    stream: VideoStream,
    table: PacketTable,
    *,
    is_avi: bool,
) -> FrameIndex:
    """Frames as decoding showed them; evenly spaced where their times go back or are missing."""
    times = [ticks for ticks, _ in seen if ticks is not None]
    increasing = all(a < b for a, b in pairwise(times))
    if is_avi or len(times) < len(seen) or not increasing:
        ticks = np.rint(np.arange(len(seen)) * float(_frame_ticks(stream))).astype(np.int64)
        ticks += stream.start_time or 0
    else:
        ticks = np.array(times, np.int64)
    keys = np.array([is_key for _, is_key in seen], np.bool_)
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
    stays = last_duration(index, frame_ticks=max(1, round(_frame_ticks(stream))))
    seconds = (int(index.ticks[-1] - index.ticks[0]) + stays) * time_base
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
