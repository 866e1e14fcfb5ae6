"""Patterns on objects, which keep the name of their colour, and clutter for backgrounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from tam_video.types import ByteArray, Float64Array, FloatArray

Pattern: TypeAlias = Literal["stripes", "checks", "dots"]
PATTERNS: tuple[Pattern, ...] = ("stripes", "checks", "dots")

_PIECE_PX = (3.0, 8.0)  # radius of a piece of clutter
_CORNERS = (5, 8)
_PIECE_GREY = (24, 176)  # darker than "white"
_LINE_PX = (12.0, 44.0)


@dataclass(frozen=True, slots=True)
class Fill:
    """A pattern of a colour and a darker one, which moves with its object.

    Attributes:
        pattern: "stripes", "checks" or "dots".
        period: distance of equal stripes, checks or dots, as a share of the object's diameter.
        turn: radians by which the pattern is turned.
        dark: brightness of the darker colour, as a share of that of the object, in (0, 1].
    """

    pattern: Pattern
    period: float
    turn: float
    dark: float

    def brightness(self, x: Float64Array, y: Float64Array) -> FloatArray:
        """Return the brightness at points, `dark` or 1: float32 of the shape of `x` and `y`.

        The points are relative to the object's centre, in diameters.
        """
        cos, sin = np.cos(self.turn) / self.period, np.sin(self.turn) / self.period
        along, across = (cos * x + sin * y) % 1, (cos * y - sin * x) % 1
        if self.pattern == "stripes":
            is_dark = along < 0.5
        elif self.pattern == "checks":
            is_dark = (along < 0.5) != (across < 0.5)
        else:
            is_dark = np.hypot(along - 0.5, across - 0.5) < 0.36
        return np.where(is_dark, self.dark, 1.0).astype(np.float32)


def add_clutter(picture: ByteArray, count: int, *, seed: int) -> ByteArray:
    """Return a picture with small grey pieces and lines at random places: uint8 [H, W, 3].

    Pieces have five to seven corners at random distances, so that none is a shape with a name.
    """
    import cv2

    rng = np.random.default_rng(seed)
    cluttered = picture.copy()
    height, width = picture.shape[:2]
    for number in range(count):
        middle = rng.uniform((0, 0), (width, height))
        grey = int(rng.integers(*_PIECE_GREY))
        turn = rng.uniform(0, 2 * np.pi)
        if number % 3 == 0:
            way = rng.uniform(*_LINE_PX) / 2 * np.array([np.cos(turn), np.sin(turn)])
            ends = np.rint([middle - way, middle + way]).astype(int).tolist()
            thickness = int(rng.integers(1, 3))
            cv2.line(cluttered, ends[0], ends[1], (grey,) * 3, thickness, cv2.LINE_AA)
            continue
        corners = int(rng.integers(*_CORNERS))
        turns = turn + np.arange(corners) * 2 * np.pi / corners
        radius = rng.uniform(*_PIECE_PX) * rng.uniform(0.5, 1.0, corners)
        points = middle + radius[:, None] * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        cv2.fillPoly(cluttered, [np.rint(points).astype(np.int32)], (grey,) * 3, cv2.LINE_AA)
    return cluttered
