"""The shape worlds: named families of synthetic clips, and video files of these clips.

The models here were trained on clips of `base` alone. Every other world keeps its shapes, names and
sizes and adds one difficulty, so that what a method loses there has one cause. Speeds are kept too,
except for the object in front in "occlusion" (2.2 to 3.2 pixels per frame, against 1.8 to 2.7).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np

from tam_video.datasets.panning import stage_pan
from tam_video.datasets.placing import draw_motion, draw_texture
from tam_video.datasets.scene import SceneClip, SceneObject, Shot, Trajectory
from tam_video.datasets.shapes import (
    COLORS,
    MARGIN_PX,
    MOTIONS,
    NUM_FRAMES,
    PATH_PX,
    SHAPES,
    SIZE_PX,
    Generator,
    Split,
    draw_rgb,
    draw_start,
)
from tam_video.datasets.staging import (
    stage_cut,
    stage_distractors,
    stage_long,
    stage_low_contrast,
    stage_occlusion,
)
from tam_video.errors import UnknownNameError

_TRIES = 5000


@dataclass(frozen=True, slots=True)
class World:
    """A shape world: a family of synthetic clips with one difficulty.

    Attributes:
        name: its key in `WORLDS`.
        about: its difficulty, in a few words.
        draw: draws the clip of a seed and split; call `make`.
    """

    name: str
    about: str
    draw: Callable[[int, Split], SceneClip]

    def make(self, seed: int, *, split: Split = "test") -> SceneClip:
        """Return the clip for a seed. A seed gives the same clip on every machine.

        A negative seed and an unknown split are a ValueError.
        """
        if seed < 0 or split not in get_args(Split):
            raise ValueError(
                f"'seed' must be at least 0 and 'split' a known name, not {seed} and {split!r}"
            )
        return self.draw(seed, split)


def staged(
    stream: int, draw_once: Callable[[Generator], SceneClip | None]
) -> Callable[[int, Split], SceneClip]:
    """Make a function that samples clips of a shape world until one fulfils the conditions.

    Every world has its own `stream`, the first number of its seeds. The seeds of the base world
    begin with the index of the split, 0 to 2, so those here are higher.
    """

    def draw(seed: int, split: Split) -> SceneClip:
        rng = np.random.default_rng([stream, get_args(Split).index(split), seed])
        for _ in range(_TRIES):
            clip = draw_once(rng)
            if clip is not None:
                return clip
        raise RuntimeError(f"random stream {stream} gave no valid clip in {_TRIES} tries")

    return draw


def make_clip(
    seed: int,
    *,
    split: Split = "test",
    num_objects: int | None = None,
    shapes: Sequence[str] = SHAPES,
    size_px: tuple[float, float] = SIZE_PX,
) -> SceneClip:
    """Make the clip for a seed in the base shape world.

    It holds one to three objects of different colours; shapes may repeat. An object moves in one of
    four directions at constant speed or stays still, and is visible the whole time, only at the
    start, or only at the end. Objects never overlap while both are visible.

    Args:
        seed: any non-negative integer, which gives another clip in each split.
        split: "train", "dev" or "test".
        num_objects: 1 to 3; drawn evenly when None.
        shapes: the shapes, pictograms and signs that an object can be.
        size_px: least and greatest diameter of an object.
    """
    rng = np.random.default_rng([get_args(Split).index(split), seed])
    count = int(rng.integers(1, 4)) if num_objects is None else num_objects
    if not 1 <= count <= 3:
        raise ValueError("num_objects must be 1, 2 or 3")
    while True:
        objects = _base_objects(rng, count, shapes, size_px)
        if objects is not None:
            return SceneClip(objects, (Shot(draw_texture(rng)),))


def _base_objects(
    rng: Generator, count: int, shapes: Sequence[str], size_px: tuple[float, float]
) -> tuple[SceneObject, ...] | None:
    """Place `count` objects without overlap, or return None if 60 tries fail for an object."""
    colors = rng.choice(len(COLORS), size=count, replace=False)
    placed: list[SceneObject] = []
    for color in sorted(int(c) for c in colors):
        for _ in range(60):
            candidate = replace(
                _base_object(rng, list(COLORS)[color], shapes, size_px), layer=len(placed)
            )
            if all(_keep_apart(candidate, other) for other in placed):
                placed.append(candidate)
                break
        else:
            return None
    return tuple(placed)


def _base_object(
    rng: Generator, color: str, shapes: Sequence[str], size_px: tuple[float, float]
) -> SceneObject:
    motion = draw_motion(rng)
    presence = int(rng.choice(3, p=(0.56, 0.22, 0.22)))
    size = float(rng.uniform(*size_px))
    path = 0.0 if motion == "still" else float(rng.uniform(*PATH_PX))
    x, y = draw_start(rng, motion, path_px=path, size_px=size)
    first, last = 0, NUM_FRAMES - 1
    if presence == 1:  # only at the start
        last = int(rng.integers(round(0.36 * NUM_FRAMES), round(0.56 * NUM_FRAMES)))
    elif presence == 2:  # only at the end
        first = int(rng.integers(round(0.44 * NUM_FRAMES), round(0.64 * NUM_FRAMES)))
    rgb, shape = draw_rgb(rng, color), shapes[int(rng.integers(len(shapes)))]
    dx, dy = MOTIONS[motion]
    step = path / (NUM_FRAMES - 1)
    trajectory = Trajectory(x, y, (dx * step, dy * step), size, first, last)
    return SceneObject(color, shape, motion, rgb, 0, (trajectory,), visible=((first, last),))


def _keep_apart(one: SceneObject, other: SceneObject) -> bool:
    """Return whether the bounding boxes of two objects stay apart in every fourth frame."""
    (a,), (b,) = one.trajectories, other.trajectories
    first, last = max(a.first_frame, b.first_frame), min(a.last_frame, b.last_frame)
    gap = (a.size_px + b.size_px) / 2 + MARGIN_PX
    for frame in {last, *range(first, last + 1, 4)} if first <= last else ():
        (x, y), (other_x, other_y) = a.center(frame), b.center(frame)
        if abs(x - other_x) < gap and abs(y - other_y) < gap:
            return False
    return True


def _base(seed: int, split: Split) -> SceneClip:
    return make_clip(seed, split=split)


# The numbers are part of the seeds: a new world needs a new one.
WORLDS: dict[str, World] = {
    world.name: world
    for world in (
        World("base", "what the models here were trained on", _base),
        World("pan", "the camera pans over a larger background", staged(11, stage_pan)),
        World("occlusion", "one object passes in front of another", staged(12, stage_occlusion)),
        World(
            "distractors",
            "objects that share the colour or the shape of the one in the question",
            staged(13, stage_distractors),
        ),
        World("cut", "a hard cut to another background", staged(14, stage_cut)),
        World("long", "64 sampled frames, objects appear for 6 to 12", staged(15, stage_long)),
        World(
            "low-contrast",
            "a background near the colour of an object, noise, compression",
            staged(16, stage_low_contrast),
        ),
    )
}


def make_world(name: str, seed: int, *, split: Split = "test") -> SceneClip:
    """Return the clip for a seed in the shape world with the given name.

    Raises:
        UnknownNameError: the world is unknown.
    """
    if name not in WORLDS:
        raise UnknownNameError("world", name, sorted(WORLDS))
    return WORLDS[name].make(seed, split=split)


def write_scene(clip: SceneClip, path: Path) -> Path:
    """Write a clip to `path` as an H.264 MP4, encoded with the clip's `crf`."""
    from tam_video.video.writer import write_video

    frames = (
        (index / clip.fps, rgb)
        for index, rgb in enumerate(map(clip.render_frame, range(clip.num_frames)))
    )
    write_video(path, frames, width=clip.width, height=clip.height, crf=clip.crf)
    return path
