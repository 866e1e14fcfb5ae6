"""Coloured shapes: their names, outlines and sizes, and the textured background behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tam_video.datasets.pictograms import PICTOGRAMS, pictogram_outline
from tam_video.datasets.written import SIGNS, sign_outline
from tam_video.types import ByteArray

Split: TypeAlias = Literal["train", "dev", "test"]
Motion: TypeAlias = Literal["left", "right", "up", "down", "still"]
Generator: TypeAlias = np.random.Generator

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (222, 36, 40),
    "orange": (246, 140, 20),
    "yellow": (240, 226, 48),
    "green": (36, 168, 60),
    "cyan": (52, 212, 222),
    "blue": (44, 76, 230),
    "purple": (152, 48, 192),
    "white": (242, 242, 242),
}
SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "star", "cross", "ring")
MOTIONS: dict[Motion, tuple[int, int]] = {
    "left": (-1, 0),
    "right": (1, 0),
    "up": (0, -1),
    "down": (0, 1),
    "still": (0, 0),
}
SIDE_PX = 224
NUM_FRAMES = 48
FPS = 12
SIZE_PX = (60, 74)  # diameter of an object
PATH_PX = (84, 128)  # path length of a moving object over the whole clip
EDGE_PX = 2
_MIDDLE_PX = 26
MARGIN_PX = 3


def draw_rgb(rng: Generator, color: str) -> tuple[int, int, int]:
    """Sample an RGB colour in which each channel differs by at most 10 from the named colour."""
    red, green, blue = np.clip(np.array(COLORS[color]) + rng.integers(-10, 11, 3), 0, 255)
    return int(red), int(green), int(blue)


def draw_start(
    rng: Generator,
    motion: Motion,
    *,
    path_px: float,
    size_px: float,
    room_px: tuple[int, int] = (SIDE_PX, SIDE_PX),
) -> tuple[float, float]:
    """Sample a start position from which an object's whole path stays inside the area.

    A still object is clearly in one quarter of the room, or anywhere if it is too large for that.

    Args:
        rng: source of randomness.
        motion: direction of movement.
        path_px: length of its path.
        size_px: diameter.
        room_px: width and height of the room.
    """
    center = []
    for direction, side in zip(MOTIONS[motion], room_px, strict=True):
        low, high, path = size_px / 2 + EDGE_PX, side - size_px / 2 - EDGE_PX, direction * path_px
        fits = low <= side / 2 - _MIDDLE_PX
        if motion == "still" and rng.random() < 0.5:
            high = side / 2 - _MIDDLE_PX if fits else high
        elif motion == "still":
            low = side / 2 + _MIDDLE_PX if fits else low
        center.append(float(rng.uniform(low - min(path, 0), high - max(path, 0))))
    return center[0], center[1]


def outline(shape: str) -> Sequence[NDArray[np.float64]]:
    """Return the polygons of a shape, pictogram or sign with diameter 1 around (0, 0).

    They are filled by the even-odd rule: the second polygon of "ring" is a hole.
    """
    if shape == "circle":
        return [_circle(0.5)]
    if shape == "ring":
        return [_circle(0.5), _circle(0.27)]
    if shape == "square":
        return [np.array([(-0.45, -0.45), (0.45, -0.45), (0.45, 0.45), (-0.45, 0.45)])]
    if shape == "triangle":
        return [np.array([(0.0, -0.5), (0.5, 0.45), (-0.5, 0.45)])]
    if shape == "star":
        turns = np.arange(10) * np.pi / 5 - np.pi / 2
        radius = np.where(np.arange(10) % 2 == 0, 0.54, 0.24)
        return [np.stack([radius * np.cos(turns), radius * np.sin(turns) + 0.03], axis=1)]
    if shape == "cross":
        a, b = 0.16, 0.5
        corners = [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a)]
        return [np.array(corners + [(-x, -y) for x, y in corners])]
    if shape in PICTOGRAMS:
        return pictogram_outline(shape)
    if shape in SIGNS:
        return sign_outline(shape)
    raise ValueError(f"{shape!r} is not a known shape")


def _circle(radius: float) -> NDArray[np.float64]:
    turns = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([radius * np.cos(turns), radius * np.sin(turns)], axis=1)


def background(texture_seed: int, *, width: int, height: int) -> ByteArray:
    """Compute a textured background without noise: uint8 [height, width, 3] RGB."""
    import cv2

    rng = np.random.default_rng(texture_seed)
    size = (width, height)
    texture = np.zeros((height, width), np.float32)
    for cells, strength in ((4, 16.0), (12, 11.0), (40, 8.0)):
        coarse = rng.normal(0, 1, (cells, cells)).astype(np.float32)
        texture += strength * cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    tint = rng.uniform(-9, 9, 3)
    shade = rng.uniform(46, 112) + texture * rng.uniform(0.4, 1.1)
    return np.clip(shade[..., None] + tint, 0, 255).astype(np.uint8)
