"""The worlds of calibration: clips that a multimodal LLM understands, with exact masks.

Every clip has a true caption in plain English, and a yes/no and a which-one question that tell
whether the model understands the clip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tam_video.calibration.staging import (
    draw_signs,
    stage_clutter,
    stage_come_and_go,
    stage_context,
    stage_sizes,
    stage_textured,
)
from tam_video.datasets.pictograms import PICTOGRAMS
from tam_video.datasets.questions import named, presence_question
from tam_video.datasets.scene import SceneClip
from tam_video.datasets.shapes import SHAPES, Split
from tam_video.datasets.worlds import make_clip, staged
from tam_video.datasets.written import SIGNS
from tam_video.errors import ConfigError, UnknownNameError

AUTO = "auto"  # in place of names of worlds: those that the model understands
_SHORT = " Answer yes or no."
# Calibration uses seeds of the split "dev" from here on, which no other command draws.
_FIRST_SEED = 1_000_000
_MAX_WORLDS, _MAX_CLIPS = 16, 100_000  # so many share a seed of the user without equal clips
_WHICH_SHAPE = "What shape is the {color} object?"
_WHICH = "Which of these is the {color} object: {choices}?"


@dataclass(frozen=True, slots=True)
class CalibrationWorld:
    """A family of calibration clips.

    Attributes:
        name: its key in `CALIBRATION_WORLDS`.
        about: what its objects are, in a few words.
        shapes: names of the things that an object can be.
        stream: distinguishes its seeds from those of other worlds.
        which: a question for the noun of the object of a colour; it may offer three names as
            `{choices}`.
        draw: draws the clip of a seed and split; call `make`.
    """

    name: str
    about: str
    shapes: tuple[str, ...]
    stream: int
    which: str
    draw: Callable[[int, Split], SceneClip]

    def make(self, seed: int, number: int, *, split: Split = "dev") -> SceneClip:
        """Make a clip with one to three objects of different colours.

        Args:
            seed: seed of a calibration, at least 0.
            number: number of the clip, from 0 to 99,999.
            split: "dev" for calibration; "test" gives other clips, for an evaluation.
        """
        clip_seed = _FIRST_SEED + (seed * _MAX_WORLDS + self.stream) * _MAX_CLIPS + number
        return self.draw(clip_seed, split)


def _base(shapes: Sequence[str]) -> Callable[[int, Split], SceneClip]:
    """Make a function that draws clips as in the base world, with objects of other shapes."""
    return lambda seed, split: make_clip(seed, split=split, shapes=shapes)


# The streams are part of the seeds. A world with one difficulty has the objects of "shapes".
_PICTURES = tuple(PICTOGRAMS)
CALIBRATION_WORLDS: dict[str, CalibrationWorld] = {
    world.name: world
    for world in (
        CalibrationWorld("shapes", "coloured shapes", SHAPES, 0, _WHICH_SHAPE, _base(SHAPES)),
        CalibrationWorld(
            "pictograms", "coloured pictograms", _PICTURES, 1, _WHICH, _base(_PICTURES)
        ),
        CalibrationWorld(
            "signs", "coloured signs with a written word", SIGNS, 2, _WHICH, draw_signs
        ),
        CalibrationWorld(
            "sizes",
            "shapes of 1 to 40 % of the picture",
            SHAPES,
            3,
            _WHICH_SHAPE,
            staged(21, stage_sizes),
        ),
        CalibrationWorld(
            "clutter",
            "shapes before small grey pieces and lines",
            SHAPES,
            4,
            _WHICH_SHAPE,
            staged(22, stage_clutter),
        ),
        CalibrationWorld(
            "come-and-go",
            "shapes that disappear and return",
            SHAPES,
            5,
            _WHICH_SHAPE,
            staged(23, stage_come_and_go),
        ),
        CalibrationWorld(
            "textured",
            "large shapes with stripes, checks or dots",
            SHAPES,
            6,
            _WHICH_SHAPE,
            staged(24, stage_textured),
        ),
        CalibrationWorld(
            "context",
            "two shapes that are always side by side",
            SHAPES,
            7,
            _WHICH_SHAPE,
            staged(25, stage_context),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class CheckQuestion:
    """A question whose answer shows whether the model understands a clip.

    Attributes:
        kind: "yes_no" or "which".
        text: the question.
        right: the right word, then the wrong ones, in lower case. A yes/no answer has to begin with
            the right word; another has to contain it and no wrong one.
    """

    kind: str
    text: str
    right: tuple[str, ...]


def find_world(name: str) -> CalibrationWorld:
    """Return the calibration world with the given name.

    Raises:
        UnknownNameError: the world is unknown.
    """
    if name not in CALIBRATION_WORLDS:
        raise UnknownNameError("calibration world", name, sorted(CALIBRATION_WORLDS))
    return CALIBRATION_WORLDS[name]


def named_worlds(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of worlds, or none if they are to be chosen: no names, or "auto" alone.

    Raises:
        ConfigError: "auto" is among other names.
        UnknownNameError: a world is unknown.
    """
    if set(names) <= {AUTO}:
        return ()
    if AUTO in names:
        raise ConfigError(
            "worlds are named, and to be chosen too", hint=f"leave out --world {AUTO} or the others"
        )
    return tuple(find_world(name).name for name in dict.fromkeys(names))


def check_questions(
    clip: SceneClip, rng: np.random.Generator, *, world: CalibrationWorld
) -> tuple[CheckQuestion, ...]:
    """Sample a yes-or-no question and a question for a noun about a clip."""
    negative = bool(rng.random() < 0.5)
    presence = presence_question(clip, rng, negative=negative, shapes=world.shapes)
    yes_no = ("no", "yes") if negative else ("yes", "no")
    item = clip.objects[int(rng.integers(len(clip.objects)))]
    wrong = tuple(name for name in world.shapes if name != item.shape)
    offered = [item.shape, *(str(name) for name in rng.choice(wrong, size=2, replace=False))]
    first, second, third = (named(offered[int(i)]) for i in rng.permutation(3))
    which = world.which.format(color=item.color, choices=f"{first}, {second} or {third}")
    return (
        CheckQuestion("yes_no", presence.text + _SHORT, yes_no),
        CheckQuestion("which", which, tuple(map(_telling_word, (item.shape, *wrong)))),
    )


def _telling_word(noun: str) -> str:
    """Return the word that tells a noun from the others of its world: "exit" of "EXIT sign"."""
    return noun.split()[0].casefold()
