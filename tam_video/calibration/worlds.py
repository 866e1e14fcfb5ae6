"""The worlds of calibration: clips that a multimodal LLM understands, with exact masks.

Every clip has a true caption in plain English, and a yes/no and a which-one question that tell
whether the model understands the clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tam_video.datasets.pictograms import PICTOGRAMS
from tam_video.datasets.questions import named, presence_question
from tam_video.datasets.scene import SceneClip
from tam_video.datasets.shapes import SHAPES, Split
from tam_video.datasets.worlds import make_clip
from tam_video.datasets.written import SIGNS
from tam_video.errors import UnknownNameError

_SHORT = " Answer yes or no."
# Calibration uses seeds of the split "dev" from here on, which no other command draws.
_FIRST_SEED = 1_000_000
_MAX_WORLDS, _MAX_CLIPS = 16, 100_000  # so many share a seed of the user without equal clips
_WHICH = "Which of these is the {color} object: {choices}?"


@dataclass(frozen=True, slots=True)
class CalibrationWorld:
    """A family of calibration clips.

    Attributes:
        name: its key in `CALIBRATION_WORLDS`.
        about: what its objects are, in a few words.
        shapes: names of the things that an object can be.
        stream: distinguishes its seeds from those of other worlds.
        which: a which-one question about the object of a colour; `{choices}` stands for three
            names, of which one is right.
    """

    name: str
    about: str
    shapes: tuple[str, ...]
    stream: int
    which: str

    def make(self, seed: int, number: int, *, split: Split = "dev") -> SceneClip:
        """Make a clip with one to three objects. Objects move, appear and disappear.

        Args:
            seed: seed of a calibration, at least 0.
            number: number of the clip, from 0 to 99,999.
            split: "dev" for calibration; "test" gives other clips, for an evaluation.
        """
        clip_seed = _FIRST_SEED + (seed * _MAX_WORLDS + self.stream) * _MAX_CLIPS + number
        return make_clip(clip_seed, split=split, shapes=self.shapes)


CALIBRATION_WORLDS: dict[str, CalibrationWorld] = {
    world.name: world
    for world in (
        CalibrationWorld(
            "shapes", "coloured shapes", SHAPES, 0, "What shape is the {color} object?"
        ),
        CalibrationWorld("pictograms", "coloured pictograms", tuple(PICTOGRAMS), 1, _WHICH),
        CalibrationWorld("signs", "coloured signs with a written word", SIGNS, 2, _WHICH),
    )
}


@dataclass(frozen=True, slots=True)
class CheckQuestion:
    """A question whose answer shows whether the model understands a clip.

    Attributes:
        kind: "yes_no" or "which".
        text: the question.
        right: the words, in lower case, of which the answer has to contain the first one, and none
            of the others.
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


def check_questions(
    clip: SceneClip, rng: np.random.Generator, *, world: CalibrationWorld
) -> tuple[CheckQuestion, ...]:
    """Sample a yes-or-no question and a multiple-choice question about a clip."""
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
