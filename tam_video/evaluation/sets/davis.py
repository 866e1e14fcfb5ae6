"""DAVIS-2017 and the referring expressions for it.

Layout: davisvideochallenge/davis2017-evaluation; davis_semantics.json of the semantics package;
davis_text_annotations of Khoreva et al., ACCV 2018, arXiv:1803.08006, one `NAME NUMBER "TEXT"` a
line, two annotators, each for the first frame and for the full video.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tam_video.errors import DatasetError
from tam_video.evaluation.sets.base import (
    CURVE_NAMES,
    PLACE_NAMES,
    TIME_NAMES,
    VIDEO_QUESTION,
    Frames,
    PublicSet,
    SetItem,
    SetQuery,
)
from tam_video.evaluation.sets.files import (
    checked,
    field,
    first_of,
    image_files,
    inside,
    number,
    read_json,
    read_lines,
)
from tam_video.evaluation.sets.masks import IndexedMasks
from tam_video.evaluation.sets.referring import youtube_items
from tam_video.evaluation.sets.truths import NamedTruth, ReferredTruth

logger = logging.getLogger(__name__)

TEXT_FILES = (
    "Davis17_annot1.txt",
    "Davis17_annot1_full_video.txt",
    "Davis17_annot2.txt",
    "Davis17_annot2_full_video.txt",
)
_ANNOTATIONS = ("Annotations_unsupervised", "Annotations")
_LINE = re.compile(r'(\S+)\s+(\d+)\s+"?(.*?)"?$')
_MISSPELT = {"clasic-car": "classic-car", "dog-scale": "dogs-scale", "motor-bike": "motorbike"}


def read_davis(query: SetQuery) -> list[SetItem]:
    """One item a sequence: its caption, and the categories of its objects."""
    root = _root(query.folder)
    file = root / "davis_semantics.json"
    semantics = checked(read_json(file), dict, str(file))
    _warn_of_numbers(root)
    items = []
    for name in _sequences(root, query.subset):
        objects = field(semantics, name, dict, str(file))
        numbers = tuple(sorted(number(key, f"an object of {name}") for key in objects))
        if not numbers:
            continue
        categories = tuple(field(objects, str(key), str, f"{name} of {file}") for key in numbers)
        frames, masks = _sequence(root, name, numbers)
        truth = NamedTruth(masks, categories)
        items.append(SetItem(name, name, Frames(frames, query.fps), query.question, truth))
    return items


def read_ref_davis(query: SetQuery) -> list[SetItem]:
    """One item an expression; of the text files or of their form as Ref-YouTube-VOS."""
    if (query.folder / "meta_expressions").exists():
        subset = {"val": "valid"}.get(query.subset, query.subset)
        return youtube_items(replace(query, subset=subset))
    root = _root(query.folder)
    texts = _text_folder(query.folder, root)
    found = list(_expressions(texts))
    _warn_of_numbers(root)
    items = []
    for name in _sequences(root, query.subset):
        own = [told for told in found if told[1] == name]
        for place, (file, _, key, expression) in enumerate(own):
            frames, masks = _sequence(root, name, (key,))
            items.append(
                SetItem(
                    f"{name}/{place}:{file}/{key}",
                    name,
                    Frames(frames, query.fps),
                    query.question,
                    ReferredTruth(masks),
                    answer=expression,
                )
            )
    return items


def _root(folder: Path) -> Path:
    """The folder itself, or DAVIS in it."""
    return folder if (folder / "JPEGImages").exists() else first_of(folder, "DAVIS")


def _text_folder(folder: Path, root: Path) -> Path:
    for place in (folder, root, root.parent):
        if (place / "davis_text_annotations").is_dir():
            return place / "davis_text_annotations"
    raise DatasetError(f"{folder} holds no davis_text_annotations")


def _warn_of_numbers(root: Path) -> None:
    if not (root / _ANNOTATIONS[0]).exists():
        logger.warning(
            "%s has no %s: objects are taken to be numbered alike in %s", root, *_ANNOTATIONS
        )


def _sequences(root: Path, subset: str) -> list[str]:
    return read_lines(root / "ImageSets" / "2017" / f"{subset}.txt")


def _sequence(
    root: Path, name: str, numbers: tuple[int, ...]
) -> tuple[tuple[Path, ...], IndexedMasks]:
    """Frames and masks. The numbers are those of the unsupervised annotations where both are there.

    The published semantics and expressions count the objects as these do.
    """
    frames = image_files(inside(root / "JPEGImages" / "480p", name))
    annotations = first_of(root, *_ANNOTATIONS) / "480p"
    masks = tuple(inside(annotations, name) / f"{path.stem}.png" for path in frames)
    return frames, IndexedMasks(masks, numbers)


def _expressions(folder: Path) -> Iterator[tuple[str, str, int, str]]:
    """File, sequence, number and text of every line; the second annotator's are in Latin-1."""
    files = [folder / name for name in TEXT_FILES if (folder / name).exists()]
    if not files:
        raise DatasetError(f"{folder} holds no {TEXT_FILES[0]}")
    for file in files:
        for line in _text_lines(file):
            told = _LINE.match(line)
            if told is None or not told[3].strip():
                raise DatasetError(f"{file} has a line of another form: {line[:60]!r}")
            yield file.stem, _MISSPELT.get(told[1], told[1]), int(told[2]), told[3].strip()


def _text_lines(file: Path) -> list[str]:
    try:
        return read_lines(file)
    except DatasetError as exc:
        if isinstance(exc.__cause__, UnicodeDecodeError):
            return read_lines(file, encoding="latin-1")
        raise


DAVIS = PublicSet(
    name="davis",
    title="DAVIS-2017 (trainval 480p, with the semantics package)",
    read=read_davis,
    subsets=("val", "train"),
    metrics=(*PLACE_NAMES, "obj_iou", "func_iou", "f1_iou", *TIME_NAMES, *CURVE_NAMES),
    default_metrics=(*PLACE_NAMES, "obj_iou", "func_iou", "f1_iou", *TIME_NAMES),
    site="davischallenge.org",
    licence="CC BY-NC 4.0",
    layout=(
        "JPEGImages/480p/NAME/*.jpg",
        "Annotations_unsupervised/480p/NAME/*.png (or Annotations/)",
        "ImageSets/2017/val.txt",
        "davis_semantics.json",
    ),
    fps=24.0,
    question=VIDEO_QUESTION,
)
REF_DAVIS = PublicSet(
    name="ref-davis",
    title="DAVIS-2017 with its text annotations",
    read=read_ref_davis,
    subsets=("val", "train"),
    metrics=(*PLACE_NAMES, *TIME_NAMES, *CURVE_NAMES),
    default_metrics=(*PLACE_NAMES, *TIME_NAMES),
    site="davischallenge.org and, for the texts, mpi-inf.mpg.de",
    licence="CC BY-NC 4.0",
    layout=(
        "DAVIS/ as for davis",
        "davis_text_annotations/Davis17_annot1.txt, ...",
        "or meta_expressions/valid/meta_expressions.json with valid/JPEGImages/NAME/*.jpg and "
        "valid/Annotations/NAME/*.png",
    ),
    fps=24.0,
    question=VIDEO_QUESTION,
)
