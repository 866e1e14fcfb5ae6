"""Random names, times and ways for the objects of a scene.

Owns: the draws that worlds share. Sizes, speeds and shares are those of the base world where a
world has no reason for others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tam_video.datasets.scene import Interval, Rgb, SceneObject, Trajectory
from tam_video.datasets.shapes import (
    COLORS,
    MOTIONS,
    NUM_FRAMES,
    PATH_PX,
    SHAPES,
    SIDE_PX,
    SIZE_PX,
    Generator,
    Motion,
)

Name: TypeAlias = tuple[str, str]  # (colour, shape)
Moving: TypeAlias = tuple[Motion, Trajectory]

BASE_MOTIONS: Mapping[Motion, float] = {
    "left": 0.18,
    "right": 0.18,
    "up": 0.18,
    "down": 0.18,
    "still": 0.28,
}
STEP_PX = (PATH_PX[0] / (NUM_FRAMES - 1), PATH_PX[1] / (NUM_FRAMES - 1))
_WHOLE, _START = 0.56, 0.22
_EDGE_PX = 2
_MIDDLE_PX = 26
_MARGIN_PX = 3
_TRIES = 60


@dataclass(frozen=True, slots=True)
class Bounds:
    """The room and time that a trajectory has to stay in.

    Attributes:
        frames: first and last frame of the trajectory.
        width: pixels of the background.
        height: the same, downwards.
    """

    frames: Interval = (0, NUM_FRAMES - 1)
    width: int = SIDE_PX
    height: int = SIDE_PX


def name_order(name: Name) -> tuple[int, int]:
    """Sorts objects by colour, then shape, in the order of `COLORS` and `SHAPES`."""
    return list(COLORS).index(name[0]), SHAPES.index(name[1])


def draw_names(rng: Generator, count: int) -> list[Name]:
    """Names of different colours and any shapes, in order."""
    colors = rng.choice(len(COLORS), size=count, replace=False)
    names = [(list(COLORS)[int(c)], SHAPES[int(rng.integers(len(SHAPES)))]) for c in colors]
    return sorted(names, key=name_order)


def draw_rgb(rng: Generator, color: str) -> Rgb:
    """A colour of a clip: up to 10 steps off the one of the name."""
    red, green, blue = np.clip(np.array(COLORS[color]) + rng.integers(-10, 11, 3), 0, 255)
    return int(red), int(green), int(blue)


def draw_motion(rng: Generator, weights: Mapping[Motion, float] = BASE_MOTIONS) -> Motion:
    """A motion, by shares that add up to 1."""
    return list(weights)[int(rng.choice(len(weights), p=list(weights.values())))]


def draw_presence(rng: Generator, frames: Interval = (0, NUM_FRAMES - 1)) -> Interval:
    """The whole of an interval, about its first half or about its second."""
    first, last = frames
    draw, part = rng.random(), float(rng.uniform(0.36, 0.56)) * (last - first + 1)
    if draw < _WHOLE:
        return first, last
    if draw < _WHOLE + _START:
        return first, first + round(part)
    return last - round(part), last


def draw_trajectory(
    rng: Generator,
    motion: Motion,
    bounds: Bounds,
    *,
    step_px: tuple[float, float] = STEP_PX,
) -> Trajectory:
    """A way that stays inside its bounds from the first frame to the last.

    Args:
        rng: where randomness comes from.
        motion: direction; a still object is clearly in one quarter of the bounds.
        bounds: room and time.
        step_px: least and greatest pixels per frame of a moving object.
    """
    size = float(rng.uniform(*SIZE_PX))
    first, last = bounds.frames
    speed = 0.0 if motion == "still" else float(rng.uniform(*step_px))
    steps = tuple(direction * speed for direction in MOTIONS[motion])
    starts = []
    for step, side in zip(steps, (bounds.width, bounds.height), strict=True):
        low, high = size / 2 + _EDGE_PX, side - size / 2 - _EDGE_PX
        path = step * (last - first)
        if motion == "still":
            low, high = (
                (low, side / 2 - _MIDDLE_PX)
                if rng.random() < 0.5
                else (side / 2 + _MIDDLE_PX, high)
            )
        starts.append(float(rng.uniform(low - min(path, 0), high - max(path, 0))))
    return Trajectory(
        x_px=starts[0] - steps[0] * first,
        y_px=starts[1] - steps[1] * first,
        step_px=(steps[0], steps[1]),
        size_px=size,
        first_frame=first,
        last_frame=last,
    )


def is_inside(trajectory: Trajectory, bounds: Bounds) -> bool:
    """Whether a trajectory stays inside a bounds all the time it is there."""
    room = trajectory.size_px / 2 + _EDGE_PX
    ends = [trajectory.center(frame) for frame in (trajectory.first_frame, trajectory.last_frame)]
    return all(
        room <= x <= bounds.width - room and room <= y <= bounds.height - room for x, y in ends
    )


def keep_apart(one: Trajectory, other: Trajectory) -> bool:
    """Whether the bounding boxes stay apart in every frame that has both."""
    gap = (one.size_px + other.size_px) / 2 + _MARGIN_PX
    first = max(one.first_frame, other.first_frame)
    frames = np.arange(first, min(one.last_frame, other.last_frame) + 1)
    x = one.x_px - other.x_px + (one.step_px[0] - other.step_px[0]) * frames
    y = one.y_px - other.y_px + (one.step_px[1] - other.step_px[1]) * frames
    return not bool(((np.abs(x) < gap) & (np.abs(y) < gap)).any())


def place_apart(
    draws: Sequence[Callable[[], Moving | None]], *, beside: Sequence[Trajectory] = ()
) -> list[Moving] | None:
    """Draw one trajectory after the other so that none comes close to another.

    Args:
        draws: one per object: a motion and a trajectory, or None for a try that did not fit.
        beside: trajectories that are there already.

    Returns:
        What was drawn, in order; None when one did not fit after 60 tries.
    """
    placed: list[Moving] = []
    for draw in draws:
        for _ in range(_TRIES):
            found = draw()
            there = [*beside, *(trajectory for _, trajectory in placed)]
            if found is not None and all(keep_apart(found[1], trajectory) for trajectory in there):
                placed.append(found)
                break
        else:
            return None
    return placed


def draw_texture(rng: Generator) -> int:
    """The seed of a background."""
    return int(rng.integers(2**31))


def named_object(rng: Generator, name: Name, moving: Moving, *, layer: int) -> SceneObject:
    """An object of one trajectory, with its motion as the word."""
    motion, trajectory = moving
    return SceneObject(*name, motion, draw_rgb(rng, name[0]), layer, trajectories=(trajectory,))


def draw_present(rng: Generator, weights: Mapping[Motion, float] = BASE_MOTIONS) -> Moving:
    """As in the base world: any motion, the whole time or about half of it."""
    motion = draw_motion(rng, weights)
    return motion, draw_trajectory(rng, motion, Bounds(draw_presence(rng)))


def place_named(rng: Generator, names: Sequence[Name]) -> tuple[SceneObject, ...] | None:
    """Objects as in the base world under given names, apart from each other; None: try again."""
    moving = place_apart([lambda: draw_present(rng)] * len(names))
    if moving is None:
        return None
    return tuple(
        named_object(rng, name, each, layer=layer)
        for layer, (name, each) in enumerate(zip(names, moving, strict=True))
    )
