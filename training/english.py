"""Questions in ordinary words about clips of shapes and pictograms, for `smol`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tam_video.datasets.questions import ShapeQuestion, named, presence_question
from tam_video.datasets.scene import SceneClip
from tam_video.datasets.shapes import COLORS, SHAPES
from training.questions import make_questions

PHRASINGS: dict[str, tuple[str, ...]] = {
    "Describe the video.": (
        "Describe the video.",
        "What happens in the video?",
        "What do you see in this video?",
        "Describe this clip in one sentence.",
    ),
    "How many objects are there?": (
        "How many objects are there?",
        "How many things can you see in the video?",
        "Count the objects in the video.",
    ),
    "How does the {} move?": (
        "How does the {} move?",
        "What does the {} do?",
        "In which direction does the {} move?",
    ),
    "When is the {} visible?": (
        "When is the {} visible?",
        "When can you see the {}?",
        "At what time does the {} appear?",
    ),
    "Where is the {}?": ("Where is the {}?", "In which part of the picture is the {}?"),
    "What color is the {}?": ("What color is the {}?", "Which color does the {} have?"),
    "What shape is the {} object?": (
        "What shape is the {} object?",
        "What is the {} object?",
        "What is the thing in {}?",
    ),
    "Is there {}?": ("Is there {}?", "Is there {} in the video?", "Can you see {}?"),
}
_SHORT = " Answer yes or no."


def rephrased(text: str, rng: np.random.Generator) -> str:
    """Return one of the phrasings of a question."""
    for pattern, choices in PHRASINGS.items():
        head, _, tail = pattern.partition("{}")
        if text.startswith(head) and text.endswith(tail) and ("{}" in pattern or text == pattern):
            inner = text[len(head) : len(text) - len(tail)] if "{}" in pattern else ""
            return choices[int(rng.integers(len(choices)))].replace("{}", inner)
    return text


def english_questions(
    clip: SceneClip, rng: np.random.Generator, *, nouns: Sequence[str]
) -> list[ShapeQuestion]:
    """Draw questions of every kind in varied words, and short yes/no and which-one questions."""
    kin = [noun for noun in nouns if (noun in SHAPES) == (clip.objects[0].shape in SHAPES)]
    questions = [
        replace(question, text=rephrased(question.text, rng))
        for question in make_questions(clip, rng, shapes=kin)
    ]
    for negative in (False, True):
        asked = presence_question(clip, rng, negative=negative, shapes=kin)
        text = rephrased(asked.text, rng) + _SHORT
        answer = "No." if negative else "Yes."
        questions.append(ShapeQuestion("yes_no", text, answer, is_negative=negative))
    questions += [_about_noun(clip, rng, kin), _which(clip, rng, kin), _which_color(clip, rng)]
    return questions


def _about_noun(clip: SceneClip, rng: np.random.Generator, nouns: Sequence[str]) -> ShapeQuestion:
    """Draw a yes/no question about a noun without its colour."""
    present = {item.shape for item in clip.objects}
    absent = [noun for noun in nouns if noun not in present]
    negative = bool(rng.random() < 0.5)
    noun = str(rng.choice(absent if negative else sorted(present)))
    text = rephrased(f"Is there {named(noun)}?", rng) + _SHORT
    return ShapeQuestion("yes_no", text, "No." if negative else "Yes.", is_negative=negative)


def _which(clip: SceneClip, rng: np.random.Generator, nouns: Sequence[str]) -> ShapeQuestion:
    """Draw a question that offers three nouns, of which one is present."""
    present = sorted({item.shape for item in clip.objects})
    absent = [noun for noun in nouns if noun not in present]
    right = str(rng.choice(present))
    offered = [right, *(str(noun) for noun in rng.choice(absent, size=2, replace=False))]
    first, second, third = (named(offered[int(i)]) for i in rng.permutation(3))
    text = f"Which of these is in the video: {first}, {second} or {third}?"
    answer = named(right)
    return ShapeQuestion("which", text, f"{answer[0].upper()}{answer[1:]}.")


def _which_color(clip: SceneClip, rng: np.random.Generator) -> ShapeQuestion:
    """Draw a question that offers three colours, of which one is present."""
    item = clip.objects[int(rng.integers(len(clip.objects)))]
    present = {each.color for each in clip.objects}
    absent = [color for color in COLORS if color not in present]
    offered = [item.color, *(str(color) for color in rng.choice(absent, size=2, replace=False))]
    first, second, third = (offered[int(i)] for i in rng.permutation(3))
    text = f"Which of these colors is in the video: {first}, {second} or {third}?"
    return ShapeQuestion("which", text, f"{item.color.capitalize()}.")
