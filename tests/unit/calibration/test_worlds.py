"""The calibration worlds: their clips, and the questions about them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tam_video.calibration.evidence import is_right
from tam_video.calibration.staging import SIZES
from tam_video.calibration.worlds import (
    CALIBRATION_WORLDS,
    CalibrationWorld,
    CheckQuestion,
    check_questions,
    find_world,
    named_worlds,
)
from tam_video.datasets.placing import keep_apart
from tam_video.datasets.questions import caption
from tam_video.datasets.scene import SceneClip, backdrop
from tam_video.errors import ConfigError, UnknownNameError

EVERY = pytest.mark.parametrize("world", CALIBRATION_WORLDS.values(), ids=lambda each: each.name)


def clips_of(name: str, count: int = 12) -> list[SceneClip]:
    return [find_world(name).make(1, number) for number in range(count)]


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
def test_objects_are_whole_inside_the_picture_and_hide_nothing(world: CalibrationWorld) -> None:
    for number in range(8):
        clip = world.make(0, number)
        for frame in range(0, clip.num_frames, 5):
            masks = clip.masks(frame)
            for mask, item in zip(masks, clip.objects, strict=True):
                assert mask.any() == (item.trajectory_at(frame) is not None)
                assert mask.any() == item.is_visible(frame)
                edge = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
                assert not any(side.any() for side in edge)
        parts = [(item, each) for item in clip.objects for each in item.trajectories]
        for one, first in parts:
            assert all(keep_apart(first, other) for item, other in parts if item is not one)


@EVERY
def test_masks_are_where_the_colour_is(world: CalibrationWorld) -> None:
    for number in range(4):
        clip = world.make(0, number)
        for k, item in enumerate(clip.objects):
            frame = item.visible_frames[0]
            mask = clip.masks(frame)[k]
            inside = clip.render_frame(frame)[mask].astype(float)
            darkest = 1.0 if item.fill is None else item.fill.dark
            share = inside.mean(axis=0) @ np.array(item.rgb) / (np.array(item.rgb) ** 2).sum()
            assert (darkest + 1) / 2 - 0.15 < share < 1.05


def test_sizes_are_spread_evenly_in_logarithm_from_1_to_40_percent() -> None:
    clips = [find_world("sizes").make(0, number) for number in range(60)]
    areas = []
    for clip in clips:
        frame = clip.objects[0].visible_frames[0]
        areas.append(clip.masks(frame)[0].mean())
    assert SIZES[0] * 0.95 < min(areas) < 0.02
    assert 0.25 < max(areas) < SIZES[1] * 1.02
    assert 0.04 < np.median(areas) < 0.1


def test_large_objects_have_a_pattern_of_two_brightnesses_that_moves_along() -> None:
    for clip in clips_of("textured"):
        plain = replace(clip, noise=0.0)
        for k, item in enumerate(clip.objects):
            assert item.fill is not None
            for frame in item.visible_frames[:: max(1, len(item.visible_frames) - 1)]:
                mask = clip.masks(frame)[k]
                assert 0.12 < mask.mean() < 0.41
                picture = plain.render_frame(frame)[mask].astype(float)
                channel = int(np.argmax(item.rgb))
                bright = picture[:, channel] / item.rgb[channel]
                is_light, is_dark = bright > 0.98, bright < item.fill.dark + 0.02
                assert 0.2 < is_light.mean() < 0.8
                assert is_light.mean() + is_dark.mean() > 0.85


def test_clutter_is_grey_and_behind_the_objects() -> None:
    for clip in clips_of("clutter", 6):
        [shot] = clip.shots
        assert shot.clutter >= 80
        plain = replace(clip, shots=(replace(shot, clutter=0),))
        added = np.abs(backdrop(clip, 0).astype(int) - backdrop(plain, 0)).max(axis=-1) > 0
        assert 0.08 < added.mean() < 0.5
        behind = backdrop(clip, 0)[added].astype(int)
        assert np.abs(behind - behind.mean(axis=1, keepdims=True)).max() < 20
        assert behind.max() < 200


def test_objects_go_and_return() -> None:
    for clip in clips_of("come-and-go"):
        assert max(len(item.visible) for item in clip.objects) == 2
        for item in clip.objects:
            assert len(item.trajectories) == len(item.visible)
            assert all(last - first >= 8 for first, last in item.visible)
            for (_, end), (start, _) in pairwise(item.visible):
                assert 12 <= start - end - 1 <= 16
                assert len({each.center(0) for each in item.trajectories}) == 1


def test_objects_in_context_are_always_side_by_side() -> None:
    for clip in clips_of("context"):
        one, other = clip.objects
        assert one.shape != other.shape
        assert one.motion == other.motion
        assert one.visible == other.visible
        (a,), (b,) = one.trajectories, other.trajectories
        for frame in one.visible_frames:
            way = np.abs(np.subtract(a.center(frame), b.center(frame)))
            np.testing.assert_allclose(sorted(way), (0, (a.size_px + b.size_px) / 2 + 4), atol=1e-6)


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


def test_worlds_are_named_or_chosen() -> None:
    assert named_worlds(()) == named_worlds(("auto",)) == ()
    assert named_worlds(("signs", "sizes", "signs")) == ("signs", "sizes")
    with pytest.raises(ConfigError, match="named, and to be chosen too"):
        named_worlds(("auto", "shapes"))
    with pytest.raises(UnknownNameError, match="moon"):
        named_worlds(("shapes", "moon"))
