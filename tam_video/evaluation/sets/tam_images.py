"""The image sets of the TAM paper, scored as in its public evaluation.

Layout and rules: xmed-lab/TAM `eval.py` and its formatted download. COCO14:
`annotations/instances_minival2014.json` (which images), `image/` and `seg_label/` with the image's
number in 12 digits. GranDf and OpenPSG: `anno.json`, a list of
[image, description, label picture, {category: number}].

The public rules are kept: maps are quantised to 0..255 and resized to the label image; a noun is a
word that NLTK tags as one without context; of all categories that share a word with it the LAST one
counts ("dog" is also a word of "hot dog"); the best sub-token counts; means are over all words of
all images. Differs: sub-tokens are joined to words by `join_words`, and a noun whose object is not
in the image is never joined to its neighbour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from tam_video.evaluation.clip import Score
from tam_video.evaluation.score import AnswerTruth, WordValues
from tam_video.evaluation.sets.base import STILL_CURVES, PublicSet, SetItem, SetQuery
from tam_video.evaluation.sets.coco import CAPTION_PROMPT
from tam_video.evaluation.sets.files import Integer, Record, inside, read_json, reading
from tam_video.evaluation.sets.masks import read_labels
from tam_video.evaluation.sets.tagging import WordTagger, load_tagger
from tam_video.evaluation.truth import frame_positions
from tam_video.metrics.answers import Noun, answer_iou
from tam_video.tam import join_words
from tam_video.types import ByteArray, FloatArray, FrameBatch, Generation, Word

NOT_LISTED = -1
_RENAMED = {"sports ball": "ball", "wine glass": "glass"}
"""COCO's names that the public evaluation shortens."""


@dataclass(frozen=True, slots=True)
class PublishedTruth:
    """Ground truth from a label image and a list of categories.

    Attributes:
        labels: grey PNG of category numbers; a missing file means no object.
        categories: (name, number) in the published order.
    """

    labels: Path
    categories: tuple[tuple[str, int], ...]

    def of(self, _batch: FrameBatch, generation: Generation, /) -> tuple[AnswerTruth, Score]:
        """Return the ground truth of the answer's nouns, and a function that scores maps."""
        tagger = load_tagger()
        words = join_words(generation.tokens)
        nouns = [
            (word, word_label(word.text, self.categories, tagger))
            for word in words
            if tagger.kind(word.text) == "noun"
        ]
        functions = [word for word in words if tagger.kind(word.text) == "function"]
        layout = generation.layouts[0]
        labels = (
            read_labels(self.labels)
            if self.labels.is_file()
            else np.zeros((layout.h, layout.w), np.uint8)
        )
        score = partial(_score_published, labels=labels, nouns=nouns, functions=functions)
        explained = tuple(word.token_indices for word, _ in nouns)
        return AnswerTruth((), (), frame_positions(layout), explained=explained), score


def word_label(word: str, categories: Iterable[tuple[str, int]], tagger: WordTagger) -> int:
    """Return the number of the last category that shares a word with a noun, or `NOT_LISTED`."""
    labels = [
        label
        for name, label in categories
        if any(tagger.is_same(part, word) for part in name.split())
    ]
    return labels[-1] if labels else NOT_LISTED


def quantised(maps: FloatArray) -> ByteArray:
    """Convert maps in [0, 1] to uint8. Values are truncated, as in the public code."""
    return (np.clip(maps, 0, 1) * 255).astype(np.uint8)


def published_scores(
    maps: FloatArray,
    labels: ByteArray,
    *,
    nouns: Sequence[tuple[Word, int]],
    functions: Sequence[Word],
) -> tuple[list[float], list[float]]:
    """Compute the Obj-IoU of every visible noun and the Func-IoU of every function word.

    Args:
        maps: float32 [M, 1, h, w] in [0, 1].
        labels: uint8 [H, W].
        nouns: each with the number of its category, in the order of the answer.
        functions: the function words.
    """
    whole = quantised(maps)
    objects = [
        Noun(
            _on_labels(whole[list(word.token_indices)], labels),
            (labels == label)[None] if label > 0 else np.zeros((1, *labels.shape), np.bool_),
            word_index=word.index,
            object_id=label if label > 0 else None,
        )
        for word, label in nouns
    ]
    others = [_floats(whole[list(word.token_indices)]) for word in functions]
    scores = answer_iou(objects, others)
    return (
        [score.best for score in scores.object_iou],
        [score.best for score in scores.function_iou],
    )


