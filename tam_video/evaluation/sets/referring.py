"""Video data sets with referring expressions, and DAVIS-2017.

Ref-YouTube-VOS, MeViS, ReVOS and ReasonVOS store
`{"videos": {NAME: {"expressions": {NUMBER: {...}}, "frames": [...]}}}`, with different file names
and masks. Layouts: wjn922/ReferFormer docs/data.md; henghuiding/MeViS; cilinyan/VISA
tools/eval_revos.py; showlab/VideoLISA benchmark_check.py. DAVIS:
davisvideochallenge/davis2017-evaluation with davis_semantics.json of the semantics package;
davis_text_annotations of Khoreva et al., ACCV 2018, arXiv:1803.08006, one `NAME NUMBER "TEXT"` per
line, two annotators, each for the first frame and for the full video.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from tam_video.datasets.cells import MaskedClip
from tam_video.errors import DatasetError
from tam_video.evaluation.score import CURVES
from tam_video.evaluation.sets.base import (
    PLACE_NAMES,
    TIME_NAMES,
    VIDEO_METRICS,
    VIDEO_QUESTION,
    Frames,
    PublicSet,
    SetItem,
    SetQuery,
    referred,
)
from tam_video.evaluation.sets.files import (
    Integer,
    Record,
    first_of,
    image_files,
    inside,
    read_json,
    read_lines,
)
from tam_video.evaluation.sets.masks import IndexedMasks, TrackMasks
from tam_video.evaluation.sets.truths import NamedTruth

logger = logging.getLogger(__name__)

NO_OBJECT = 2
"""`type_id` of ReVOS' expressions that are true of nothing."""
_NO_MASKS = "without masks nothing can be scored: choose a subset that has them, --subsets NAME"
TEXT_FILES = (
    "Davis17_annot1.txt",
    "Davis17_annot1_full_video.txt",
    "Davis17_annot2.txt",
    "Davis17_annot2_full_video.txt",
)
_ANNOTATIONS = ("Annotations_unsupervised", "Annotations")
_LINE = re.compile(r'(\S+)\s+(\d+)\s+"?(.*?)"?$')
_MISSPELT = {"clasic-car": "classic-car", "dog-scale": "dogs-scale", "motor-bike": "motorbike"}


class _Expression(Record):
    exp: str = ""
    exp_text: str = ""
    obj_id: Any = None
    anno_id: tuple[Integer, ...] = ()
    type_id: int = 0

    @property
    def text(self) -> str:
        """The text of the expression, which a file stores as `exp` or `exp_text`."""
        return self.exp or self.exp_text


class _Video(Record):
    expressions: dict[str, _Expression]
    frames: Annotated[list[str], Field(min_length=1)]
    source: str = ""


class _Document(Record):
    videos: dict[str, _Video]


class _Entry(NamedTuple):
    """A referring expression with its video, read from an annotation file."""

    name: str
    video: _Video
    expression: _Expression
    where: str


_Masks = Callable[[_Entry], MaskedClip | None]
"""The masks of an expression's object; None to leave the expression out."""


def _read(query: SetQuery, file: Path, root: Path, masks_of: _Masks) -> list[SetItem]:
    """Return one item per expression in `file`, with frames from JPEGImages in `root`."""
    items = []
    for name, video in read_json(file, _Document).videos.items():
        folder = inside(root / "JPEGImages", name)
        paths = tuple(inside(folder, f"{frame}.jpg") for frame in video.frames)
        for key, expression in video.expressions.items():
            where = f"expression {key} of {name} in {file}"
            masks = masks_of(_Entry(name, video, expression, where))
            if masks is not None:
                frames = Frames(paths, query.fps)
                items.append(referred(query, f"{name}/{key}", name, frames, masks, expression.text))
    return items


def youtube_items(query: SetQuery) -> list[SetItem]:
    """Return one item per expression of Ref-YouTube-VOS, or of a set in the same format."""
    root = query.folder / query.subset

    def masks_of(entry: _Entry) -> MaskedClip:
        key = str(entry.expression.obj_id)
        if not key.isdecimal():
            raise DatasetError(f"{entry.where} names no object", hint=_NO_MASKS)
        folder = inside(root / "Annotations", entry.name)
        paths = tuple(inside(folder, f"{frame}.png") for frame in entry.video.frames)
        return IndexedMasks(paths, (int(key),))

    file = query.folder / "meta_expressions" / query.subset / "meta_expressions.json"
    return _read(query, file, root, masks_of)


