"""Value classes for input videos: the metadata of a file, and its sampled frames.

Axes: T frames, (H, W) pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from tam_video.types.arrays import ByteArray, Float64Array, IntArray, check, describe


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Metadata of a video, read from its packets without decoding frames.

    Attributes:
        path: the file.
        num_frames: number of displayed frames, counted from the packets, not from the header.
        width: display width in pixels AFTER rotation (frames come in this size).
        height: display height in pixels after rotation.
        average_fps: `num_frames / duration`, exact where the container gives it; for display.
        duration_seconds: end of the last frame minus start of the first.
        start_seconds: pts of the first shown frame.
        rotation_degrees: rotation that the readers applied, clockwise: 0, 90, 180 or 270.
        codec: codec name as FFmpeg spells it ("h264").
        pixel_format: pixel format as FFmpeg spells it ("yuv420p10le").
        has_audio: whether the file has an audio stream.
        is_mirrored: whether the readers mirrored the frames horizontally before the rotation.
        color_space: matrix that the readers decode with: "bt709", "bt601", "bt2020", "fcc",
            "smpte240m" or "rgb".
        color_range: "limited" or "full", of the stored pixels.
        sample_aspect_ratio: width of a pixel over its height, as displayed; frames are not resized.
        time_base: duration of a tick of the stream's time base, in seconds.
        is_image: whether it is a still picture, which is an image of one slot for a model.
    """

    path: Path
    num_frames: int
    width: int
    height: int
    average_fps: Fraction
    duration_seconds: float
    start_seconds: float = 0.0
    rotation_degrees: int = 0
    codec: str = ""
    pixel_format: str = ""
    has_audio: bool = False
    is_mirrored: bool = False
    color_space: str = ""
    color_range: str = ""
    sample_aspect_ratio: Fraction = Fraction(1)
    time_base: Fraction = Fraction(1, 1000)
    is_image: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class FrameBatch:
    """Sampled frames, with their indices in the source.

    Attributes:
        frames: uint8 [T, H, W, 3], RGB, upright (rotation applied).
        indices: int64 [T], 0-based frame numbers in display order.
        pts_seconds: float64 [T], presentation times of the container (not shifted to 0).
        info: the source video.
    """

    frames: ByteArray
    indices: IntArray
    pts_seconds: Float64Array
    info: VideoInfo

    def __post_init__(self) -> None:
        check(self.frames.ndim == 4 and self.frames.shape[3] == 3, "frames must be [T, H, W, 3]")
        check(self.frames.dtype == np.uint8, "frames must be uint8")
        check(len(self.frames) > 0, "a batch has at least one frame")
        check(
            self.indices.shape == self.pts_seconds.shape == (len(self.frames),),
            "indices and pts_seconds must be [T]",
        )

    __repr__ = describe
