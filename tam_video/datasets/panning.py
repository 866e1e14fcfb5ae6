"""Clips under a camera that pans.

Owns: how they are drawn, and which motion words stay true under a pan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tam_video.datasets.placing import (
    Bounds,
    Moving,
    draw_motion,
    draw_names,
    draw_texture,
    draw_trajectory,
    named_object,
    place_apart,
)
from tam_video.datasets.scene import SceneClip, SceneObject, Shot, Trajectory, with_visible
from tam_video.datasets.shapes import MOTIONS, NUM_FRAMES, SIDE_PX, Generator, Motion

_PAN_PX = (50, 84)
_PAN_MOTIONS: Mapping[str, Mapping[Motion, float]] = {
    "across": {"left": 0.32, "right": 0.32, "up": 0.08, "down": 0.08, "still": 0.2},
    "along": {"left": 0.08, "right": 0.08, "up": 0.32, "down": 0.32, "still": 0.2},
}
_CLEAR_WAY_PX = 30
_IN_VIEW_FRAMES = 16


def stage_pan(rng: Generator) -> SceneClip | None:
    """The camera pans over a larger background, on which one to three objects move or stand.

    A motion word is given only where it is true of the background and of the picture alike.
    """
    direction = draw_motion(rng, {"left": 0.25, "right": 0.25, "up": 0.25, "down": 0.25})
    dx, dy = MOTIONS[direction]
    pan = int(rng.integers(*_PAN_PX, endpoint=True))
    bounds = Bounds(width=SIDE_PX + abs(dx) * pan, height=SIDE_PX + abs(dy) * pan)
    shot = Shot(
        draw_texture(rng),
        width=bounds.width,
        height=bounds.height,
        camera_px=(float(pan * (dx < 0)), float(pan * (dy < 0))),
        pan_px=(dx * pan / (NUM_FRAMES - 1), dy * pan / (NUM_FRAMES - 1)),
    )
    names = draw_names(rng, int(rng.integers(1, 4)))

    def draw() -> Moving | None:
        motion = draw_motion(rng, _PAN_MOTIONS["across" if dx else "along"])
        trajectory = draw_trajectory(rng, motion, bounds)
        return (
            (motion, trajectory) if _frames_in_view(trajectory, shot) >= _IN_VIEW_FRAMES else None
        )

    moving = place_apart([draw] * len(names))
    if moving is None:
        return None
    objects = tuple(
        replace(named_object(rng, name, each, layer=layer), motion=None)
        for layer, (name, each) in enumerate(zip(names, moving, strict=True))
    )
    clip = with_visible(SceneClip(objects, (shot,)))
    worded = tuple(
        replace(item, motion=motion if _is_clear(item, motion, shot) else None)
        for item, (motion, _) in zip(clip.objects, moving, strict=True)
    )
    return replace(clip, objects=worded)


def _frames_in_view(trajectory: Trajectory, shot: Shot) -> int:
    """In how many frames the picture holds the whole bounding box."""
    count, room = 0, trajectory.size_px / 2
    for frame in range(trajectory.first_frame, trajectory.last_frame + 1):
        places = zip(trajectory.center(frame), shot.camera(frame), strict=True)
        count += all(room <= place - edge <= SIDE_PX - room for place, edge in places)
    return count


def _is_clear(item: SceneObject, motion: Motion, shot: Shot) -> bool:
    """Whether what is seen goes the same way in the picture as on the background.

    In the picture it has to go 30 pixels at least that way while it is visible, and twice as far
    as sideways. What stands still on the background moves in the picture, and is never clear.
    """
    frames = item.visible_frames
    (trajectory,), (dx, dy) = item.trajectories, MOTIONS[motion]
    ways = [
        np.subtract(trajectory.center(frame), shot.camera(frame))
        for frame in (frames[0], frames[-1])
    ]
    right, down = ways[1] - ways[0]
    forward, sideways = dx * right + dy * down, dy * right + dx * down
    return bool(forward >= max(_CLEAR_WAY_PX, 2 * abs(sideways)))