def read_tracked(query: SetQuery, *, root: str, file: str) -> list[SetItem]:
    """Return one item per referring expression, with the joined masks of its object's tracks."""
    folder = query.folder / root.format(query.subset)
    tracks = folder / "mask_dict.json"

    def masks_of(entry: _Entry) -> MaskedClip | None:
        if not tracks.is_file():
            raise DatasetError(f"{tracks} is missing", hint=_NO_MASKS)
        if entry.expression.type_id == NO_OBJECT or not entry.expression.anno_id:
            return None
        return TrackMasks(tracks, tuple(map(str, entry.expression.anno_id)))

    return _read(query, folder / file.format(query.subset), folder, masks_of)


def read_reason_vos(query: SetQuery) -> list[SetItem]:
    """Return one item per expression of ReasonVOS. Every expression has a folder of masks."""
    root = query.folder

    def masks_of(entry: _Entry) -> MaskedClip:
        source = entry.video.source
        names = [
            f"{each}_{entry.name}_{entry.expression.obj_id}" for each in (source.lower(), source)
        ]
        for name in names:
            inside(root, name)
        masks = image_files(first_of(root / "Annotations", *names))
        if len(masks) != len(entry.video.frames):
            count = len(entry.video.frames)
            raise DatasetError(f"{entry.where} has {len(masks)} masks for {count} frames")
        return IndexedMasks(masks)

    return _read(query, root / "meta_expressions.json", root, masks_of)


def read_davis(query: SetQuery) -> list[SetItem]:
    """Return one item per sequence, with the categories of its objects as ground truth."""
    root = _davis_root(query.folder)
    semantics = read_json(root / "davis_semantics.json", dict[str, dict[Integer, str]])
    items = []
    for name in _sequences(root, query.subset):
        if name not in semantics:
            raise DatasetError(f"{root / 'davis_semantics.json'} has no {name!r}")
        categories = dict(sorted(semantics[name].items()))
        if categories:
            frames, masks = _sequence(root, name, tuple(categories))
            truth = NamedTruth(masks, tuple(categories.values()))
            visual = Frames(frames, query.fps)
            items.append(SetItem(name, name, visual, query.question, truth))
    return items


def read_ref_davis(query: SetQuery) -> list[SetItem]:
    """Return one item per expression. The files are text or in the Ref-YouTube-VOS format."""
    if (query.folder / "meta_expressions").exists():
        subset = {"val": "valid"}.get(query.subset, query.subset)
        return youtube_items(replace(query, subset=subset))
    root = _davis_root(query.folder)
    parents = (query.folder, root, root.parent)
    texts = [folder / "davis_text_annotations" for folder in parents]
    folder = next((path for path in texts if path.is_dir()), None)
    if folder is None:
        raise DatasetError(f"{query.folder} contains no davis_text_annotations")
    expressions = list(_davis_expressions(folder))
    items = []
    for name in _sequences(root, query.subset):
        own = [each for each in expressions if each[1] == name]
        for index, (file, _, key, text) in enumerate(own):
            frames, masks = _sequence(root, name, (key,))
            label, visual = f"{name}/{index}:{file}/{key}", Frames(frames, query.fps)
            items.append(referred(query, label, name, visual, masks, text))
    return items


def _davis_root(folder: Path) -> Path:
    """Return the folder that contains JPEGImages: the given folder or its subfolder DAVIS."""
    root = folder if (folder / "JPEGImages").exists() else first_of(folder, "DAVIS")
    if not (root / _ANNOTATIONS[0]).exists():
        logger.warning(
            "%s has no %s: objects are assumed to be numbered alike in %s", root, *_ANNOTATIONS
        )
    return root


def _sequences(root: Path, subset: str) -> list[str]:
    return read_lines(root / "ImageSets" / "2017" / f"{subset}.txt")


