"""The questions on which the models are trained, about clips of the base world."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tam_video.datasets.questions import (
    COUNTS,
    ShapeQuestion,
    caption,
    location_phrase,
    motion_phrase,
    presence_question,
    shape_turn,
    when_phrase,
)
from tam_video.datasets.scene import SceneClip
from tam_video.datasets.shapes import SHAPES

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


def caption_facts(text: str) -> frozenset[str]:
    """Split a caption into its clauses, so that captions compare in any order of objects."""
    body = text.strip().rstrip(".").lower()
    return frozenset(part.strip() for chunk in body.split(",") for part in chunk.split(" and "))


def make_questions(
    clip: SceneClip, rng: np.random.Generator, *, shapes: Sequence[str] = SHAPES
) -> list[ShapeQuestion]:
    """Draw one question of every kind that the clip allows; for "presence" also a negative one.

    Negative ones are about absent objects with one of the given shapes.
    """
    pick = clip.objects[int(rng.integers(len(clip.objects)))]
    questions = [
        ShapeQuestion("shape", *shape_turn(pick)),
        ShapeQuestion("count", "How many objects are there?", COUNTS[len(clip.objects)]),
        ShapeQuestion("caption", "Describe the video.", caption(clip)),
        _motion(clip, rng),
        _when(clip, rng),
        presence_question(clip, rng, negative=False, shapes=shapes),
        presence_question(clip, rng, negative=True, shapes=shapes),
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
        name = item.name
        questions.append(
            ShapeQuestion(
                "location", f"Where is the {name}?", f"The {name} is {location_phrase(clip, item)}."
            )
        )
    return questions


def _count_shape(clip: SceneClip, shape: str) -> int:
    return sum(o.shape == shape for o in clip.objects)


def _motion(clip: SceneClip, rng: np.random.Generator) -> ShapeQuestion:
    item = clip.objects[int(rng.integers(len(clip.objects)))]
    name = item.name
    return ShapeQuestion(
        "motion", f"How does the {name} move?", f"The {name} {motion_phrase(item)}."
    )


def _when(clip: SceneClip, rng: np.random.Generator) -> ShapeQuestion:
    item = clip.objects[int(rng.integers(len(clip.objects)))]
    name = item.name
    return ShapeQuestion(
        "when", f"When is the {name} visible?", f"The {name} is visible {when_phrase(clip, item)}."
    )


def _multi_turn(clip: SceneClip, rng: np.random.Generator) -> ShapeQuestion:
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
        f"It is visible {when_phrase(clip, item)}.",
        history=(first,),
    )
