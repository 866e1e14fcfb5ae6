"""Synthetic clips of coloured shapes with exact masks, trajectories and visible intervals.

A clip holds one to three objects of different colours; shapes may repeat. An object moves in one of
four directions at constant speed or stays still, and is visible the whole time, only at the start,
or only at the end. Objects never overlap while both are visible. Backgrounds are textured and
noisy. The same split and seed give the same clip on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from tam_video.types import ByteArray

Split: TypeAlias = Literal["train", "dev", "test"]
Motion: TypeAlias = Literal["left", "right", "up", "down", "still"]
Presence: TypeAlias = Literal["whole", "start", "end"]
Generator: TypeAlias = np.random.Generator
Choice = TypeVar("Choice")

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
_SPLITS: dict[Split, int] = {"train": 0, "dev": 1, "test": 2}


@dataclass(frozen=True, slots=True)
class ShapeObject:
    """One object and its trajectory.

    Attributes:
        color: a key of `COLORS`.
        shape: one of `SHAPES`.
        size_px: diameter in pixels.
        motion: direction of movement.
        presence: in which part of the clip it is visible.
        x_px: horizontal centre at frame 0, visible then or not.
        y_px: vertical centre at frame 0, downwards.
        step_px: pixels it moves per frame.
        first_frame: first frame it is visible in.
        last_frame: last frame it is visible in (inclusive).
        rgb: its colour in this clip, within 10 steps of `COLORS[color]`.
    """

    color: str
    shape: str
    size_px: float
    motion: Motion
    presence: Presence
    x_px: float
    y_px: float
    step_px: float
    first_frame: int
    last_frame: int
    rgb: tuple[int, int, int]

    def center(self, frame: int) -> tuple[float, float]:
        """Return (x, y) of the centre at `frame`, in pixels."""
        dx, dy = MOTIONS[self.motion]
        return self.x_px + dx * self.step_px * frame, self.y_px + dy * self.step_px * frame

    def is_visible(self, frame: int) -> bool:
        """Return whether the object is drawn at `frame`."""
        return self.first_frame <= frame <= self.last_frame


@dataclass(frozen=True, slots=True)
class ShapeClip:
    """The objects of a clip and the seed of its background.

    Attributes:
        seed: the seed of `make_clip`.
        split: the split of `make_clip`.
        objects: one to three, in the order of `COLORS`.
        texture_seed: seed of the background and of the noise.
        width: pixels.
        height: pixels.
        num_frames: frames.
        fps: frames per second.
    """

    seed: int
    split: Split
    objects: tuple[ShapeObject, ...]
    texture_seed: int
    width: int = SIDE_PX
    height: int = SIDE_PX
    num_frames: int = NUM_FRAMES
    fps: int = FPS


def make_clip(seed: int, *, split: Split = "test", num_objects: int | None = None) -> ShapeClip:
    """Draw the clip of a seed, any non-negative integer, which gives another clip in each split.

    The number of objects, 1 to 3, is drawn evenly when it is None.
    """
    rng = np.random.default_rng([_SPLITS[split], seed])
    count = int(rng.integers(1, 4)) if num_objects is None else num_objects
    if not 1 <= count <= 3:
        raise ValueError("num_objects must be 1, 2 or 3")
    while True:
        objects = _draw_objects(rng, count)
        if objects is not None:
            return ShapeClip(seed, split, objects, int(rng.integers(2**31)))


def _draw_objects(rng: Generator, count: int) -> tuple[ShapeObject, ...] | None:
    """Try to place `count` objects without overlap; None where one did not fit in 60 draws."""
    colors = rng.choice(len(COLORS), size=count, replace=False)
    placed: list[ShapeObject] = []
    for color in sorted(int(c) for c in colors):
        for _ in range(60):
            candidate = _draw_object(rng, list(COLORS)[color])
            if all(_keep_apart(candidate, other) for other in placed):
                placed.append(candidate)
                break
        else:
            return None
    return tuple(placed)


def _draw_object(rng: Generator, color: str) -> ShapeObject:
    motion = _choose(rng, tuple(MOTIONS), (0.18, 0.18, 0.18, 0.18, 0.28))
    presences: tuple[Presence, ...] = ("whole", "start", "end")
    presence = _choose(rng, presences, (0.56, 0.22, 0.22))
    size = float(rng.uniform(*SIZE_PX))
    path = 0.0 if motion == "still" else float(rng.uniform(*PATH_PX))
    x, y = draw_start(rng, motion, path_px=path, size_px=size)
    first, last = _visible_frames(rng, presence)
    rgb = draw_rgb(rng, color)
    return ShapeObject(
        color=color,
        shape=SHAPES[int(rng.integers(len(SHAPES)))],
        size_px=size,
        motion=motion,
        presence=presence,
        x_px=x,
        y_px=y,
        step_px=path / (NUM_FRAMES - 1),
        first_frame=first,
        last_frame=last,
        rgb=rgb,
    )


def _choose(rng: Generator, values: Sequence[Choice], weights: Sequence[float]) -> Choice:
    return values[int(rng.choice(len(values), p=weights))]


def draw_rgb(rng: Generator, color: str) -> tuple[int, int, int]:
    """Draw the colour of an object: up to 10 steps from the named one in each channel."""
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
    """Draw the centre from which an object can move along its whole path without leaving the room.

    A still object is clearly in one quarter of the room.

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
        if motion == "still" and rng.random() < 0.5:
            high = side / 2 - _MIDDLE_PX
        elif motion == "still":
            low = side / 2 + _MIDDLE_PX
        center.append(float(rng.uniform(low - min(path, 0), high - max(path, 0))))
    return center[0], center[1]


