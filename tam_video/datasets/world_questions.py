"""Questions about clips of any world, asked only where the answer is beyond doubt.

Owns: which question a clip allows. The wording is that of `questions`, so that a model trained on
the base world is asked in words it knows.

What is left out: a colour or a shape by itself where two objects share it; "how does it move" where
no word is true (see `SceneObject.motion`); a caption where one object has no such word; "where"
unless the object stands still in one quarter all the time; "when" unless it is one of the three
answers; "how many" above three, or where an object appears on both sides of a cut and one may doubt
that it is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from tam_video.datasets.questions import ShapeQuestion, location_words, named, presence_question
from tam_video.datasets.scene import SceneClip, SceneObject, still_of
from tam_video.datasets.shapes import ShapeClip

_COUNTS = {1: "There is one object.", 2: "There are two objects.", 3: "There are three objects."}
_EARLY = 0.6  # what is there from the first frame and gone by then is "only at the start"


def motion_phrase(item: SceneObject) -> str | None:
    """What an object does: "moves left", "stays still", or None where no word is true."""
    if item.motion is None:
        return None
    return "stays still" if item.motion == "still" else f"moves {item.motion}"


def when_phrase(clip: SceneClip, item: SceneObject) -> str | None:
    """When an object is visible, in words; None where none of the three answers is true.

    "the whole time": in every frame. "only at the start": one interval that begins with the clip
    and ends within its first 60 %, or lies in its first third. "only at the end": the same from the
    other side.
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
    """The quarter in which an object stands all the time it is there; None where it does not."""
    if item.motion != "still":
        return None
    found = {
        location_words(still)
        for trajectory in item.trajectories
        for frame in (trajectory.first_frame, trajectory.last_frame)
        if (still := still_of(clip, item, frame)) is not None
    }
    return found.pop() if len(found) == 1 else None


def scene_caption(clip: SceneClip) -> str:
    """The clip in one sentence; an object without a motion word is just named."""
    parts = [
        " ".join(filter(None, (named(item.name), motion_phrase(item)))) for item in clip.objects
    ]
    joined = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{joined[0].upper()}{joined[1:]}."


def make_scene_questions(clip: SceneClip, rng: np.random.Generator) -> list[ShapeQuestion]:
    """One question of every kind that the clip allows; for "presence" also a negative one."""
    colors, shapes = _alone(clip, lambda item: item.color), _alone(clip, lambda item: item.shape)
    told = [item for item in clip.objects if item.motion is not None]
    timed = [item for item in clip.objects if when_phrase(clip, item)]
    placed = [item for item in clip.objects if location_phrase(clip, item)]
    found: list[ShapeQuestion] = []
    if item := _pick(colors, rng):
        found.append(ShapeQuestion("shape", *_shape_turn(item)))
    if item := _pick(shapes, rng):
        text = f"What color is the {item.shape}?"
        found.append(ShapeQuestion("color", text, f"The {item.shape} is {item.color}."))
    if len(clip.objects) in _COUNTS and all(len(each.trajectories) == 1 for each in clip.objects):
        found.append(
            ShapeQuestion("count", "How many objects are there?", _COUNTS[len(clip.objects)])
        )
    if len(told) == len(clip.objects):
        found.append(ShapeQuestion("caption", "Describe the video.", scene_caption(clip)))
    if item := _pick(told, rng):
        text = f"How does the {item.name} move?"
        found.append(ShapeQuestion("motion", text, f"The {item.name} {motion_phrase(item)}."))
    if item := _pick(timed, rng):
        text = f"When is the {item.name} visible?"
        answer = f"The {item.name} is visible {when_phrase(clip, item)}."
        found.append(ShapeQuestion("when", text, answer))
    if item := _pick(placed, rng):
        answer = f"The {item.name} is {location_phrase(clip, item)}."
        found.append(ShapeQuestion("location", f"Where is the {item.name}?", answer))
    found += [
        presence_question(_named_alike(clip), rng, negative=negative) for negative in (False, True)
    ]
    return found + _multi_turn(clip, colors, rng)


def _multi_turn(
    clip: SceneClip, colors: Sequence[SceneObject], rng: np.random.Generator
) -> list[ShapeQuestion]:
    """A first turn that names an object by its colour, a second that says only "it"."""
    choices = [
        ShapeQuestion("multi_turn", text, f"It {verb}{phrase}.", history=(_shape_turn(item),))
        for item in colors
        for text, verb, phrase in (
            ("How does it move?", "", motion_phrase(item)),
            ("When is it visible?", "is visible ", when_phrase(clip, item)),
        )
        if phrase is not None
    ]
    return [choices[int(rng.integers(len(choices)))]] if choices else []


def _shape_turn(item: SceneObject) -> tuple[str, str]:
    return (
        f"What shape is the {item.color} object?",
        f"The {item.color} object is a {item.shape}.",
    )


def _alone(clip: SceneClip, key: Callable[[SceneObject], str]) -> list[SceneObject]:
    """The objects that share what `key` tells with no other."""
    counts = Counter(key(item) for item in clip.objects)
    return [item for item in clip.objects if counts[key(item)] == 1]


def _pick(items: Sequence[SceneObject], rng: np.random.Generator) -> SceneObject | None:
    return items[int(rng.integers(len(items)))] if items else None


def _named_alike(clip: SceneClip) -> ShapeClip:
    """A clip of `shapes` whose objects have the same names: all that presence is about."""
    stills = (still_of(clip, item, item.trajectories[0].first_frame) for item in clip.objects)
    return ShapeClip(0, "test", tuple(still for still in stills if still is not None), 0)
