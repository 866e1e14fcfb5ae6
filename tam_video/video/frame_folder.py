"""Image files as the frames of a video at a steady rate, as data sets publish them.

Every file is decoded by the reader of still pictures, so that a frame has the pixels it would have
alone. Nothing in the files says when they were taken: the rate is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from tam_video.errors import VideoDecodeError, VideoOpenError
from tam_video.types import ByteArray, FrameBatch, IntArray, VideoInfo
from tam_video.video.reader import (
    DEFAULT_LIMITS,
    DecodedFrame,
    ReaderBase,
    ReadLimits,
    Timeline,
    checked_indices,
    checked_range,
    open_video,
)


class FrameFolder(ReaderBase):
    """Frames from image files; see `VideoReader` for what it promises.

    Frame k is shown at k / fps; `info.path` is the folder of the first. Nothing is worked around.
    """

    def __init__(
        self, paths: Sequence[Path], *, fps: float, limits: ReadLimits = DEFAULT_LIMITS
    ) -> None:
        """Decode the first file, which tells the size of all.

        Args:
            paths: one image per frame, in display order.
            fps: frames per second, above 0.
            limits: what the files may declare.

        Raises:
            ValueError: `fps` is not above 0.
            VideoOpenError: there is no file, there are too many, or the first is no image.
            VideoDecodeError: the first can't be decoded.
        """
        if not fps > 0:
            raise ValueError(f"fps must be above 0, not {fps}")
        if not paths:
            raise VideoOpenError("a folder of frames holds no frame", hint="check the path")
        if len(paths) > limits.max_frames:
            raise VideoOpenError(f"{len(paths)} frames, the limit is {limits.max_frames}")
        self._paths, self._limits, self._is_closed = tuple(paths), limits, False
        first = self._picture(0)
        rate = Fraction(fps).limit_denominator(1_000_000)
        self._info = VideoInfo(
            path=self._paths[0].parent,
            num_frames=len(self._paths),
            width=first.info.width,
            height=first.info.height,
            average_fps=rate,
            duration_seconds=float(len(self._paths) / rate),
            codec=first.info.codec,
            pixel_format=first.info.pixel_format,
            time_base=1 / rate,
        )
        self._timeline = Timeline(
            pts_seconds=np.array([float(number / rate) for number in range(len(self._paths))]),
            is_keyframe=np.ones(len(self._paths), np.bool_),
        )

    def read(self, indices: IntArray | Sequence[int]) -> FrameBatch:
        """The asked frames, in the asked order; see `VideoReader.read`."""
        self._check_open()
        asked = checked_indices(indices, num_frames=len(self._paths))
        numbers, places = np.unique(asked, return_inverse=True)
        found = np.stack([self._rgb(number) for number in numbers.tolist()])
        return FrameBatch(found[places], asked, self._timeline.pts_seconds[asked], self._info)

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[DecodedFrame]:
        """Frames `start` to `stop - 1`; see `VideoReader.frames`."""
        self._check_open()
        for number in checked_range(start, stop, num_frames=len(self._paths)):
            yield DecodedFrame(number, float(self._timeline.pts_seconds[number]), self._rgb(number))

    def _picture(self, number: int) -> FrameBatch:
        with open_video(self._paths[number], limits=self._limits) as reader:
            return reader.read([0])

    def _rgb(self, number: int) -> ByteArray:
        rgb: ByteArray = self._picture(number).frames[0]
        if rgb.shape[:2] != (self._info.height, self._info.width):
            raise VideoDecodeError(
                f"{self._paths[number]} is {rgb.shape[1]}x{rgb.shape[0]}, the first frame "
                f"{self._info.width}x{self._info.height}",
                hint="all frames of a folder have one size",
                frame_index=number,
            )
        return rgb