def _sequence(
    root: Path, name: str, numbers: tuple[int, ...]
) -> tuple[tuple[Path, ...], IndexedMasks]:
    """Return the frames and the masks of a sequence.

    Published semantics and expressions number the objects as the unsupervised annotations do, which
    are therefore preferred.
    """
    frames = image_files(inside(root / "JPEGImages" / "480p", name))
    annotations = first_of(root, *_ANNOTATIONS) / "480p"
    masks = tuple(inside(annotations, name) / f"{path.stem}.png" for path in frames)
    return frames, IndexedMasks(masks, numbers)


def _davis_expressions(folder: Path) -> Iterator[tuple[str, str, int, str]]:
    """Yield the file, sequence, number and text of every line. Some lines are in Latin-1."""
    files = [folder / name for name in TEXT_FILES if (folder / name).exists()]
    if not files:
        raise DatasetError(f"{folder} contains no {TEXT_FILES[0]}")
    for file in files:
        try:
            lines = read_lines(file)
        except DatasetError as exc:
            if not isinstance(exc.__cause__, UnicodeDecodeError):
                raise
            lines = read_lines(file, encoding="latin-1")
        for line in lines:
            match = _LINE.match(line)
            if match is None or not match[3].strip():
                raise DatasetError(f"{file} contains a line in another format: {line[:60]!r}")
            yield file.stem, _MISSPELT.get(match[1], match[1]), int(match[2]), match[3]


_set = partial(
    PublicSet, metrics=VIDEO_METRICS, question=VIDEO_QUESTION, fps=6.0, subsets=("valid", "train")
)
REF_YOUTUBE_VOS = _set(
    name="ref-youtube-vos",
    title="Ref-YouTube-VOS",
    read=youtube_items,
    subsets=("train", "valid"),
    site="youtube-vos.org and its referring challenge",
    licence="CC BY 4.0 for annotations, non-commercial research",
    layout=(
        "meta_expressions/train/meta_expressions.json",
        "train/JPEGImages/NAME/*.jpg",
        "train/Annotations/NAME/*.png",
    ),
)
MEVIS = _set(
    name="mevis",
    title="MeViS",
    read=partial(read_tracked, root="{}", file="meta_expressions.json"),
    subsets=("valid_u", "train", "valid"),
    site="henghuiding.github.io/MeViS",
    licence="CC BY-NC-SA 4.0",
    layout=(
        "valid_u/meta_expressions.json",
        "valid_u/mask_dict.json",
        "valid_u/JPEGImages/NAME/*.jpg",
    ),
)
REVOS = _set(
    name="revos",
    title="ReVOS",
    read=partial(read_tracked, root=".", file="meta_expressions_{}_.json"),
    site="github.com/cilinyan/ReVOS-api",
    licence="see its page; sources are non-commercial",
    layout=("meta_expressions_valid_.json", "mask_dict.json", "JPEGImages/NAME/*.jpg"),
)
REASON_VOS = _set(
    name="reason-vos",
    title="ReasonVOS",
    read=read_reason_vos,
    subsets=("all",),
    site="github.com/showlab/VideoLISA (BENCHMARK.md)",
    licence="non-commercial research",
    layout=(
        "meta_expressions.json",
        "JPEGImages/NAME/*.jpg",
        "Annotations/SOURCE_NAME_OBJECT/*.png",
    ),
)
_davis = partial(_set, subsets=("val", "train"), fps=24.0, licence="CC BY-NC 4.0")
DAVIS = _davis(
    name="davis",
    title="DAVIS-2017 (trainval 480p, with the semantics package)",
    read=read_davis,
    metrics=(*PLACE_NAMES, "obj_iou", "func_iou", "f1_iou", *TIME_NAMES, *CURVES),
    site="davischallenge.org",
    layout=(
        "JPEGImages/480p/NAME/*.jpg",
        "Annotations_unsupervised/480p/NAME/*.png (or Annotations/)",
        "ImageSets/2017/val.txt",
        "davis_semantics.json",
    ),
)
REF_DAVIS = _davis(
    name="ref-davis",
    title="DAVIS-2017 with its text annotations",
    read=read_ref_davis,
    site="davischallenge.org and, for the texts, mpi-inf.mpg.de",
    layout=(
        "DAVIS/ as for davis",
        "davis_text_annotations/Davis17_annot1.txt, ...",
        "or meta_expressions/valid/meta_expressions.json with valid/JPEGImages/NAME/*.jpg and "
        "valid/Annotations/NAME/*.png",
    ),
)