def _visible_frames(rng: Generator, presence: Presence) -> tuple[int, int]:
    if presence == "start":
        return 0, int(rng.integers(round(0.36 * NUM_FRAMES), round(0.56 * NUM_FRAMES)))
    if presence == "end":
        return int(rng.integers(round(0.44 * NUM_FRAMES), round(0.64 * NUM_FRAMES))), NUM_FRAMES - 1
    return 0, NUM_FRAMES - 1


def _keep_apart(one: ShapeObject, other: ShapeObject) -> bool:
    """Return whether the bounding boxes stay apart in every fourth frame that shows both."""
    first = max(one.first_frame, other.first_frame)
    last = min(one.last_frame, other.last_frame)
    gap = (one.size_px + other.size_px) / 2 + MARGIN_PX
    for frame in {last, *range(first, last + 1, 4)} if first <= last else ():
        (x, y), (other_x, other_y) = one.center(frame), other.center(frame)
        if abs(x - other_x) < gap and abs(y - other_y) < gap:
            return False
    return True


def outline(shape: str) -> list[NDArray[np.float64]]:
    """Return the polygons of a shape of diameter 1 around (0, 0); a second polygon is a hole."""
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
    raise ValueError(f"{shape!r} is not a known shape")


def _circle(radius: float) -> NDArray[np.float64]:
    turns = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([radius * np.cos(turns), radius * np.sin(turns)], axis=1)


def object_mask(
    item: ShapeObject,
    frame: int,
    *,
    width: int = SIDE_PX,
    height: int = SIDE_PX,
    scale: float = 1.0,
) -> ByteArray:
    """Compute the antialiased coverage of one object at one frame.

    Args:
        item: the object.
        frame: 0-based frame number.
        width: pixels of the result.
        height: pixels of the result.
        scale: pixels of the result per pixel of the clip.

    Returns:
        uint8 [height, width], 0..255; all zeros while it is not visible.
    """
    import cv2

    mask = np.zeros((height, width), np.uint8)
    if not item.is_visible(frame):
        return mask
    center = np.array(item.center(frame))
    shift = 4
    polygons = [
        np.round(((points * item.size_px + center) * scale - 0.5) * 2**shift).astype(np.int32)
        for points in outline(item.shape)
    ]
    cv2.fillPoly(mask, polygons, 255, lineType=cv2.LINE_AA, shift=shift)
    return mask


def background(clip: ShapeClip) -> ByteArray:
    """Compute the textured background, uint8 [height, width, 3] RGB, without noise."""
    import cv2

    rng = np.random.default_rng(clip.texture_seed)
    size = (clip.width, clip.height)
    texture = np.zeros((clip.height, clip.width), np.float32)
    for cells, strength in ((4, 16.0), (12, 11.0), (40, 8.0)):
        coarse = rng.normal(0, 1, (cells, cells)).astype(np.float32)
        texture += strength * cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    tint = rng.uniform(-9, 9, 3)
    shade = rng.uniform(46, 112) + texture * rng.uniform(0.4, 1.1)
    return np.clip(shade[..., None] + tint, 0, 255).astype(np.uint8)
