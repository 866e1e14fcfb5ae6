"""The picture that is put together: planes, the places on it, colours and sprites in its terms.

Everything opaque (text, bars, strips) is drawn once in RGB, becomes a sprite, and is copied in
frame by frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tam_video.render.theme import BACKGROUND, Color
from tam_video.types import ByteArray, Float64Array
from tam_video.video.planes import DrawnFrame, Planes, planes_of_rgb

# Shares of red and blue in brightness, by matrix number of ITU-T H.273.
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
    """A place on a canvas in pixels; all four numbers are even."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        numbers = (self.x, self.y, self.width, self.height)
        if min(numbers) < 0 or any(number % 2 for number in numbers):
            raise ValueError(f"{numbers} are not even places")


def even(value: float) -> int:
    """The nearest even number, 2 at least."""
    return max(2, 2 * round(value / 2))


def to_yuv(colors: Float64Array | ByteArray, matrix: int) -> Float64Array:
    """RGB to limited-range YUV, unrounded.

    Source: ITU-T H.273, equations 36 to 38 for the matrix and 24 to 26 for the range.

    Args:
        colors: [N, 3], 0 to 255.
        matrix: number of H.273.

    Returns:
        float64 [N, 3], Y in 16 to 235, U and V in 16 to 240.
    """
    red_share, blue_share = _SHARES[matrix]
    rgb = np.asarray(colors, dtype=np.float64) / 255.0
    luma = rgb @ np.array([red_share, 1 - red_share - blue_share, blue_share])
    u = (rgb[:, 2] - luma) / (2 * (1 - blue_share))
    v = (rgb[:, 0] - luma) / (2 * (1 - red_share))
    return np.stack([16 + 219 * luma, 128 + 224 * u, 128 + 224 * v], axis=1)


class Canvas:
    """Planes that are drawn over again for every frame."""

    def __init__(self, width: int, height: int, *, matrix: int, step: int = 2) -> None:
        """Make it, filled with the background.

        Args:
            width: in pixels, even.
            height: in pixels, even.
            matrix: number of ITU-T H.273 of its colours.
            step: 2 for 4:2:0, 1 for 4:4:4 (see `Planes.step`).
        """
        self.width, self.height, self.matrix, self.step = width, height, matrix, step
        self.drawn = DrawnFrame(width, height, step=step)
        self.fill(Rect(0, 0, width, height), BACKGROUND)

    def region(self, place: Rect) -> Planes:
        """Views of a part of the planes, to draw on."""
        return part(self.drawn.planes, place)

    def fill(self, place: Rect, color: Color) -> None:
        """Paint a part in one colour."""
        region = self.region(place)
        for plane, value in zip(
            (region.y, region.u, region.v), yuv_of(color, self.matrix), strict=True
        ):
            plane[:] = value

    def paste(self, sprite: Planes, x: int, y: int) -> None:
        """Copy a sprite to an even place."""
        sprite.copy_to(self.region(Rect(x, y, sprite.width, sprite.height)))

    def sprite(self, rgb: ByteArray) -> Planes:
        """A drawn picture in the canvas's terms; odd sides are padded."""
        return planes_of_rgb(rgb, matrix=self.matrix, step=self.step)


def part(planes: Planes, place: Rect) -> Planes:
    """Views of a part of planes."""
    step = planes.step
    rows, columns = slice(place.y, place.y + place.height), slice(place.x, place.x + place.width)
    small = (
        slice(rows.start // step, rows.stop // step),
        slice(columns.start // step, columns.stop // step),
    )
    return Planes(planes.y[rows, columns], planes.u[small], planes.v[small])


@lru_cache(maxsize=64)
def yuv_of(color: Color, matrix: int) -> tuple[int, int, int]:
    """One RGB colour as whole Y, U and V."""
    y, u, v = np.rint(to_yuv(np.array([color], dtype=np.float64), matrix))[0].astype(int).tolist()
    return y, u, v
