import re
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tam_video.datasets.questions import caption, location_phrase, make_scene_questions, when_phrase
from tam_video.datasets.shapes import COLORS, MOTIONS, SHAPES
from tam_video.datasets.worlds import WORLDS, make_clip, make_world
from training.questions import KINDS, make_questions

EVERY = pytest.mark.parametrize("world", sorted(WORLDS))
NUMBERS = {"one": 1, "two": 2, "three": 3}


@cache
def clip_of(world, seed):
    return make_world(world, seed)


@cache
def areas_and_centers(world, seed):
    """For each object, what the masks alone tell: {frame: (pixels, (x, y))}."""
    clip = clip_of(world, seed)
    centres = [{} for _ in clip.objects]
    for frame in range(clip.num_frames):
        for seen, mask in zip(centres, clip.masks(frame), strict=True):
            ys, xs = np.nonzero(mask)
            if len(xs):
                seen[frame] = (len(xs), np.array([xs.mean(), ys.mean()]))
    return centres


def object_named(clip, words):
    """The one object that has all the colours and shapes of some words."""
    wanted = [word for word in re.findall(r"\w+", words) if word in COLORS or word in SHAPES]
    (number,) = (
        k
        for k, item in enumerate(clip.objects)
        if all(word in (item.color, item.shape) for word in wanted)
    )
    return number


def whole_views(world, seed, number):
    """Runs of frames of one shot that show an object as a whole, as [(first, last)] centres."""
    clip, seen = clip_of(world, seed), areas_and_centers(world, seed)[number]
    most = max(area for area, _ in seen.values())
    starts = [shot.first_frame for shot in clip.shots]
    runs = {}
    for frame, (area, center) in seen.items():
        if area >= 0.97 * most:
            camera = np.array(clip.shot_at(frame).camera(frame))
            runs.setdefault(sum(frame >= s for s in starts), []).append((center, camera))
    return [(run[0], run[-1]) for run in runs.values()]


def check_motion(world, seed, number, words):
    for (one, camera), (other, later) in whole_views(world, seed, number):
        for way in (other - one, other - one + later - camera):  # in the picture, on the background
            if "stays still" in words:
                assert abs(way).max() < 2
            else:
                dx, dy = MOTIONS[words.rstrip(".").split("moves ")[1]]
                assert dx * way[0] + dy * way[1] > max(15, 1.9 * abs(dy * way[0] + dx * way[1]))


def check_when(world, seed, number, words):
    clip, frames = clip_of(world, seed), sorted(areas_and_centers(world, seed)[number])
    assert frames == list(range(frames[0], frames[-1] + 1))
    middle = (frames[0] + frames[-1]) / 2 / (clip.num_frames - 1)
    if "whole" in words:
        assert len(frames) == clip.num_frames
    else:
        assert len(frames) < 0.61 * clip.num_frames
        assert middle < 0.34 if "start" in words else middle > 0.66
        assert ("start" in words) != ("end" in words)


def check_location(world, seed, number, words):
    for _, center in areas_and_centers(world, seed)[number].values():
        assert ("left" in words) == (center[0] < 112)
        assert ("top" in words) == (center[1] < 112)


def check(world, seed, question):
    """Derive one answer again, from masks and names alone."""
    clip = clip_of(world, seed)
    names = [(item.color, item.shape) for item in clip.objects]
    if question.kind == "count":
        assert NUMBERS[question.answer.split()[2]] == len(names)
    elif question.kind == "presence":
        color, shape = question.text.rstrip("?").split()[-2:]
        assert (
            ((color, shape) in names) == question.answer.startswith("Yes") != question.is_negative
        )
        assert f"{color} {shape}." in question.answer
    elif question.kind == "caption":
        parts = re.split(r", | and ", question.answer.rstrip("."))
        assert len(parts) == len(names)
        for part in parts:
            check_motion(world, seed, object_named(clip, part), part)
    else:
        number = object_named(clip, question.history[0][0] if question.history else question.text)
        assert question.history or object_named(clip, question.answer) == number
        if question.kind in ("color", "shape"):
            assert all(word in question.answer for word in names[number])
        if question.kind == "location":
            check_location(world, seed, number, question.answer)
        elif "move" in question.text:
            check_motion(world, seed, number, question.answer)
        elif "When" in question.text:
            check_when(world, seed, number, question.answer)


@EVERY
@pytest.mark.parametrize("seed", range(3))
def test_every_answer_is_true_of_the_masks(world, seed):
    clip = clip_of(world, seed)
    for draw in range(3):
        questions = make_scene_questions(clip, np.random.default_rng([seed, draw]))
        assert {question.is_negative for question in questions} == {True, False}
        for question in questions:
            assert question.kind in KINDS
            assert "None" not in question.text + question.answer
            check(world, seed, question)


def test_kinds_occur_once_and_follow_from_the_seed():
    for world in WORLDS:
        clip = clip_of(world, 0)
        one, two = (make_scene_questions(clip, np.random.default_rng(4)) for _ in range(2))
        assert one == two
        counts = Counter(question.kind for question in one)
        assert counts.pop("presence") == 2
        assert set(counts.values()) <= {1}


def test_questions_of_the_base_world_have_the_training_wording():
    for seed in range(6):
        clip, old = clip_of("base", seed), make_clip(seed)
        assert caption(clip) == caption(old)
        known = {q.text: q.answer for k in range(40) for q in questions_of_old(old, k)}
        others = [
            question
            for question in make_scene_questions(clip, np.random.default_rng(seed))
            if question.kind not in ("presence", "multi_turn")
        ]
        assert others
        assert [known[question.text] for question in others] == [q.answer for q in others]
        assert {q.kind for q in make_scene_questions(clip, np.random.default_rng(0))} == {
            q.kind for q in questions_of_old(old, 0)
        }


def questions_of_old(clip, seed):
    return make_questions(clip, np.random.default_rng(seed))


def test_ambiguous_questions_are_left_out():
    shared = clip_of("distractors", 0)
    for draw in range(5):
        for question in make_scene_questions(shared, np.random.default_rng(draw)):
            assert not question.text.startswith("What shape is the purple")
            assert "is the triangle" not in question.text
    panned = clip_of("pan", 0)
    assert all(location_phrase(panned, item) is None for item in panned.objects)
    twice = next(
        clip
        for clip in (clip_of("cut", seed) for seed in range(20))
        if any(len(item.trajectories) == 2 for item in clip.objects)
    )
    kinds = {q.kind for q in make_scene_questions(twice, np.random.default_rng(0))}
    assert "count" not in kinds
    events = clip_of("long", 0)
    middle = next(item for item in events.objects if 86 < item.visible[0][0] < 150)
    assert when_phrase(events, middle) is None


@pytest.mark.parametrize(
    ("visible", "phrase"),
    [
        (((0, 47),), "the whole time"),
        (((0, 28),), "only at the start"),
        (((0, 29),), None),
        (((2, 15),), "only at the start"),
        (((2, 16),), None),
        (((19, 47),), "only at the end"),
        (((18, 47),), None),
        (((32, 46),), "only at the end"),
        (((31, 46),), None),
        (((0, 10), (12, 47)), None),
        ((), None),
    ],
)
def test_when_has_an_answer_in_clear_cases_only(visible, phrase):
    clip = clip_of("base", 0)
    assert when_phrase(clip, replace(clip.objects[0], visible=visible)) == phrase


def test_a_caption_just_names_what_has_no_motion_word():
    text = caption(clip_of("pan", 0))
    assert text == "A yellow square, a green star and a white square moves up."
