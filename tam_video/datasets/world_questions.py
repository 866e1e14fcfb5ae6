"""Questions about clips of any world, only where the answer is unambiguous.

The wording is that of `questions`, on which the models were trained.

Left out are: a colour or a shape by itself where two objects share it; "how does it move" where no
word is true (see `SceneObject.motion`); a caption where one object has no such word; "where" unless
the object stands still in one quarter all the time; "when" unless one of the three answers is true;
"how many" above three, or where an object appears in both shots of a cut and may count as two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from tam_video.datasets.questions import (
    COUNTS,
    ShapeQuestion,
    caption,
    location_words,
    motion_phrase,
    presence_question,
    shape_turn,
)
from tam_video.datasets.scene import SceneClip, SceneObject, still_of
from tam_video.datasets.shapes import ShapeClip

_EARLY = 0.6  # an object that disappears before this share is "only at the start"


def when_phrase(clip: SceneClip, item: SceneObject) -> str | None:
    """Return when an object is visible, in words; None where none of the three answers is true.

    "the whole time": in every frame. "only at the start": one interval that begins with the clip
    and ends within its first 60 %, or lies in its first third. "only at the end": the same in
    reverse.
    """
    if len(item.visible) != 1:
        return None
    ((first, last),) = item.visible
    from_end = clip.num_frames - 1 - first
    if (first, from_end) == (0, last):
        return "the whole time"
    if (first == 0 and last < _EARLY * clip.num_frames) or 3 * last < clip.num_frames:
        return "only at the start"
    is_last = last == clip.num_frames - 1
    if (is_last and from_end < _EARLY * clip.num_frames) or 3 * from_end < clip.num_frames:
        return "only at the end"
    return None


def location_phrase(clip: SceneClip, item: SceneObject) -> str | None:
    """Return the quarter in which an object stands while visible; None where it moves."""
    if item.motion != "still":
        return None
    locations = {
        location_words(still)
        for trajectory in item.trajectories
        for frame in (trajectory.first_frame, trajectory.last_frame)
        if (still := still_of(clip, item, frame)) is not None
    }
    return locations.pop() if len(locations) == 1 else None


def make_scene_questions(clip: SceneClip, rng: np.random.Generator) -> list[ShapeQuestion]:
    """Draw one question of every kind that the clip allows; for "presence" also a negative one."""
    colors, shapes = _alone(clip, lambda item: item.color), _alone(clip, lambda item: item.shape)
    moving = [item for item in clip.objects if item.motion is not None]
    timed = [item for item in clip.objects if when_phrase(clip, item)]
    located = [item for item in clip.objects if location_phrase(clip, item)]
    questions: list[ShapeQuestion] = []
    if item := _pick(colors, rng):
        questions.append(ShapeQuestion("shape", *shape_turn(item)))
    if item := _pick(shapes, rng):
        text = f"What color is the {item.shape}?"
        questions.append(ShapeQuestion("color", text, f"The {item.shape} is {item.color}."))
    if len(clip.objects) in COUNTS and all(len(each.trajectories) == 1 for each in clip.objects):
        questions.append(
            ShapeQuestion("count", "How many objects are there?", COUNTS[len(clip.objects)])
        )
    if len(moving) == len(clip.objects):
        questions.append(ShapeQuestion("caption", "Describe the video.", caption(clip)))
    if item := _pick(moving, rng):
        text = f"How does the {item.name} move?"
        questions.append(ShapeQuestion("motion", text, f"The {item.name} {motion_phrase(item)}."))
    if item := _pick(timed, rng):
        text = f"When is the {item.name} visible?"
        answer = f"The {item.name} is visible {when_phrase(clip, item)}."
        questions.append(ShapeQuestion("when", text, answer))
    if item := _pick(located, rng):
        answer = f"The {item.name} is {location_phrase(clip, item)}."
        questions.append(ShapeQuestion("location", f"Where is the {item.name}?", answer))
    questions += [
        presence_question(_named_alike(clip), rng, negative=negative) for negative in (False, True)
    ]
    return questions + _multi_turn(clip, colors, rng)


def _multi_turn(
    clip: SceneClip, colors: Sequence[SceneObject], rng: np.random.Generator
) -> list[ShapeQuestion]:
    """Draw a first turn that names an object by its colour and a second that refers to "it"."""
    choices = [
        ShapeQuestion("multi_turn", text, f"It {verb}{phrase}.", history=(shape_turn(item),))
        for item in colors
        for text, verb, phrase in (
            ("How does it move?", "", motion_phrase(item)),
            ("When is it visible?", "is visible ", when_phrase(clip, item)),
        )
        if phrase
    ]
    return [choices[int(rng.integers(len(choices)))]] if choices else []


def _alone(clip: SceneClip, key: Callable[[SceneObject], str]) -> list[SceneObject]:
    """Return the objects whose `key` no other object has."""
    counts = Counter(key(item) for item in clip.objects)
    return [item for item in clip.objects if counts[key(item)] == 1]


def _pick(items: Sequence[SceneObject], rng: np.random.Generator) -> SceneObject | None:
    return items[int(rng.integers(len(items)))] if items else None


def _named_alike(clip: SceneClip) -> ShapeClip:
    """Return a clip of `shapes` whose objects have the same names, for `presence_question`."""
    stills = (still_of(clip, item, item.trajectories[0].first_frame) for item in clip.objects)
    return ShapeClip(0, "test", tuple(still for still in stills if still is not None), 0)
