"""What the words of an answer about a clip of shapes should point at.

Owns: which words name objects, and masks on the model's cells and on the pixels under them.
"""

from __future__ import annotations

import math

import numpy as np

from tam_video.datasets.cells import cell_masks
from tam_video.datasets.scene import SceneClip
from tam_video.datasets.shapes import COLORS, SHAPES
from tam_video.evaluation.score import AnswerTruth, ObjectWord
from tam_video.metrics.grids import BoolArray
from tam_video.tam import join_words
from tam_video.types import FrameBatch, Generation, IntArray, View, Word


def answer_truth(clip: SceneClip, batch: FrameBatch, generation: Generation) -> AnswerTruth:
    """Masks for every colour and shape word of an answer, and its function words.

    A word that several objects share points at all of them; one that is true of none has empty
    masks.

    Args:
        clip: the clip that was shown, as the one input.
        batch: the frames of it that the model saw.
        generation: what it said.
    """
    layout = generation.layouts[0]
    fed = sorted({frame for frames in layout.frame_slots for frame in frames})
    place = {frame: number for number, frame in enumerate(fed)}
    cells = cell_masks(clip, layout, batch.indices)
    pixels = view_masks(clip, batch.indices[fed], layout.view)
    visible = visible_slots(clip, layout.slot_indices(batch.indices))
    words = join_words(generation.tokens)
    objects = []
    for word in words:
        if not names_object(word):
            continue
        is_true = [word.text.casefold() in (item.color, item.shape) for item in clip.objects]
        objects.append(
            ObjectWord(
                word.token_indices,
                cells=np.asarray(cells[is_true].any(axis=0)),
                pixels=np.asarray(pixels[is_true].any(axis=0)),
                visible=np.asarray(visible[is_true].any(axis=0)),
            )
        )
    return AnswerTruth(
        objects=tuple(objects),
        function_words=tuple(word.token_indices for word in words if is_function_word(word)),
        frame_slots=tuple(tuple(place[frame] for frame in frames) for frames in layout.frame_slots),
    )


def names_object(word: Word) -> bool:
    """Whether a word is one of the world's colours or shapes."""
    return word.text.casefold() in COLORS or word.text.casefold() in SHAPES


def is_function_word(word: Word) -> bool:
    """Whether a word is a function word; punctuation is none."""
    return not word.is_content and any(map(str.isalnum, word.text))


def visible_slots(clip: SceneClip, slots: tuple[tuple[int, ...], ...]) -> BoolArray:
    """Bool [objects, t]: whether an object is seen in one of the source frames of a slot."""
    return np.array(
        [[any(map(item.is_visible, frames)) for frames in slots] for item in clip.objects],
        dtype=np.bool_,
    ).reshape(len(clip.objects), len(slots))


def view_masks(clip: SceneClip, indices: IntArray, view: View) -> BoolArray:
    """Masks of the part of the picture that the cells cover, padding around it empty.

    Args:
        clip: the clip.
        indices: int64 [T], numbers of its frames.
        view: that part, rounded to whole pixels.

    Returns:
        bool [objects, T, H, W].
    """
    masks = np.stack([clip.masks(int(index)) for index in indices], axis=1)
    height, width = masks.shape[2:]
    left, right = round(view.left * width), math.ceil(view.right * width)
    top, bottom = round(view.top * height), math.ceil(view.bottom * height)
    margins = [(max(0, -top), max(0, bottom - height)), (max(0, -left), max(0, right - width))]
    padded = np.pad(masks, [(0, 0), (0, 0), *margins])
    top, left = max(top, 0), max(left, 0)
    bottom, right = bottom + margins[0][0], right + margins[1][0]
    return np.asarray(padded[:, :, top:bottom, left:right])
