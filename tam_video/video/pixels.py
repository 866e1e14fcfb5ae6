"""From a decoded picture to upright RGB.

Owns: the colour matrix and range, the display matrix. Knows nothing of time.
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

# ITU-T H.273 MatrixCoefficients, as FFmpeg's AVColorSpace numbers them.
_MATRICES = {
    1: "bt709",
    4: "fcc",
    5: "bt601",
    6: "bt601",
    7: "smpte240m",
    9: "bt2020",
    10: "bt2020",
}
_SWSCALE = {"bt709": 1, "fcc": 4, "bt601": 5, "smpte240m": 7, "bt2020": 9}
_LIMITED, _FULL = 1, 2  # AVColorRange
_HD_WIDTH, _HD_HEIGHT = 1280, 720


@dataclass(frozen=True, slots=True)
class PixelRecipe:
    """How stored pictures become RGB frames, the same for all frames of a stream.

    Attributes:
        width: stored width in pixels.
        height: stored height in pixels.
        color_space: "bt709", "bt601", "bt2020", "fcc", "smpte240m", or "rgb": nothing is to do.
        color_range: "limited" or "full".
        is_tagged: whether the file itself says which matrix to use.
        is_transposed: rows and columns change places, before the flips.
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

    Untagged pictures are BT.709 from 1280x720 on and BT.601 below: what encoders of HD material
    mean by silence, and what players assume.

    Args:
        frame: the first frame.
        orientation: takes the place of the frame's own display matrix.
    """
    tag = int(frame.colorspace)
    is_rgb = not frame.format.components or frame.format.is_rgb or frame.format.has_palette
    is_hd = frame.height >= _HD_HEIGHT or frame.width >= _HD_WIDTH
    space = "rgb" if is_rgb else _MATRICES.get(tag, "bt709" if is_hd else "bt601")
    is_full = is_rgb or frame.color_range == _FULL or frame.format.name.startswith("yuvj")
    transposed, rows, columns, degrees, mirrored = _orientation(
        orientation or _display_matrix(frame)
    )
    return PixelRecipe(
        width=frame.width,
        height=frame.height,
        color_space=space,
        color_range="full" if is_full else "limited",
        is_tagged=is_rgb or tag in _MATRICES,
        is_transposed=transposed,
        flips_rows=rows,
        flips_columns=columns,
        rotation_degrees=degrees,
        is_mirrored=mirrored,
    )


def _display_matrix(frame: VideoFrame) -> Matrix:
    """The first two rows and columns of ISO 14496-12's matrix in the track header box."""
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV knows no name for other side data of this frame, such as EXIF
        turns = round(-frame.rotation / 90) % 4
        return ((1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0))[turns]
    if data is None:
        return (1, 0, 0, 1)
    a, b, _, c, d = struct.unpack_from("=5i", bytes(cast("Buffer", data)))
    return (a, b, c, d)


def _orientation(matrix: Matrix) -> tuple[bool, bool, bool, int, bool]:
    """(transpose, flip rows, flip columns, clockwise degrees, mirrored), to the nearest quarter."""
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
    """uint8 [H, W, 3]: the picture as a player shows it, except that pixels keep their aspect.

    Args:
        frame: a decoded picture; one of another size is scaled to the recipe's.
        recipe: what `pixel_recipe` read from the first frame.
        size: (height, width) to scale the upright picture to, by a bicubic filter; None for its
            own.
    """
    height, width = recipe.height, recipe.width
    if size is not None:
        height, width = size[::-1] if recipe.is_transposed else size
    picture = frame.reformat(
        width=width,
        height=height,
        interpolation=None if size is None else "BICUBIC",
        format="rgb24",
        dst_color_range=_FULL,
        threads=1,
        **sws_colours(recipe),
    )
    return upright(cast("ByteArray", picture.to_ndarray()), recipe)


def sws_colours(recipe: PixelRecipe) -> dict[str, int]:
    """What swscale must be told of the stored pictures; nothing where they are RGB."""
    matrix = _SWSCALE.get(recipe.color_space)
    if matrix is None:
        return {}
    full = _FULL if recipe.color_range == "full" else _LIMITED
    return {"src_colorspace": matrix, "src_color_range": full}


def upright(stored: ByteArray, recipe: PixelRecipe) -> ByteArray:
    """uint8 [H, W, 3], contiguous: `stored` turned and flipped as the display matrix says."""
    turned = stored.transpose(1, 0, 2) if recipe.is_transposed else stored
    turned = turned[::-1] if recipe.flips_rows else turned
    turned = turned[:, ::-1] if recipe.flips_columns else turned
    return np.ascontiguousarray(turned)
