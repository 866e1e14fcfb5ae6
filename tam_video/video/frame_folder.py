"""Read a folder of image files as a video with a constant frame rate.

Every file is decoded as a still image, so that a frame has the same pixels as the image. The files
have no times: the caller gives the frame rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from tam_video.errors import VideoDecodeError, VideoOpenError
from tam_video.types import ByteArray, FrameBatch, VideoInfo
from tam_video.video.reader import DEFAULT_LIMITS, ReadLimits, Timeline, VideoReader, open_video


class FrameFolder(VideoReader):
    """A reader for a folder with one image file per frame; see `VideoReader`.

    Frame k is shown at k / fps; `info.path` is the folder of the first.
    """

    def __init__(
        self, paths: Sequence[Path], *, fps: float, limits: ReadLimits = DEFAULT_LIMITS
    ) -> None:
        """Decode the first file, which defines the frame size.

        Args:
            paths: one image per frame, in display order.
            fps: frames per second, above 0.
            limits: limits on what the files may declare.
        """
        if not fps > 0:
            raise ValueError(f"fps must be above 0, not {fps}")
        if not paths:
            raise VideoOpenError("the folder contains no frames", hint="check the path")
        if len(paths) > limits.max_frames:
            raise VideoOpenError(
                f"the folder has {len(paths)} frames, but the limit is {limits.max_frames}"
            )
        self._paths, self._limits = tuple(paths), limits
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

    def _decode(self, wanted: Sequence[int]) -> Iterator[tuple[int, ByteArray]]:
        return ((number, self._rgb(number)) for number in wanted)

    def _picture(self, number: int) -> FrameBatch:
        with open_video(self._paths[number], limits=self._limits) as reader:
            return reader.read([0])

    def _rgb(self, number: int) -> ByteArray:
        rgb: ByteArray = self._picture(number).frames[0]
        if rgb.shape[:2] != (self._info.height, self._info.width):
            raise VideoDecodeError(
                f"{self._paths[number]} is {rgb.shape[1]}x{rgb.shape[0]}, but the first frame is "
                f"{self._info.width}x{self._info.height}",
                hint="all frames of a folder must have the same size",
                frame_index=number,
            )
        return rgb
