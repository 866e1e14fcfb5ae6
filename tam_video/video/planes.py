"""Pictures as 8-bit YUV planes: what decoders give and encoders take, without a way through RGB.

Owns: the planes and their conversion. Values are of the limited range; the matrix is a number of
ITU-T H.273 (1 BT.709, 5 and 6 BT.601, ...) and always the caller's to know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from tam_video.types import ByteArray
from tam_video.video.pixels import PixelRecipe, sws_colours, to_rgb, upright

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.plane import VideoPlane

# Matrix numbers of H.273 and what swscale calls the same matrix.
SWSCALE_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
_MATRIX_NUMBERS = {"bt709": 1, "fcc": 4, "bt601": 6, "smpte240m": 7, "bt2020": 9}
_BT709, _BT601 = 1, 6
_MIN_HD_WIDTH, _MIN_HD_HEIGHT = 1280, 720
_LIMITED, _FULL = 1, 2  # AVColorRange


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """A picture with brightness in full size and colour in full or half size.

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
        """Pixels that share a colour sample along each side: 1 (4:4:4) or 2 (4:2:0)."""
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
        """Copy onto planes of the same size."""
        np.copyto(target.y, self.y)
        np.copyto(target.u, self.u)
        np.copyto(target.v, self.v)


class DrawnFrame:
    """A picture to draw on that an encoder takes as it is: planes in the encoder's own memory."""

    def __init__(self, width: int, height: int, *, step: int = 2) -> None:
        """Make it; its pixels are not set yet.

        Args:
            width: in pixels, a multiple of `step`.
            height: in pixels, a multiple of `step`.
            step: 2 for 4:2:0, 1 for 4:4:4 (see `Planes.step`).
        """
        from av import VideoFrame

        self.frame = VideoFrame(width, height, _format(step))
        self.planes = _planes(self.frame)


def _planes(frame: VideoFrame) -> Planes:
    """Views of a frame's planes, which keep it alive."""
    return Planes(*(_view(plane) for plane in frame.planes))


def _view(plane: VideoPlane) -> ByteArray:
    stored: ByteArray = np.frombuffer(memoryview(plane), dtype=np.uint8)
    return stored.reshape(plane.height, plane.line_size)[:, : plane.width]


def matrix_of(color_space: str, *, width: int, height: int) -> int:
    """The matrix to encode with: the one the source is decoded with.

    Args:
        color_space: as `VideoInfo.color_space` has it.
        width: picture width in pixels.
        height: picture height in pixels.

    Returns:
        A number of H.273; for RGB sources BT.709 for HD and BT.601 below.
    """
    is_hd = width >= _MIN_HD_WIDTH or height >= _MIN_HD_HEIGHT
    return _MATRIX_NUMBERS.get(color_space, _BT709 if is_hd else _BT601)


def pad_to_even(picture: ByteArray) -> ByteArray:
    """Repeat the last row and column where a side is odd: 4:2:0 chroma needs even sides.

    Args:
        picture: uint8 [H, W, 3].

    Returns:
        uint8 [H + H % 2, W + W % 2, 3]; the same array when both sides are even.
    """
    height, width = picture.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return picture
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def frame_of_rgb(rgb: ByteArray, *, matrix: int, step: int = 2) -> VideoFrame:
    """A picture for an encoder.

    Args:
        rgb: uint8 [H, W, 3]; odd sides are padded.
        matrix: number of H.273 to convert with.
        step: 1 for 4:4:4, 2 for 4:2:0.
    """
    from av import VideoFrame

    frame = VideoFrame.from_ndarray(np.ascontiguousarray(pad_to_even(rgb)), format="rgb24")
    return frame.reformat(
        format=_format(step),
        dst_colorspace=SWSCALE_MATRIX[matrix],
        dst_color_range=_LIMITED,
        threads=1,
    )


def planes_of_rgb(rgb: ByteArray, *, matrix: int, step: int = 2) -> Planes:
    """Planes of an RGB picture; see `frame_of_rgb`."""
    return _planes(frame_of_rgb(rgb, matrix=matrix, step=step))


def planes_of_frame(frame: VideoFrame, recipe: PixelRecipe, *, matrix: int) -> Planes:
    """A decoded picture as upright 4:2:0 planes, with no conversion where it needs none.

    Args:
        frame: a decoded picture.
        recipe: what `pixel_recipe` read from the first frame.
        matrix: number of H.273 that the planes shall have.

    Returns:
        Planes with even sides, as `pad_to_even` pads them.
    """
    if recipe.width % 2 or recipe.height % 2:
        return planes_of_rgb(to_rgb(frame, recipe), matrix=matrix)
    picture = frame.reformat(
        width=recipe.width,
        height=recipe.height,
        format=_format(2),
        dst_colorspace=SWSCALE_MATRIX[matrix],
        dst_color_range=_LIMITED,
        threads=1,
        **sws_colours(recipe),
    )
    stored = _planes(picture)
    if not (recipe.is_transposed or recipe.flips_rows or recipe.flips_columns):
        return stored
    turned = (upright(each[:, :, None], recipe)[:, :, 0] for each in (stored.y, stored.u, stored.v))
    return Planes(*turned)


def rgb_of_planes(planes: Planes, *, matrix: int) -> ByteArray:
    """uint8 [H, W, 3], RGB of a picture in planes of the given matrix."""
    drawn = DrawnFrame(planes.width, planes.height, step=planes.step)
    planes.copy_to(drawn.planes)
    picture = drawn.frame.reformat(
        format="rgb24",
        src_colorspace=SWSCALE_MATRIX[matrix],
        src_color_range=_LIMITED,
        dst_color_range=_FULL,
        threads=1,
    )
    return cast("ByteArray", picture.to_ndarray())


def _format(step: int) -> str:
    return "yuv444p" if step == 1 else "yuv420p"
