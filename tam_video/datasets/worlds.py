"""The worlds of synthetic clips, by name, and their files.

The models here were trained on clips of `base` alone. Every other world keeps its shapes, names and
sizes and adds one difficulty, so that what a method loses there has one cause. Speeds are kept too,
except for the object in front in "occlusion" (2.2 to 3.2 pixels per frame, against 1.8 to 2.7).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from tam_video.datasets.panning import stage_pan
from tam_video.datasets.scene import SceneClip, from_shapes
from tam_video.datasets.shapes import Generator, Split, make_clip
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
        about: its difficulty, in a few words.
        draw: draws the clip of a seed and split; call `make`.
    """

    name: str
    about: str
    draw: Callable[[int, Split], SceneClip]

    def make(self, seed: int, *, split: Split = "test") -> SceneClip:
        """Return the clip of a seed: the same on every machine, different in every world and split.

        A negative seed and an unknown split are a ValueError.
        """
        if seed < 0 or split not in get_args(Split):
            raise ValueError(f"seed {seed} and split {split!r} are not valid")
        return self.draw(seed, split)


def _staged(
    stream: int, draw_once: Callable[[Generator], SceneClip | None]
) -> Callable[[int, Split], SceneClip]:
    """Draw from a world's own random stream until a draw succeeds.

    The seeds of the base world begin with the index of the split, 0 to 2, so those here are higher.
    """

    def draw(seed: int, split: Split) -> SceneClip:
        rng = np.random.default_rng([stream, get_args(Split).index(split), seed])
        for _ in range(_TRIES):
            clip = draw_once(rng)
            if clip is not None:
                return clip
        raise RuntimeError(f"no draw of stream {stream} succeeded in {_TRIES} tries")

    return draw


def _base(seed: int, split: Split) -> SceneClip:
    return from_shapes(make_clip(seed, split=split))


# The numbers are part of the seeds: a new world needs a new one.
WORLDS: dict[str, World] = {
    world.name: world
    for world in (
        World("base", "what the models here were trained on", _base),
        World("pan", "the camera pans over a larger background", _staged(11, stage_pan)),
        World("occlusion", "one object passes in front of another", _staged(12, stage_occlusion)),
        World(
            "distractors",
            "objects that share the colour or the shape of the one in the question",
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
    """Return the clip of a world, by name.

    Raises:
        UnknownNameError: the world is unknown.
    """
    if name not in WORLDS:
        raise UnknownNameError("world", name, sorted(WORLDS))
    return WORLDS[name].make(seed, split=split)


def write_scene(clip: SceneClip, path: Path) -> Path:
    """Encode a clip of any world as an H.264 MP4, with the compression of the clip."""
    from tam_video.video.writer import TimedFrame, write_video

    frames = (
        TimedFrame(pts_seconds=index / clip.fps, rgb=rgb)
        for index, rgb in enumerate(map(clip.render_frame, range(clip.num_frames)))
    )
    write_video(path, frames, width=clip.width, height=clip.height, crf=clip.crf)
    return path