class _Category(Record):
    id: Integer
    name: str


class _Image(Record):
    id: Integer


class _Minival(Record):
    categories: list[_Category]
    images: list[_Image]


def read_coco14(query: SetQuery) -> list[SetItem]:
    """Return one item per image of the minival list."""
    folder = query.folder
    document = read_json(folder / "annotations" / "instances_minival2014.json", _Minival)
    load_tagger()  # a missing package is an error before a model is loaded
    categories = tuple(
        (_RENAMED.get(each.name, each.name), each.id) for each in document.categories
    )
    items = []
    for image in document.images:
        name = f"{image.id:012d}"
        truth = PublishedTruth(folder / "seg_label" / f"{name}.png", categories)
        path = folder / "image" / f"{name}.jpg"
        items.append(SetItem(name, name, path, query.question, truth))
    return items


def read_listed(query: SetQuery) -> list[SetItem]:
    """Return one item per entry of anno.json."""
    file = query.folder / "anno.json"
    entries = read_json(file, list[list[Any]])
    form = TypeAdapter(tuple[str, Any, str, dict[str, Integer]])
    load_tagger()
    items = []
    for count, entry in enumerate(entries, start=1):
        with reading(file):
            image, _, labels, categories = form.validate_python(entry[:4])
        truth = PublishedTruth(inside(query.folder, labels), tuple(categories.items()))
        path = inside(query.folder, image)
        items.append(SetItem(f"{count}:{image}", image, path, query.question, truth))
    return items


def _score_published(
    maps: FloatArray,
    _truth: AnswerTruth,
    metrics: Iterable[str],
    /,
    *,
    labels: ByteArray,
    nouns: Sequence[tuple[Word, int]],
    functions: Sequence[Word],
) -> WordValues:
    scores = published_scores(maps, labels, nouns=nouns, functions=functions)
    values = dict(zip(("obj_iou", "func_iou"), scores, strict=True))
    return {name: values[name] for name in metrics if name in values}


def _on_labels(maps: ByteArray, labels: ByteArray) -> FloatArray:
    """Resize maps, uint8 [K, 1, h, w], with OpenCV to the label size: float32 [K, 1, H, W]."""
    import cv2

    height, width = labels.shape
    resized = [cv2.resize(np.ascontiguousarray(one[0]), (width, height)) for one in maps]
    return _floats(np.stack(resized)[:, None])


def _floats(values: NDArray[Any]) -> FloatArray:
    return values.astype(np.float32)


def _set(
    name: str, title: str, layout: tuple[str, ...], question: str, *, listed: bool
) -> PublicSet:
    return PublicSet(
        name=name,
        title=title,
        read=read_listed if listed else read_coco14,
        subsets=("all",),
        metrics=("obj_iou", "func_iou", "f1_iou", *STILL_CURVES),
        site="github.com/xmed-lab/TAM (formatted datasets)",
        licence="that of each source set",
        layout=layout,
        question=question,
        pools_words=True,
    )


_LISTED = ("anno.json", "the images and label pictures that it names")
TAM_COCO14 = _set(
    "tam-coco14",
    "COCO14 of TAM",
    (
        "annotations/instances_minival2014.json",
        "image/000000000042.jpg, ...",
        "seg_label/000000000042.png, ...",
    ),
    CAPTION_PROMPT,
    listed=False,
)
TAM_GRANDF = _set(
    "tam-grandf",
    "GranDf of TAM",
    _LISTED,
    "Write a description for this image using around two sentences:",
    listed=True,
)
TAM_OPENPSG = _set(
    "tam-openpsg",
    "OpenPSG of TAM",
    _LISTED,
    "Write a description for this image using around three sentences:",
    listed=True,
)
