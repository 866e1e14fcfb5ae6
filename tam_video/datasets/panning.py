"""Random clips with a panning camera. Objects with an ambiguous direction get no motion word."""

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
    place_objects,
)
from tam_video.datasets.scene import SceneClip, SceneObject, Shot, Trajectory, with_visible
from tam_video.datasets.shapes import MOTIONS, NUM_FRAMES, SIDE_PX, Generator, Motion

_PAN_PX = (50, 84)
_PAN_MOTIONS: Mapping[str, Mapping[Motion, float]] = {
    "across": {"left": 0.32, "right": 0.32, "up": 0.08, "down": 0.08, "still": 0.2},
    "along": {"left": 0.08, "right": 0.08, "up": 0.32, "down": 0.32, "still": 0.2},
}
_CLEAR_PX = 30
_IN_VIEW_FRAMES = 16


def stage_pan(rng: Generator) -> SceneClip | None:
    """Sample a clip with one to three objects, in which the camera pans over the background.

    An object has a motion word only where it is true relative to the background and the picture.
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

    objects = place_objects(rng, names, [draw] * len(names))
    if objects is None:
        return None
    clip = with_visible(SceneClip(objects, (shot,)))
    worded = tuple(
        item if _is_clear(item, shot) else replace(item, motion=None) for item in clip.objects
    )
    return replace(clip, objects=worded)


def _frames_in_view(trajectory: Trajectory, shot: Shot) -> int:
    """Count the frames in which an object's whole bounding box is inside the picture."""
    count, radius = 0, trajectory.size_px / 2
    for frame in range(trajectory.first_frame, trajectory.last_frame + 1):
        axes = zip(trajectory.center(frame), shot.camera(frame), strict=True)
        count += all(radius <= center - edge <= SIDE_PX - radius for center, edge in axes)
    return count


def _is_clear(item: SceneObject, shot: Shot) -> bool:
    """Return whether an object moves in the same direction in the picture and on the background.

    While visible it has to move at least 30 pixels in that direction in the picture, and twice as
    far as sideways. What stands still on the background moves in the picture, and is never clear.
    """
    frames = item.visible_frames
    (trajectory,), (dx, dy) = item.trajectories, MOTIONS[item.motion or "still"]
    ends = [
        np.subtract(trajectory.center(frame), shot.camera(frame))
        for frame in (frames[0], frames[-1])
    ]
    right, down = ends[1] - ends[0]
    forward, sideways = dx * right + dy * down, dy * right + dx * down
    return bool(forward >= max(_CLEAR_PX, 2 * abs(sideways)))
