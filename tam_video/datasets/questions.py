"""Questions about shape-world clips with exact answers. Ambiguous questions are left out.

Left out are: a colour or a shape by itself where two objects share it; "how does it move" where no
word is true (see `SceneObject.motion`); a caption where one object has no such word; "where" unless
the object stands still in one quarter all the time; "when" unless one of the three answers is true;
"how many" above three, or where an object appears in both shots of a cut and may count as two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tam_video.datasets.scene import SceneClip, SceneObject
from tam_video.datasets.shapes import COLORS, SHAPES, SIDE_PX

COUNTS = {1: "There is one object.", 2: "There are two objects.", 3: "There are three objects."}
_EARLY = 0.6  # an object that disappears before this share is "only at the start"


@dataclass(frozen=True, slots=True)
class ShapeQuestion:
    """A question about a clip, with its exact answer.

    Attributes:
        kind: "color", "shape", "motion", "location", "presence", "when", "count", "caption" or
            "multi_turn".
        text: the question of the last turn.
        answer: the exact answer.
        history: earlier turns as (question, answer) pairs; empty except for "multi_turn".
        is_negative: a presence question about an object that is not there.
    """

    kind: str
    text: str
    answer: str
    history: tuple[tuple[str, str], ...] = ()
    is_negative: bool = False


def named(noun: str) -> str:
    """Return a noun phrase with its article: "a red star", "an orange ring"."""
    return f"{'an' if noun[0] in 'aeiouAEIOU' else 'a'} {noun}"


def location_words(x: float, y: float) -> str:
    """Return a phrase for the quarter of the picture that contains a point: "at the top left"."""
    middle = SIDE_PX / 2
    return f"at the {'top' if y < middle else 'bottom'} {'left' if x < middle else 'right'}"


def motion_phrase(item: SceneObject) -> str:
    """Return the motion of an object, such as "moves left", or "" if no motion word is true."""
    if item.motion is None:
        return ""
    return "stays still" if item.motion == "still" else f"moves {item.motion}"


def caption(clip: SceneClip) -> str:
    """Describe a clip in one sentence with the name of each object and, if known, its motion."""
    parts = [f"{named(item.name)} {motion_phrase(item)}".rstrip() for item in clip.objects]
    joined = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{joined[0].upper()}{joined[1:]}."


def shape_turn(item: SceneObject) -> tuple[str, str]:
    """Return a question such as "What shape is the red object?", and its answer."""
    question = f"What shape is the {item.color} object?"
    return question, f"The {item.color} object is {named(item.shape)}."


def presence_question(
    clip: SceneClip,
    rng: np.random.Generator,
    *,
    negative: bool,
    shapes: Sequence[str] = SHAPES,
) -> ShapeQuestion:
    """Sample an "Is there ...?" question. If `negative`, it asks about an absent object.

    Three of four negative questions share a colour or a shape with an object of the clip; absent
    objects have one of the given shapes.
    """
    real = {(o.color, o.shape) for o in clip.objects}
    if not negative:
        item = clip.objects[int(rng.integers(len(clip.objects)))]
        text = f"Is there {named(item.name)}?"
        return ShapeQuestion("presence", text, f"Yes, there is {named(item.name)}.")
    while True:
        item = clip.objects[int(rng.integers(len(clip.objects)))]
        color = str(rng.choice(list(COLORS)))
        shape = str(rng.choice(shapes))
        draw = rng.random()
        color = item.color if draw < 0.375 else color
        shape = item.shape if 0.375 <= draw < 0.75 else shape
        if (color, shape) not in real:
            name = f"{color} {shape}"
            return ShapeQuestion(
                "presence", f"Is there {named(name)}?", f"No, there is no {name}.", is_negative=True
            )


def when_phrase(clip: SceneClip, item: SceneObject) -> str | None:
    """Return when an object is visible, as one of three phrases, or None if no phrase is true.

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
    """Return a phrase for the quarter of the picture an object stays in, or None if it moves."""
    if item.motion != "still":
        return None
    locations = {
        location_words(*np.subtract(trajectory.center(frame), clip.shot_at(frame).camera(frame)))
        for trajectory in item.trajectories
        for frame in (trajectory.first_frame, trajectory.last_frame)
    }
    return locations.pop() if len(locations) == 1 else None


def make_scene_questions(clip: SceneClip, rng: np.random.Generator) -> list[ShapeQuestion]:
    """Sample one question of every kind that the clip allows, and one about an absent object."""
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
    questions += [presence_question(clip, rng, negative=negative) for negative in (False, True)]
    return questions + _multi_turn(clip, colors, rng)


def _multi_turn(
    clip: SceneClip, colors: Sequence[SceneObject], rng: np.random.Generator
) -> list[ShapeQuestion]:
    """Sample two questions. The first names an object by its colour; the second calls it "it"."""
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
    """Return the objects whose `key` value is unique in the clip."""
    counts = Counter(key(item) for item in clip.objects)
    return [item for item in clip.objects if counts[key(item)] == 1]


def _pick(items: Sequence[SceneObject], rng: np.random.Generator) -> SceneObject | None:
    return items[int(rng.integers(len(items)))] if items else None
