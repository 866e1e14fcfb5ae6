"""The calibration worlds: their clips, and the questions about them."""

import numpy as np
import pytest

from tam_video.calibration.evidence import is_right
from tam_video.calibration.worlds import (
    CALIBRATION_WORLDS,
    CalibrationWorld,
    CheckQuestion,
    check_questions,
    find_world,
)
from tam_video.datasets.questions import caption
from tam_video.errors import UnknownNameError

EVERY = pytest.mark.parametrize("world", CALIBRATION_WORLDS.values(), ids=lambda each: each.name)


def questions(world: CalibrationWorld, number: int) -> tuple[CheckQuestion, CheckQuestion]:
    rng = np.random.default_rng([0, world.stream, number])
    yes_no, which = check_questions(world.make(0, number), rng, world=world)
    return yes_no, which


def test_worlds_have_their_own_seeds() -> None:
    worlds = CALIBRATION_WORLDS.values()
    assert len({world.stream for world in worlds}) == len(worlds)
    assert all(0 <= world.stream < 16 for world in worlds)


@EVERY
def test_a_number_gives_one_clip(world: CalibrationWorld) -> None:
    clip = world.make(3, 5)
    assert world.make(3, 5) == clip
    assert clip not in (world.make(3, 6), world.make(4, 5), world.make(3, 5, split="test"))


@EVERY
def test_objects_have_names_of_the_world_and_different_colours(world: CalibrationWorld) -> None:
    for number in range(10):
        clip = world.make(0, number)
        assert {item.shape for item in clip.objects} <= set(world.shapes)
        assert len({item.color for item in clip.objects}) == len(clip.objects) in (1, 2, 3)
        assert all(item.motion is not None for item in clip.objects)
        for item in clip.objects:
            assert item.name in caption(clip)


@EVERY
def test_the_right_answer_is_right_and_the_others_are_wrong(world: CalibrationWorld) -> None:
    answers = []
    for number in range(20):
        yes_no, which = questions(world, number)
        answers.append(yes_no.right[0])
        assert is_right(yes_no, f"{yes_no.right[0].title()}, it is.")
        assert not is_right(yes_no, f"{yes_no.right[1].title()}.")
        color = next(c for c in which.text.split() if f"the {c} object" in which.text)
        item = next(each for each in world.make(0, number).objects if each.color == color)
        for shape in world.shapes:
            assert is_right(which, f"The {color} object is a {shape}.") == (shape == item.shape)
        assert not is_right(which, " and ".join(world.shapes))
        assert not is_right(which, "")
    assert set(answers) == {"yes", "no"}


def test_a_question_about_signs_offers_words() -> None:
    _, which = questions(find_world("signs"), 0)
    assert which.text.count(" sign") == 3
    assert which.right[0] in which.text.casefold()
    assert all(word.islower() and " " not in word for word in which.right)


def test_an_unknown_world_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="moon"):
        find_world("moon")
