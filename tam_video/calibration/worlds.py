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
from tam_video.datasets.shapes import SHAPES
from tam_video.datasets.worlds import make_clip
from tam_video.errors import UnknownNameError

_SHORT = " Answer yes or no."
# Calibration uses seeds of the split "dev" from here on, which no other command draws.
_FIRST_SEED = 1_000_000


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

    def make(self, seed: int, number: int) -> SceneClip:
        """Make a clip with one to three objects. Objects move, appear and disappear."""
        clip_seed = _FIRST_SEED + (seed * 4 + self.stream) * 100_000 + number
        return make_clip(clip_seed, split="dev", shapes=self.shapes)


CALIBRATION_WORLDS: dict[str, CalibrationWorld] = {
    world.name: world
    for world in (
        CalibrationWorld(
            "shapes", "coloured shapes", SHAPES, 0, "What shape is the {color} object?"
        ),
        CalibrationWorld(
            "pictograms",
            "coloured pictograms",
            tuple(PICTOGRAMS),
            1,
            "Which of these is the {color} object: {choices}?",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class CheckQuestion:
    """A question whose answer shows whether the model understands a clip.

    Attributes:
        kind: "yes_no" or "which".
        text: the question.
        right: the words of which the answer has to contain the first one, and none of the others.
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
        CheckQuestion("which", which, (item.shape, *wrong)),
    )
