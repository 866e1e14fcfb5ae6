"""Ground truth for the words of an answer.

Owns: which words name objects of a clip of shapes, and the masks of any clip on the model's cells
and on the pixels under them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from tam_video.datasets.cells import MaskedClip, cell_masks
from tam_video.datasets.pictograms import PICTOGRAMS
from tam_video.datasets.scene import SceneClip
from tam_video.datasets.shapes import COLORS, SHAPES
from tam_video.datasets.written import SIGNS
from tam_video.evaluation.score import AnswerTruth, ObjectWord
from tam_video.tam import join_words
from tam_video.types import BoolArray, FrameBatch, Generation, IntArray, View, VisualLayout, Word

NamedObjects: TypeAlias = tuple[tuple[tuple[int, ...], ...], BoolArray]
"""Tokens of each word of a name, counted along M, and which objects it names, bool [objects]."""


def answer_truth(clip: SceneClip, batch: FrameBatch, generation: Generation) -> AnswerTruth:
    """Return the ground truth of an answer: its object words with masks, and its function words.

    A word that several objects share has the masks of all of them; one that is true of none has
    empty masks. The clip was shown as the only input, as the frames of `batch`.
    """
    words = join_words(generation.tokens)
    named = [((word.token_indices,), _named_by(word, clip)) for word in words if names_object(word)]
    return masked_truth(clip, batch, generation.layouts[0], words=words, named=named)


def masked_truth(
    clip: MaskedClip,
    batch: FrameBatch,
    layout: VisualLayout,
    *,
    words: Sequence[Word],
    named: Sequence[NamedObjects],
) -> AnswerTruth:
    """Make an answer's ground truth; `named` says which words name which objects."""
    return AnswerTruth(
        objects=object_words(clip, batch, layout, named),
        function_words=tuple(word.token_indices for word in words if is_function_word(word)),
        frame_slots=frame_positions(layout),
    )


def object_words(
    clip: MaskedClip,
    batch: FrameBatch,
    layout: VisualLayout,
    named: Sequence[NamedObjects],
) -> tuple[ObjectWord, ...]:
    """Return, for each name in `named`, the masks of its objects: as cells and as pixels.

    A name that is true of no object gets empty masks.
    """
    if not named:
        return ()
    fed = _fed_frames(layout)
    cells = cell_masks(clip, layout, batch.indices)
    visible = visible_slots(clip, layout.slot_indices(batch.indices))
    pixels = view_masks(clip, batch.indices[fed], layout.view)
    return tuple(
        ObjectWord(
            tuple(index for tokens in words for index in tokens),
            cells=np.asarray(cells[is_true].any(axis=0)),
            pixels=np.asarray(pixels[is_true].any(axis=0)),
            visible=np.asarray(visible[is_true].any(axis=0)),
            words=words,
        )
        for words, is_true in named
    )


def frame_positions(layout: VisualLayout) -> tuple[tuple[int, ...], ...]:
    """Return the frames of each slot as indices into the sorted list of all slots' frames."""
    index = {frame: number for number, frame in enumerate(_fed_frames(layout))}
    return tuple(tuple(index[frame] for frame in frames) for frames in layout.frame_slots)


def names_object(word: Word) -> bool:
    """Return whether a word is a colour or belongs to the name of a shape, pictogram or sign."""
    return word.text.casefold() in (*COLORS, *_noun_words(*SHAPES, *PICTOGRAMS, *SIGNS))


def is_function_word(word: Word) -> bool:
    """Return whether a word is a function word and not punctuation."""
    return not word.is_content and any(map(str.isalnum, word.text))


def visible_slots(clip: MaskedClip, slots: tuple[tuple[int, ...], ...]) -> BoolArray:
    """Return whether each object is visible in each slot: bool [objects, t]."""
    visible = [
        np.logical_or.reduce([clip.masks(frame).any(axis=(1, 2)) for frame in frames])
        for frames in slots
    ]
    return np.stack(visible, axis=1)


def view_masks(clip: MaskedClip, indices: IntArray, view: View) -> BoolArray:
    """Return the objects' masks on the image area that the cells cover: bool [objects, T, H, W].

    That part is rounded to pixels; padding around the image is empty.
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


def _named_by(word: Word, clip: SceneClip) -> BoolArray:
    """Return for each object whether a word is its colour or part of its noun: bool [objects]."""
    form = word.text.casefold()
    return np.array(
        [form in (item.color, *_noun_words(item.shape)) for item in clip.objects], np.bool_
    )


def _noun_words(*nouns: str) -> tuple[str, ...]:
    """Return the words of some nouns, in lower case."""
    return tuple(word for noun in nouns for word in noun.casefold().split())


def _fed_frames(layout: VisualLayout) -> list[int]:
    """Return the frames that belong to any slot, in ascending order."""
    return sorted({frame for frames in layout.frame_slots for frame in frames})
