"""Random clips for every shape world except "base" and "pan".

Each function draws from one generator and returns a finished clip, or None where the draw did not
fulfil the conditions of the world and has to be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from tam_video.datasets.placing import (
    Bounds,
    Moving,
    draw_motion,
    draw_names,
    draw_present,
    draw_texture,
    draw_trajectory,
    is_inside,
    name_order,
    named_object,
    place_apart,
    place_named,
    place_objects,
)
from tam_video.datasets.scene import (
    Interval,
    Rgb,
    SceneClip,
    SceneObject,
    Shot,
    Trajectory,
    backdrop,
    coverage,
    visible_shares,
    with_visible,
)
from tam_video.datasets.shapes import (
    COLORS,
    MOTIONS,
    NUM_FRAMES,
    SHAPES,
    SIZE_PX,
    Generator,
    Motion,
    draw_rgb,
)
from tam_video.types import Float64Array

LONG_FRAMES = 256  # 64 frames at 3 per second
EVENT_FRAMES = (24, 48)

_CROSSING_STEP_PX = (2.2, 3.2)
_MEETING = (14, 34)
_HIDDEN, _FREE, _FREE_FRAMES = 0.4, 0.05, 12

_CUT_FRAMES = (20, 29)

_TINT_SHARE = (0.5, 0.68)
_NOISE = (9.0, 14.0)
_CRF = (30, 37)
_SHARES = (0.35, 0.28, 0.2, 0.12, 0.0)
_LEAST_CONTRAST = 40.0


def stage_occlusion(rng: Generator) -> SceneClip | None:
    """Sample a clip in which one object passes in front of another. A third object may stay apart.

    At least 40 % of the one behind are hidden at one frame, and it is uncovered in at least a
    quarter of the clip.
    """
    names = draw_names(rng, int(rng.integers(2, 4)))
    behind_motion = draw_motion(rng)
    behind = draw_trajectory(rng, behind_motion, Bounds())
    front_motion = draw_motion(rng, {"left": 0.25, "right": 0.25, "up": 0.25, "down": 0.25})
    front = _crossing(rng, behind, front_motion)
    if not is_inside(front, Bounds()):
        return None
    third = place_apart([lambda: draw_present(rng)] * (len(names) - 2), beside=(behind, front))
    if third is None:
        return None
    moving: list[tuple[Moving, int]] = [((behind_motion, behind), 1), ((front_motion, front), 2)]
    moving += [(each, 0) for each in third]
    order = rng.permutation(len(names))
    objects = tuple(
        named_object(rng, name, moving[int(index)][0], layer=moving[int(index)][1])
        for name, index in zip(names, order, strict=True)
    )
    clip = SceneClip(objects, (Shot(draw_texture(rng)),))
    return with_visible(clip) if _passes(clip, list(order).index(0)) else None


def _crossing(rng: Generator, behind: Trajectory, motion: Motion) -> Trajectory:
    """Sample a trajectory that meets another trajectory near the middle of the clip."""
    speed, size = float(rng.uniform(*_CROSSING_STEP_PX)), float(rng.uniform(*SIZE_PX))
    meeting, aside = int(rng.integers(*_MEETING)), rng.uniform(-0.25, 0.25, 2) * size
    step = (MOTIONS[motion][0] * speed, MOTIONS[motion][1] * speed)
    x, y = behind.center(meeting)
    return Trajectory(
        x_px=x + float(aside[0]) - step[0] * meeting,
        y_px=y + float(aside[1]) - step[1] * meeting,
        step_px=step,
        size_px=size,
        first_frame=0,
        last_frame=NUM_FRAMES - 1,
    )


def _passes(clip: SceneClip, behind: int) -> bool:
    hidden = []
    for frame in range(0, NUM_FRAMES, 2):
        whole = coverage(clip, clip.objects[behind], frame).sum(dtype=np.float64) / 255
        hidden.append(1 - float(visible_shares(clip, frame)[behind].sum()) / whole)
    free = sum(share <= _FREE for share in hidden) * 2
    return bool(max(hidden) >= _HIDDEN and free >= _FREE_FRAMES)


def stage_distractors(rng: Generator) -> SceneClip | None:
    """Sample 3 or 4 objects. One has the same colour as a second, and the same shape as a third."""
    color, other_color, last_color = (
        list(COLORS)[int(c)] for c in rng.choice(len(COLORS), size=3, replace=False)
    )
    shape, other_shape, last_shape = (
        SHAPES[int(s)] for s in rng.choice(len(SHAPES), size=3, replace=False)
    )
    names = [(color, shape), (color, other_shape), (other_color, shape)]
    fourth = [(color, last_shape), (last_color, shape), (last_color, other_shape)]
    if rng.random() < 0.5:
        names.append(fourth[int(rng.integers(len(fourth)))])
    objects = place_named(rng, sorted(names, key=name_order))
    return None if objects is None else with_visible(SceneClip(objects, (Shot(draw_texture(rng)),)))


def stage_cut(rng: Generator) -> SceneClip | None:
    """Sample a clip of two shots with a hard cut between them, near the middle of the clip.

    An object is in the first shot, the second or both. In both, it is elsewhere after the cut, and
    has a motion word only if it moves in the same direction before and after.
    """
    cut = int(rng.integers(*_CUT_FRAMES))
    names = draw_names(rng, int(rng.integers(2, 4)))
    where = ["before", "after", *rng.choice(["before", "after", "both"], len(names) - 2)]
    if rng.random() < 0.5:
        where[int(rng.integers(2))] = "both"
    where = [where[int(index)] for index in rng.permutation(len(names))]
    trajectories: list[list[Moving]] = [[] for _ in names]
    for shown, frames in (("before", (0, cut - 1)), ("after", (cut, NUM_FRAMES - 1))):
        those = [number for number, part in enumerate(where) if part in (shown, "both")]
        placed = place_apart([partial(_moving, rng, frames)] * len(those))
        if placed is None:
            return None
        for number, each in zip(those, placed, strict=True):
            trajectories[number].append(each)
    if not all(_elsewhere(each, cut) for each in trajectories):
        return None
    objects = tuple(
        SceneObject(
            *name,
            each[0][0] if len({motion for motion, _ in each}) == 1 else None,
            draw_rgb(rng, name[0]),
            layer,
            trajectories=tuple(trajectory for _, trajectory in each),
        )
        for layer, (name, each) in enumerate(zip(names, trajectories, strict=True))
    )
    shots = (Shot(draw_texture(rng)), Shot(draw_texture(rng), first_frame=cut))
    return with_visible(SceneClip(objects, shots))


def _moving(rng: Generator, frames: Interval) -> Moving:
    motion = draw_motion(rng)
    return motion, draw_trajectory(rng, motion, Bounds(frames))


def _elsewhere(each: Sequence[Moving], cut: int) -> bool:
    """Return whether an object is in one shot only, or jumps by at least its size at the cut."""
    if len(each) == 1:
        return True
    (_, before), (_, after) = each
    way = np.subtract(after.center(cut), before.center(cut - 1))
    return float(np.hypot(*way)) >= max(before.size_px, after.size_px)


def stage_long(rng: Generator) -> SceneClip | None:
    """Sample a clip of 256 frames in which each object appears for 2 to 4 seconds.

    It has two to four objects. One of them may stand still the whole time. A model that samples 3
    frames per second sees 64 frames.
    """
    names = draw_names(rng, int(rng.integers(2, 5)))
    still = int(rng.integers(len(names))) if rng.random() < 0.3 else -1

    def draw() -> Moving:
        length = int(rng.integers(*EVENT_FRAMES, endpoint=True))
        third, room = int(rng.integers(3)), LONG_FRAMES // 3 - length
        first = third * LONG_FRAMES // 3 + int(rng.integers(room))
        return _moving(rng, (first, first + length - 1))

    def stay() -> Moving:
        return "still", draw_trajectory(rng, "still", Bounds((0, LONG_FRAMES - 1)))

    draws = [stay if number == still else draw for number in range(len(names))]
    objects = place_objects(rng, names, draws)
    if objects is None:
        return None
    return with_visible(SceneClip(objects, (Shot(draw_texture(rng)),), num_frames=LONG_FRAMES))


def stage_low_contrast(rng: Generator) -> SceneClip | None:
    """Sample a noisy clip with a background that is close to the colour of one object.

    The colours of all objects are moved towards the background as far as each stays nearest to its
    own name among `COLORS`. The compression is stronger than in the base world.
    """
    objects = place_named(rng, draw_names(rng, int(rng.integers(1, 4))))
    if objects is None:
        return None
    like = objects[int(rng.integers(len(objects)))]
    shot = Shot(draw_texture(rng), tint=like.rgb, tint_share=float(rng.uniform(*_TINT_SHARE)))
    plain = SceneClip(
        objects,
        (shot,),
        noise=float(rng.uniform(*_NOISE)),
        crf=int(rng.integers(*_CRF)),
    )
    behind = backdrop(plain, 0).reshape(-1, 3).mean(axis=0)
    moved = [_toward(item, behind) for item in objects]
    if any(rgb is None for rgb in moved):
        return None
    objects = tuple(
        replace(item, rgb=rgb) for item, rgb in zip(objects, moved, strict=True) if rgb is not None
    )
    return with_visible(replace(plain, objects=objects))


def _toward(item: SceneObject, behind: Float64Array) -> Rgb | None:
    """Fade an object's colour toward the background, or return None if no faded colour fits."""
    names, palette = list(COLORS), np.array(list(COLORS.values()), np.float64)
    for share in _SHARES:
        rgb = np.rint((1 - share) * np.array(item.rgb) + share * behind)
        nearest = names[int(np.argmin(np.linalg.norm(palette - rgb, axis=1)))]
        if nearest == item.color and np.linalg.norm(rgb - behind) >= _LEAST_CONTRAST:
            red, green, blue = (int(value) for value in rgb)
            return red, green, blue
    return None
