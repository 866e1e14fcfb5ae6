"""The worlds that clips come from, by name.

Owns: the names, the stream of randomness of each, and how clips become files. What is in a clip is
`scene`, how it is drawn `staging`, what may be asked about it `world_questions`.

The models here were trained on clips of `base` alone. Every other world keeps its shapes, names and
sizes and adds one difficulty, so that what a method loses there has one cause. Speeds are kept too,
but for what passes in "occlusion" (2.2 to 3.2 pixels per frame, against 1.8 to 2.7).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from tam_video.datasets.panning import stage_pan
from tam_video.datasets.scene import SceneClip, SceneObject, Shot, Trajectory, with_visible
from tam_video.datasets.shapes import MOTIONS, Generator, ShapeClip, Split, make_clip
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
    """A world of shapes.

    Attributes:
        name: its key in `WORLDS`.
        about: what makes it hard, in a few words.
        draw: (seed, split) to its clip; call `make`.
    """

    name: str
    about: str
    draw: Callable[[int, Split], SceneClip]

    def make(self, seed: int, *, split: Split = "test") -> SceneClip:
        """The clip of a seed: the same on every machine, another one in every world and split.

        Args:
            seed: any non-negative integer.
            split: "train", "dev" or "test".

        Raises:
            ValueError: the seed is negative or there is no such split.
        """
        if seed < 0 or split not in get_args(Split):
            raise ValueError(f"no clip has seed {seed} and split {split!r}")
        return self.draw(seed, split)


def from_shapes(clip: ShapeClip) -> SceneClip:
    """A clip of `shapes` as a scene: the same pixels and masks."""
    objects = []
    for layer, item in enumerate(clip.objects):
        dx, dy = MOTIONS[item.motion]
        trajectory = Trajectory(
            item.x_px,
            item.y_px,
            (dx * item.step_px, dy * item.step_px),
            item.size_px,
            item.first_frame,
            item.last_frame,
        )
        objects.append(
            SceneObject(
                item.color, item.shape, item.motion, item.rgb, layer, trajectories=(trajectory,)
            )
        )
    scene = SceneClip(
        tuple(objects),
        (Shot(clip.texture_seed, width=clip.width, height=clip.height),),
        num_frames=clip.num_frames,
        fps=clip.fps,
        width=clip.width,
        height=clip.height,
    )
    return with_visible(scene)


def _staged(
    stream: int, stage: Callable[[Generator], SceneClip | None]
) -> Callable[[int, Split], SceneClip]:
    """Draw from a world's own stream until a draw works out.

    The base world's streams begin with the number of the split, 0 to 2, so those here begin higher.
    """

    def draw(seed: int, split: Split) -> SceneClip:
        rng = np.random.default_rng([stream, get_args(Split).index(split), seed])
        for _ in range(_TRIES):
            clip = stage(rng)
            if clip is not None:
                return clip
        raise RuntimeError(f"no clip of stream {stream} in {_TRIES} draws")

    return draw


def _base(seed: int, split: Split) -> SceneClip:
    return from_shapes(make_clip(seed, split=split))


# The numbers are part of what a seed means: a new world takes a new one.
WORLDS: dict[str, World] = {
    world.name: world
    for world in (
        World("base", "what the models here were trained on", _base),
        World("pan", "the camera pans over a larger background", _staged(11, stage_pan)),
        World("occlusion", "one object passes in front of another", _staged(12, stage_occlusion)),
        World(
            "distractors",
            "objects that share the colour or the shape of the one that is asked for",
            _staged(13, stage_distractors),
        ),
        World("cut", "a hard cut to another background", _staged(14, stage_cut)),
        World("long", "64 sampled frames, objects appear for 6 to 12", _staged(15, stage_long)),
        World(
            "low-contrast",
            "a background near the colour of an object, noise, compression",
            _staged(16, stage_low_contrast),
        ),
    )
}


def make_world(name: str, seed: int, *, split: Split = "test") -> SceneClip:
    """The clip of a world, by name.

    Raises:
        UnknownNameError: there is no such world.
        ValueError: as `World.make`.
    """
    if name not in WORLDS:
        raise UnknownNameError("world", name, sorted(WORLDS))
    return WORLDS[name].make(seed, split=split)


def write_scene(clip: SceneClip, path: Path) -> Path:
    """Encode a clip of any world as an H.264 MP4, with the compression of the clip.

    Raises:
        EncodeError: the file can't be written.
    """
    from tam_video.video.writer import TimedFrame, write_video

    frames = (
        TimedFrame(pts_seconds=index / clip.fps, rgb=rgb)
        for index, rgb in enumerate(map(clip.render_frame, range(clip.num_frames)))
    )
    write_video(path, frames, width=clip.width, height=clip.height, crf=clip.crf)
    return path
