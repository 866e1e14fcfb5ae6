"""Frames as 8-bit YUV planes, as decoders and encoders use them, without conversion to RGB.

Owns: the planes and their conversion. Values have the limited range; the matrix is a number of
ITU-T H.273 (1 BT.709, 5 and 6 BT.601, ...), which the caller passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from tam_video.types import ByteArray
from tam_video.video.pixels import (
    COLOR_SPACES,
    FULL,
    LIMITED,
    SWSCALE_COLORSPACE,
    PixelRecipe,
    sws_colours,
    to_rgb,
    untagged_space,
    upright,
)

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.plane import VideoPlane

# Matrix numbers of H.273 that frames can be encoded with, and swscale's number of each; not the
# constant luminance of 10, which swscale can't produce.
SWSCALE_MATRIX = {n: SWSCALE_COLORSPACE[space] for n, space in COLOR_SPACES.items() if n != 10}
_MATRIX_NUMBERS = {**SWSCALE_COLORSPACE, "bt601": 6}


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """A frame with luma at full resolution and chroma at full or half resolution.

    Attributes:
        y: uint8 [H, W], 16 to 235.
        u: uint8 [H / step, W / step], 16 to 240.
        v: the same.
    """

    y: ByteArray
    u: ByteArray
    v: ByteArray

    @property
    def step(self) -> int:
        """Number of pixels per chroma sample along each axis: 1 (4:4:4) or 2 (4:2:0)."""
        return int(self.y.shape[0] // self.u.shape[0])

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.y.shape[0])

    def copy_to(self, target: Planes) -> None:
        """Copy the samples into other planes of the same size."""
        np.copyto(target.y, self.y)
        np.copyto(target.u, self.u)
        np.copyto(target.v, self.v)


class DrawnFrame:
    """A frame to draw on; its planes are views of an `av.VideoFrame`, so encoding needs no copy."""

    def __init__(self, width: int, height: int, *, step: int = 2) -> None:
        """Allocate an uninitialised frame whose sides are multiples of `step`."""
        from av import VideoFrame

        self.frame = VideoFrame(width, height, _format(step))
        self.planes = _planes(self.frame)


def _planes(frame: VideoFrame) -> Planes:
    """Return views of a frame's planes; the views keep the frame alive."""
    return Planes(*(_view(plane) for plane in frame.planes))


def _view(plane: VideoPlane) -> ByteArray:
    stored: ByteArray = np.frombuffer(memoryview(plane), dtype=np.uint8)
    return stored.reshape(plane.height, plane.line_size)[:, : plane.width]


def matrix_of(color_space: str, *, width: int, height: int) -> int:
    """Return the H.273 number of the colour matrix with which the source is decoded.

    Returns:
        The number; for RGB sources that of BT.709 for HD, and of BT.601 below.
    """
    known = color_space if color_space in _MATRIX_NUMBERS else untagged_space(width, height)
    return _MATRIX_NUMBERS[known]


def pad_to_even(picture: ByteArray) -> ByteArray:
    """Repeat the last row or column if a side is odd, because 4:2:0 chroma needs even sides.

    Returns:
        uint8 [H + H % 2, W + W % 2, 3]; the same array if both sides are even.
    """
    height, width = picture.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return picture
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def frame_of_rgb(rgb: ByteArray, *, matrix: int, step: int = 2) -> VideoFrame:
    """Convert RGB uint8 [H, W, 3] to an encoder frame with even sides; see `Planes.step`."""
    from av import VideoFrame

    frame = VideoFrame.from_ndarray(np.ascontiguousarray(pad_to_even(rgb)), format="rgb24")
    return frame.reformat(
        format=_format(step),
        dst_colorspace=SWSCALE_MATRIX[matrix],
        dst_color_range=LIMITED,
        threads=1,
    )


def planes_of_rgb(rgb: ByteArray, *, matrix: int, step: int = 2) -> Planes:
    """Convert RGB to planes; see `frame_of_rgb`."""
    return _planes(frame_of_rgb(rgb, matrix=matrix, step=step))


def planes_of_frame(frame: VideoFrame, recipe: PixelRecipe, *, matrix: int) -> Planes:
    """Return a decoded frame as upright 4:2:0 planes. Only frames in other formats are converted.

    Returns:
        Planes with even sides; see `pad_to_even`.
    """
    if recipe.width % 2 or recipe.height % 2:
        return planes_of_rgb(to_rgb(frame, recipe), matrix=matrix)
    picture = frame.reformat(
        width=recipe.width,
        height=recipe.height,
        format=_format(2),
        dst_colorspace=SWSCALE_MATRIX[matrix],
        dst_color_range=LIMITED,
        threads=1,
        **sws_colours(recipe),
    )
    stored = _planes(picture)
    if not (recipe.is_transposed or recipe.flips_rows or recipe.flips_columns):
        return stored
    turned = (upright(each[:, :, None], recipe)[:, :, 0] for each in (stored.y, stored.u, stored.v))
    return Planes(*turned)


def rgb_of_planes(planes: Planes, *, matrix: int) -> ByteArray:
    """Convert planes to RGB with the given colour matrix: uint8 [H, W, 3]."""
    drawn = DrawnFrame(planes.width, planes.height, step=planes.step)
    planes.copy_to(drawn.planes)
    picture = drawn.frame.reformat(
        format="rgb24",
        src_colorspace=SWSCALE_MATRIX[matrix],
        src_color_range=LIMITED,
        dst_color_range=FULL,
        threads=1,
    )
    return cast("ByteArray", picture.to_ndarray())


def _format(step: int) -> str:
    return "yuv444p" if step == 1 else "yuv420p"
