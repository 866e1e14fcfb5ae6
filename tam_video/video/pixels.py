"""Convert decoded frames to upright RGB.

Owns: the colour matrices and ranges, the display matrix. Does not handle times.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from tam_video.types import ByteArray
from tam_video.video.still import Matrix

if TYPE_CHECKING:
    from av.buffer import Buffer
    from av.video.frame import VideoFrame

# ITU-T H.273 MatrixCoefficients, which are also the numbers of FFmpeg's AVColorSpace.
COLOR_SPACES = {
    1: "bt709",
    4: "fcc",
    5: "bt601",
    6: "bt601",
    7: "smpte240m",
    9: "bt2020",
    10: "bt2020",
}
SWSCALE_COLORSPACE = {"bt709": 1, "fcc": 4, "bt601": 5, "smpte240m": 7, "bt2020": 9}
LIMITED, FULL = 1, 2  # AVColorRange
_HD_WIDTH, _HD_HEIGHT = 1280, 720


def untagged_space(width: int, height: int) -> str:
    """Return the colour space that players assume for untagged frames of this size."""
    return "bt709" if width >= _HD_WIDTH or height >= _HD_HEIGHT else "bt601"


@dataclass(frozen=True, slots=True)
class PixelRecipe:
    """How to convert the stored frames of a stream to RGB; valid for all its frames.

    Attributes:
        width: stored width in pixels.
        height: stored height in pixels.
        color_space: "bt709", "bt601", "bt2020", "fcc", "smpte240m", or "rgb" (no conversion).
        color_range: "limited" or "full".
        is_tagged: whether the file specifies the matrix.
        is_transposed: rows and columns are exchanged, before the flips.
        flips_rows: upside down.
        flips_columns: left to right.
        rotation_degrees: clockwise: 0, 90, 180 or 270.
        is_mirrored: whether left and right are flipped before the rotation.
    """

    width: int
    height: int
    color_space: str
    color_range: str
    is_tagged: bool
    is_transposed: bool = False
    flips_rows: bool = False
    flips_columns: bool = False
    rotation_degrees: int = 0
    is_mirrored: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, 3) of the upright frame."""
        sides = (self.width, self.height) if self.is_transposed else (self.height, self.width)
        return (*sides, 3)


def pixel_recipe(frame: VideoFrame, *, orientation: Matrix | None = None) -> PixelRecipe:
    """Read colour tags and display matrix from the first frame of a stream.

    Untagged frames are BT.709 from 1280x720 on and BT.601 below, as players assume.

    Args:
        frame: the first frame.
        orientation: replaces the frame's own display matrix.
    """
    tag = int(frame.colorspace)
    is_rgb = not frame.format.components or frame.format.is_rgb or frame.format.has_palette
    space = "rgb" if is_rgb else COLOR_SPACES.get(tag) or untagged_space(frame.width, frame.height)
    is_full = is_rgb or frame.color_range == FULL or frame.format.name.startswith("yuvj")
    transposed, rows, columns, degrees, mirrored = _orientation(
        orientation or _display_matrix(frame)
    )
    return PixelRecipe(
        width=frame.width,
        height=frame.height,
        color_space=space,
        color_range="full" if is_full else "limited",
        is_tagged=is_rgb or tag in COLOR_SPACES,
        is_transposed=transposed,
        flips_rows=rows,
        flips_columns=columns,
        rotation_degrees=degrees,
        is_mirrored=mirrored,
    )


def _display_matrix(frame: VideoFrame) -> Matrix:
    """Return the upper left 2 x 2 part of the matrix in the track header (ISO 14496-12)."""
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV fails on side data that it has no name for, such as EXIF
        turns = round(-frame.rotation / 90) % 4
        return ((1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0))[turns]
    if data is None:
        return (1, 0, 0, 1)
    a, b, _, c, d = struct.unpack_from("=5i", bytes(cast("Buffer", data)))
    return (a, b, c, d)


def _orientation(matrix: Matrix) -> tuple[bool, bool, bool, int, bool]:
    """Convert a display matrix to (transpose, flip rows, flip columns, degrees, mirrored)."""
    a, b, c, d = matrix
    if abs(b * c) > abs(a * d):
        transposed, rows, columns, mirrored = True, b < 0, c < 0, b * c > 0
    else:
        transposed, rows, columns, mirrored = False, d < 0, a < 0, a * d < 0
    degrees = round(math.degrees(math.atan2(-c, d)) / 90) * 90 % 360
    return transposed, rows, columns, degrees, mirrored


def to_rgb(
    frame: VideoFrame, recipe: PixelRecipe, size: tuple[int, int] | None = None
) -> ByteArray:
    """Convert a frame to upright RGB, uint8 [H, W, 3]; the pixel aspect ratio is not applied.

    Args:
        frame: a decoded frame; one of another size is scaled to the recipe's.
        recipe: from `pixel_recipe` of the first frame.
        size: (height, width) to scale the upright frame to, by a bicubic filter; None to keep it.
    """
    height, width = recipe.height, recipe.width
    if size is not None:
        height, width = size[::-1] if recipe.is_transposed else size
    picture = frame.reformat(
        width=width,
        height=height,
        interpolation=None if size is None else "BICUBIC",
        format="rgb24",
        dst_color_range=FULL,
        threads=1,
        **sws_colours(recipe),
    )
    return upright(cast("ByteArray", picture.to_ndarray()), recipe)


def sws_colours(recipe: PixelRecipe) -> dict[str, int]:
    """Return the swscale options for the stored frames, or an empty dict if they are RGB."""
    matrix = SWSCALE_COLORSPACE.get(recipe.color_space)
    if matrix is None:
        return {}
    full = FULL if recipe.color_range == "full" else LIMITED
    return {"src_colorspace": matrix, "src_color_range": full}


def upright(stored: ByteArray, recipe: PixelRecipe) -> ByteArray:
    """Rotate and flip `stored` by the display matrix: contiguous uint8 [H, W, 3]."""
    turned = stored.transpose(1, 0, 2) if recipe.is_transposed else stored
    turned = turned[::-1] if recipe.flips_rows else turned
    turned = turned[:, ::-1] if recipe.flips_columns else turned
    return np.ascontiguousarray(turned)
