"""Random clips for the calibration worlds that are harder than coloured things on a background.

As in `datasets.staging`, each function named `stage_...` returns a clip, or None where the draw has
to be repeated.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

import numpy as np

from tam_video.datasets.fills import PATTERNS, Fill
from tam_video.datasets.placing import (
    Bounds,
    Moving,
    draw_motion,
    draw_names,
    draw_presence,
    draw_present,
    draw_texture,
    draw_trajectory,
    is_inside,
    named_object,
    place_named,
    place_objects,
)
from tam_video.datasets.scene import (
    SceneClip,
    SceneObject,
    Shot,
    Trajectory,
    object_mask,
    with_visible,
)
from tam_video.datasets.shapes import (
    EDGE_PX,
    MOTIONS,
    NUM_FRAMES,
    PATH_PX,
    SIDE_PX,
    SIZE_PX,
    Generator,
    Split,
)
from tam_video.datasets.worlds import make_clip
from tam_video.datasets.written import SIGNS

SIZES = (0.01, 0.4)  # area of an object, as a share of the picture
LARGE_SIZES = (0.15, 0.4)
_ROOM = 1.04  # diameters of room for an object: the tips of a star are beyond its diameter
_LARGEST_PX = (SIDE_PX - 3 * EDGE_PX) / _ROOM
_MEASURED_PX = 200.0

_SIGN_PX = (80, 90)  # width of a sign, so that its letters take a cell each
_DARKENED = 0.6

_PIECES = (80, 140)

_FIRST_FRAMES, _SHOWN, _GONE = (6, 10), (10, 15), (12, 17)

_PERIOD = (0.16, 0.3)
_DARK = (0.6, 0.75)

_BESIDE_PX = 4.0


def draw_signs(seed: int, split: Split) -> SceneClip:
    """Make a clip of signs as in the base world, wider and before a darker background.

    The letters show the background, which is darker than every colour so that they can be read.
    """
    clip = make_clip(seed, split=split, shapes=SIGNS, size_px=_SIGN_PX)
    return replace(clip, shots=tuple(replace(s, tint_share=_DARKENED) for s in clip.shots))


def stage_sizes(rng: Generator) -> SceneClip | None:
    """Sample one or two objects whose areas are 1 to 40 % of the picture, uniform in logarithm.

    A star is at most as large as fits, 25 %. The second object is left out where there is no room
    for it. What has no room for the shortest path of the base world stays still.
    """
    objects = _sized_objects(rng, SIZES)
    return None if objects is None else _still_shot(rng, objects)


def stage_textured(rng: Generator) -> SceneClip | None:
    """Sample one or two objects with stripes, checks or dots, of 15 to 40 % of the picture."""
    objects = _sized_objects(rng, LARGE_SIZES)
    if objects is None:
        return None
    filled = tuple(replace(item, fill=_draw_fill(rng)) for item in objects)
    return _still_shot(rng, filled)


def stage_clutter(rng: Generator) -> SceneClip | None:
    """Sample one to three objects before a background with many small grey pieces and lines."""
    objects = place_named(rng, draw_names(rng, int(rng.integers(1, 4))))
    return (
        None if objects is None else _still_shot(rng, objects, clutter=int(rng.integers(*_PIECES)))
    )


def stage_come_and_go(rng: Generator) -> SceneClip | None:
    """Sample one to three objects, of which at least one disappears and returns.

    It moves on while it is gone. Its two appearances last at least 9 frames each, the gap between
    them 12 to 16.
    """
    names = draw_names(rng, int(rng.integers(1, 4)))
    goes = rng.random(len(names)) < 0.5
    goes[rng.integers(len(names))] = True
    draws = [partial(_always if each else draw_present, rng) for each in goes]
    objects = place_objects(rng, names, draws)
    if objects is None:
        return None
    return _still_shot(
        rng,
        tuple(
            replace(item, trajectories=_appearances(rng, item.trajectories[0])) if each else item
            for item, each in zip(objects, goes, strict=True)
        ),
    )


def stage_context(rng: Generator) -> SceneClip | None:
    """Sample two objects of different shapes that are side by side in the same frames.

    They appear, move and disappear together, so the map of one may also show the other.
    """
    names = draw_names(rng, 2)
    if names[0][1] == names[1][1]:
        return None
    motion, bounds = draw_motion(rng), Bounds(draw_presence(rng))
    one = draw_trajectory(rng, motion, bounds)
    size = float(rng.uniform(*SIZE_PX))
    way = (one.size_px + size) / 2 + _BESIDE_PX
    dx, dy = [step for step in MOTIONS.values() if any(step)][int(rng.integers(4))]
    other = replace(one, x_px=one.x_px + dx * way, y_px=one.y_px + dy * way, size_px=size)
    if not is_inside(other, bounds):
        return None
    objects = tuple(
        named_object(rng, name, (motion, trajectory), layer=layer)
        for layer, (name, trajectory) in enumerate(zip(names, (one, other), strict=True))
    )
    return _still_shot(rng, objects)


def _still_shot(rng: Generator, objects: tuple[SceneObject, ...], *, clutter: int = 0) -> SceneClip:
    """Return a clip of one shot, taken by a camera that stands still."""
    return with_visible(SceneClip(objects, (Shot(draw_texture(rng), clutter=clutter),)))


def _sized_objects(rng: Generator, shares: tuple[float, float]) -> tuple[SceneObject, ...] | None:
    """Sample one or two objects, whose areas are in `shares`, or None if not even one fits."""
    names = draw_names(rng, int(rng.integers(1, 3)))
    low, high = np.log(shares)
    areas = np.exp(rng.uniform(low, high, len(names))) * SIDE_PX**2
    sizes = [
        min(float(np.sqrt(area / _unit_area(shape))), _LARGEST_PX)
        for area, (_, shape) in zip(areas, names, strict=True)
    ]
    draws = [partial(_sized, rng, size) for size in sizes]
    return place_objects(rng, names, draws) or place_objects(rng, names[:1], draws[:1])


def _sized(rng: Generator, size_px: float) -> Moving:
    """Sample a trajectory of an object of the given diameter."""
    width = size_px * _ROOM
    room = SIDE_PX - 2 * EDGE_PX - width
    motion = draw_motion(rng) if room > PATH_PX[0] else "still"
    fastest = min(room, PATH_PX[1]) / (NUM_FRAMES - 1)
    trajectory = draw_trajectory(
        rng,
        motion,
        Bounds(draw_presence(rng)),
        step_px=(PATH_PX[0] / (NUM_FRAMES - 1), fastest),
        size_px=(width, width),
    )
    return motion, replace(trajectory, size_px=size_px)


@cache
def _unit_area(shape: str) -> float:
    """Return the area of a shape whose diameter is 1."""
    middle = Trajectory(SIDE_PX / 2, SIDE_PX / 2, (0.0, 0.0), _MEASURED_PX, 0, 0)
    item = SceneObject("white", shape, "still", (255, 255, 255), 0, (middle,))
    return float(object_mask(item, 0).sum(dtype=np.float64)) / 255 / _MEASURED_PX**2


def _draw_fill(rng: Generator) -> Fill:
    return Fill(
        PATTERNS[int(rng.integers(len(PATTERNS)))],
        period=float(rng.uniform(*_PERIOD)),
        turn=float(rng.uniform(0, np.pi)),
        dark=float(rng.uniform(*_DARK)),
    )


def _always(rng: Generator) -> Moving:
    """Sample a motion and a trajectory that lasts for the whole clip."""
    motion = draw_motion(rng)
    return motion, draw_trajectory(rng, motion, Bounds())


def _appearances(rng: Generator, whole: Trajectory) -> tuple[Trajectory, Trajectory]:
    """Cut a gap out of a trajectory, and in half of the cases its start too."""
    first = 0 if rng.random() < 0.5 else int(rng.integers(*_FIRST_FRAMES))
    gone = first + int(rng.integers(*_SHOWN))
    back = gone + int(rng.integers(*_GONE))
    return (
        replace(whole, first_frame=first, last_frame=gone - 1),
        replace(whole, first_frame=back),
    )
