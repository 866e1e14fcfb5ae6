"""Random names, intervals and trajectories for the objects of a scene.

Sizes, speeds and shares are those of the base world unless a world needs others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tam_video.datasets.scene import Interval, SceneObject, Trajectory
from tam_video.datasets.shapes import (
    COLORS,
    EDGE_PX,
    MARGIN_PX,
    MOTIONS,
    NUM_FRAMES,
    PATH_PX,
    SHAPES,
    SIDE_PX,
    SIZE_PX,
    Generator,
    Motion,
    draw_rgb,
    draw_start,
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
_TRIES = 60


@dataclass(frozen=True, slots=True)
class Bounds:
    """The area and the frame interval that a trajectory must stay in.

    Attributes:
        frames: first and last frame of the trajectory.
        width: pixels of the background.
        height: the same, downwards.
    """

    frames: Interval = (0, NUM_FRAMES - 1)
    width: int = SIDE_PX
    height: int = SIDE_PX


def name_order(name: Name) -> tuple[int, int]:
    """Return the sort key of a name: its index in `COLORS`, then its index in `SHAPES`."""
    return list(COLORS).index(name[0]), SHAPES.index(name[1])


def draw_names(rng: Generator, count: int) -> list[Name]:
    """Sample names with different colours and arbitrary shapes, sorted by `name_order`."""
    colors = rng.choice(len(COLORS), size=count, replace=False)
    names = [(list(COLORS)[int(c)], SHAPES[int(rng.integers(len(SHAPES)))]) for c in colors]
    return sorted(names, key=name_order)


def draw_motion(rng: Generator, weights: Mapping[Motion, float] = BASE_MOTIONS) -> Motion:
    """Sample a motion with the given probabilities, which must add up to 1."""
    return list(weights)[int(rng.choice(len(weights), p=list(weights.values())))]


def draw_presence(rng: Generator, frames: Interval = (0, NUM_FRAMES - 1)) -> Interval:
    """Sample a part of an interval: all of it, about its first half, or about its second half."""
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
    size_px: tuple[float, float] = SIZE_PX,
) -> Trajectory:
    """Sample a trajectory that stays inside its bounds from the first frame to the last.

    A still object is clearly in one quarter of the bounds, if it fits; `step_px` is the least and
    the greatest speed of a moving one, in pixels per frame, and `size_px` of its diameter.
    """
    size = float(rng.uniform(*size_px))
    first, last = bounds.frames
    speed = 0.0 if motion == "still" else float(rng.uniform(*step_px))
    step_x, step_y = (direction * speed for direction in MOTIONS[motion])
    x, y = draw_start(
        rng,
        motion,
        path_px=speed * (last - first),
        size_px=size,
        room_px=(bounds.width, bounds.height),
    )
    return Trajectory(
        x_px=x - step_x * first,
        y_px=y - step_y * first,
        step_px=(step_x, step_y),
        size_px=size,
        first_frame=first,
        last_frame=last,
    )


def is_inside(trajectory: Trajectory, bounds: Bounds) -> bool:
    """Return whether a trajectory stays inside the bounds from its first to its last frame."""
    room = trajectory.size_px / 2 + EDGE_PX
    ends = [trajectory.center(frame) for frame in (trajectory.first_frame, trajectory.last_frame)]
    return all(
        room <= x <= bounds.width - room and room <= y <= bounds.height - room for x, y in ends
    )


def keep_apart(one: Trajectory, other: Trajectory) -> bool:
    """Return whether two bounding boxes stay apart in every frame in which both exist."""
    gap = (one.size_px + other.size_px) / 2 + MARGIN_PX
    first = max(one.first_frame, other.first_frame)
    frames = np.arange(first, min(one.last_frame, other.last_frame) + 1)
    x = one.x_px - other.x_px + (one.step_px[0] - other.step_px[0]) * frames
    y = one.y_px - other.y_px + (one.step_px[1] - other.step_px[1]) * frames
    return not bool(((np.abs(x) < gap) & (np.abs(y) < gap)).any())


def place_apart(
    draws: Sequence[Callable[[], Moving | None]], *, beside: Sequence[Trajectory] = ()
) -> list[Moving] | None:
    """Sample one trajectory per object so that no two trajectories come close to each other.

    Args:
        draws: one per object; each returns a motion and a trajectory, or None for a failed draw.
        beside: trajectories that exist already.

    Returns:
        The motions and trajectories, in order; None where one did not fit after 60 draws.
    """
    placed: list[Moving] = []
    for draw in draws:
        for _ in range(_TRIES):
            moving = draw()
            others = [*beside, *(trajectory for _, trajectory in placed)]
            if moving is not None and all(keep_apart(moving[1], other) for other in others):
                placed.append(moving)
                break
        else:
            return None
    return placed


def draw_texture(rng: Generator) -> int:
    """Sample the seed of a background texture."""
    return int(rng.integers(2**31))


def named_object(rng: Generator, name: Name, moving: Moving, *, layer: int) -> SceneObject:
    """Return an object with one trajectory and the motion word for that trajectory."""
    motion, trajectory = moving
    return SceneObject(*name, motion, draw_rgb(rng, name[0]), layer, trajectories=(trajectory,))


def draw_present(rng: Generator, weights: Mapping[Motion, float] = BASE_MOTIONS) -> Moving:
    """Sample a motion and a trajectory that lasts for the whole clip or for about half of it."""
    motion = draw_motion(rng, weights)
    return motion, draw_trajectory(rng, motion, Bounds(draw_presence(rng)))


def place_objects(
    rng: Generator, names: Sequence[Name], draws: Sequence[Callable[[], Moving | None]]
) -> tuple[SceneObject, ...] | None:
    """Sample objects that stay apart, or return None if an object did not fit.

    The arguments `draws` are as in `place_apart`. Later objects are painted over earlier ones.
    """
    moving = place_apart(draws)
    if moving is None:
        return None
    return tuple(
        named_object(rng, name, each, layer=layer)
        for layer, (name, each) in enumerate(zip(names, moving, strict=True))
    )


def place_named(rng: Generator, names: Sequence[Name]) -> tuple[SceneObject, ...] | None:
    """Sample objects as in the base shape world, or return None if an object did not fit."""
    return place_objects(rng, names, [lambda: draw_present(rng)] * len(names))
