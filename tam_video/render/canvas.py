"""A canvas of YUV or RGB planes, on which rectangles and sprites are drawn.

Opaque parts (text, bars, strips) are drawn once in RGB and copied as sprites in every frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tam_video.render.theme import BACKGROUND, Color
from tam_video.types import ByteArray, Float64Array
from tam_video.video.planes import DrawnFrame, Planes, planes_of_rgb

RGB = 0  # H.273 matrix number of planes that are red, green and blue, each 0 to 255

# Weights of red and blue in luma, by H.273 matrix number.
_SHARES = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle on a canvas, in pixels. All four numbers are even."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        numbers = (self.x, self.y, self.width, self.height)
        if min(numbers) < 0 or any(number % 2 for number in numbers):
            raise ValueError(f"x, y, width and height must be even and at least 0, not {numbers}")


def even(value: float) -> int:
    """Return the nearest even number, at least 2."""
    return max(2, 2 * round(value / 2))


def to_yuv(colors: Float64Array | ByteArray, matrix: int) -> Float64Array:
    """Convert RGB to limited-range YUV without rounding.

    Source: ITU-T H.273, equations 36 to 38 for the matrix and 24 to 26 for the range.

    Args:
        colors: [N, 3], 0 to 255.
        matrix: H.273 matrix number.

    Returns:
        float64 [N, 3], Y in 16 to 235, U and V in 16 to 240; the colors themselves for `RGB`.
    """
    if matrix == RGB:
        return np.asarray(colors, dtype=np.float64)
    red_share, blue_share = _SHARES[matrix]
    rgb = np.asarray(colors, dtype=np.float64) / 255.0
    luma = rgb @ np.array([red_share, 1 - red_share - blue_share, blue_share])
    u = (rgb[:, 2] - luma) / (2 * (1 - blue_share))
    v = (rgb[:, 0] - luma) / (2 * (1 - red_share))
    return np.stack([16 + 219 * luma, 128 + 224 * u, 128 + 224 * v], axis=1)


class Canvas:
    """The planes on which all frames are drawn, one after the other."""

    def __init__(self, width: int, height: int, *, matrix: int, step: int = 2) -> None:
        """Create a canvas in the background colour, with even sides. See `Planes` for `step`."""
        self.width, self.height, self.matrix, self.step = width, height, matrix, step
        self.drawn = DrawnFrame(width, height, step=step)
        self.fill(Rect(0, 0, width, height), BACKGROUND)

    def region(self, rect: Rect) -> Planes:
        """Return writable views of a rectangle of the canvas."""
        return part(self.drawn.planes, rect)

    def fill(self, rect: Rect, color: Color) -> None:
        """Fill a rectangle with one colour."""
        region = self.region(rect)
        for plane, value in zip(
            (region.y, region.u, region.v), yuv_of(color, self.matrix), strict=True
        ):
            plane[:] = value

    def paste(self, sprite: Planes, x: int, y: int) -> None:
        """Copy a sprite to the position (x, y). Both coordinates must be even."""
        sprite.copy_to(self.region(Rect(x, y, sprite.width, sprite.height)))

    def sprite(self, rgb: ByteArray) -> Planes:
        """Convert an RGB picture to the canvas's planes. Odd sides are padded."""
        return planes_of_rgb(rgb, matrix=self.matrix, step=self.step)


def part(planes: Planes, rect: Rect) -> Planes:
    """Return views of a rectangle of the planes."""
    step = planes.step
    rows, columns = slice(rect.y, rect.y + rect.height), slice(rect.x, rect.x + rect.width)
    small = (
        slice(rows.start // step, rows.stop // step),
        slice(columns.start // step, columns.stop // step),
    )
    return Planes(planes.y[rows, columns], planes.u[small], planes.v[small])


@lru_cache(maxsize=64)
def yuv_of(color: Color, matrix: int) -> tuple[int, int, int]:
    """Return an RGB colour as integer Y, U and V."""
    y, u, v = np.rint(to_yuv(np.array([color], dtype=np.float64), matrix))[0].astype(int).tolist()
    return y, u, v
