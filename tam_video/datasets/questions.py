"""Questions about clips of the base world, with their exact answers.

Colours differ within a clip, so "the red object" is unambiguous; a shape is named by itself only
where it is unique.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tam_video.datasets.scene import SceneClip, SceneObject
from tam_video.datasets.shapes import COLORS, SHAPES, SIDE_PX, ShapeClip, ShapeObject

KINDS: tuple[str, ...] = (
    "color",
    "shape",
    "motion",
    "location",
    "presence",
    "when",
    "count",
    "caption",
    "multi_turn",
)
COUNTS = {1: "There is one object.", 2: "There are two objects.", 3: "There are three objects."}
_WHEN = {"whole": "the whole time", "start": "only at the start", "end": "only at the end"}


@dataclass(frozen=True, slots=True)
class ShapeQuestion:
    """A question with its exact answer.

    Attributes:
        kind: one of `KINDS`.
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
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def location_words(item: ShapeObject) -> str:
    """Return the location of a still object, such as "at the top left"."""
    x, y = item.center(0)
    middle = SIDE_PX / 2
    return f"at the {'top' if y < middle else 'bottom'} {'left' if x < middle else 'right'}"


def motion_phrase(item: ShapeObject | SceneObject) -> str:
    """Return the motion of an object, such as "moves left"; "" where no word is true."""
    if item.motion is None:
        return ""
    return "stays still" if item.motion == "still" else f"moves {item.motion}"


def caption(clip: ShapeClip | SceneClip) -> str:
    """Describe a clip in one sentence, objects in order; those without a motion are only named."""
    parts = [
        f"{named(f'{item.color} {item.shape}')} {motion_phrase(item)}".rstrip()
        for item in clip.objects
    ]
    joined = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{joined[0].upper()}{joined[1:]}."


def caption_facts(text: str) -> frozenset[str]:
    """Split a caption into its clauses, so that captions compare in any order of objects."""
    body = text.strip().rstrip(".").lower()
    return frozenset(part.strip() for chunk in body.split(",") for part in chunk.split(" and "))


def make_questions(clip: ShapeClip, rng: np.random.Generator) -> list[ShapeQuestion]:
    """Draw one question of every kind that the clip allows; for "presence" also a negative one."""
    pick = clip.objects[int(rng.integers(len(clip.objects)))]
    questions = [
        ShapeQuestion("shape", *shape_turn(pick)),
        ShapeQuestion("count", "How many objects are there?", COUNTS[len(clip.objects)]),
        ShapeQuestion("caption", "Describe the video.", caption(clip)),
        _motion(clip, rng),
        _when(clip, rng),
        presence_question(clip, rng, negative=False),
        presence_question(clip, rng, negative=True),
        _multi_turn(clip, rng),
    ]
    unique = [o for o in clip.objects if _count_shape(clip, o.shape) == 1]
    if unique:
        item = unique[int(rng.integers(len(unique)))]
        questions.append(
            ShapeQuestion(
                "color", f"What color is the {item.shape}?", f"The {item.shape} is {item.color}."
            )
        )
    still = [o for o in clip.objects if o.motion == "still"]
    if still:
        item = still[int(rng.integers(len(still)))]
        name = f"{item.color} {item.shape}"
        questions.append(
            ShapeQuestion(
                "location", f"Where is the {name}?", f"The {name} is {location_words(item)}."
            )
        )
    return questions


def shape_turn(item: ShapeObject | SceneObject) -> tuple[str, str]:
    """Return the question for the shape of an object named by its colour, and the answer."""
    question = f"What shape is the {item.color} object?"
    return question, f"The {item.color} object is a {item.shape}."


def presence_question(
    clip: ShapeClip, rng: np.random.Generator, *, negative: bool
) -> ShapeQuestion:
    """Draw a question about an object of the clip or, if negative, about one that is not there.

    Three of four negative questions share a colour or a shape with an object of the clip.
    """
    real = {(o.color, o.shape) for o in clip.objects}
    if not negative:
        item = clip.objects[int(rng.integers(len(clip.objects)))]
        name = f"{item.color} {item.shape}"
        return ShapeQuestion(
            "presence", f"Is there {named(name)}?", f"Yes, there is {named(name)}."
        )
    while True:
        item = clip.objects[int(rng.integers(len(clip.objects)))]
        color = str(rng.choice(list(COLORS)))
        shape = str(rng.choice(SHAPES))
        draw = rng.random()
        color = item.color if draw < 0.375 else color
        shape = item.shape if 0.375 <= draw < 0.75 else shape
        if (color, shape) not in real:
            name = f"{color} {shape}"
            return ShapeQuestion(
                "presence", f"Is there {named(name)}?", f"No, there is no {name}.", is_negative=True
            )


def _count_shape(clip: ShapeClip, shape: str) -> int:
    return sum(o.shape == shape for o in clip.objects)


def _motion(clip: ShapeClip, rng: np.random.Generator) -> ShapeQuestion:
    item = clip.objects[int(rng.integers(len(clip.objects)))]
    name = f"{item.color} {item.shape}"
    return ShapeQuestion(
        "motion", f"How does the {name} move?", f"The {name} {motion_phrase(item)}."
    )


def _when(clip: ShapeClip, rng: np.random.Generator) -> ShapeQuestion:
    item = clip.objects[int(rng.integers(len(clip.objects)))]
    name = f"{item.color} {item.shape}"
    return ShapeQuestion(
        "when", f"When is the {name} visible?", f"The {name} is visible {_WHEN[item.presence]}."
    )


def _multi_turn(clip: ShapeClip, rng: np.random.Generator) -> ShapeQuestion:
    """Draw a first turn that names an object by its colour and a second that refers to "it"."""
    item = clip.objects[int(rng.integers(len(clip.objects)))]
    first = shape_turn(item)
    if rng.random() < 0.5:
        return ShapeQuestion(
            "multi_turn", "How does it move?", f"It {motion_phrase(item)}.", history=(first,)
        )
    return ShapeQuestion(
        "multi_turn",
        "When is it visible?",
        f"It is visible {_WHEN[item.presence]}.",
        history=(first,),
    )
