"""Videos with expressions that refer to objects: Ref-YouTube-VOS, MeViS, ReVOS, ReasonVOS.

All tell `{"videos": {NAME: {"expressions": {NUMBER: {...}}, "frames": [...]}}}`; they differ in the
names of files, and in where masks are. Layouts: wjn922/ReferFormer docs/data.md;
henghuiding/MeViS; cilinyan/VISA tools/eval_revos.py; showlab/VideoLISA benchmark_check.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tam_video.datasets.cells import MaskedClip
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
    number_field,
    read_json,
)
from tam_video.evaluation.sets.masks import BinaryMasks, IndexedMasks, TrackMasks
from tam_video.evaluation.sets.truths import ReferredTruth

NO_OBJECT = 2
"""`type_id` of ReVOS' expressions that are true of nothing."""
_NO_MASKS = "without masks nothing can be scored: choose a subset that has them, --subsets NAME"


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression of an annotation file.

    Attributes:
        video: its video.
        name: its number in the video.
        frames: the video's frames, by name without ending.
        record: its fields.
        entry: those of the video.
        where: what to call it in an error.
    """

    video: str
    name: str
    frames: tuple[str, ...]
    record: dict[str, Any]
    entry: dict[str, Any]
    where: str

    def item(
        self, query: SetQuery, folder: Path, masks: MaskedClip, *, text: str = "exp"
    ) -> SetItem:
        """The item of it.

        Args:
            query: what of the set is read.
            folder: where its frames are.
            masks: of the object.
            text: the field of its text.
        """
        paths = tuple(inside(folder, f"{frame}.jpg") for frame in self.frames)
        expression = field(self.record, text, str, self.where).strip()
        if not expression:
            raise DatasetError(f"{self.where} is empty")
        return SetItem(
            f"{self.video}/{self.name}",
            self.video,
            Frames(paths, query.fps),
            query.question,
            ReferredTruth(masks),
            answer=expression,
        )


def expressions(file: Path) -> Iterator[Expression]:
    """Every expression of a file, in its order.

    Raises:
        DatasetError: it is missing or of another form.
    """
    videos = field(read_json(file), "videos", dict, str(file))
    for video, entry in videos.items():
        told = field(entry, "expressions", dict, f"{video} of {file}")
        frames = field(entry, "frames", list, f"{video} of {file}")
        names = tuple(checked(name, str, f"a frame of {video}") for name in frames)
        if not names:
            raise DatasetError(f"{video} of {file} has no frames")
        for name, record in told.items():
            where = f"expression {name} of {video} in {file}"
            yield Expression(video, name, names, checked(record, dict, where), entry, where)


def youtube_items(query: SetQuery) -> list[SetItem]:
    """Ref-YouTube-VOS, and whatever was brought to its form."""
    file = query.folder / "meta_expressions" / query.subset / "meta_expressions.json"
    root = query.folder / query.subset
    items = []
    for told in expressions(file):
        if "obj_id" not in told.record:
            raise DatasetError(
                f"{told.where} names no object",
                hint=_NO_MASKS,
            )
        key = number_field(told.record, "obj_id", told.where)
        annotations = inside(root / "Annotations", told.video)
        masks = tuple(inside(annotations, f"{frame}.png") for frame in told.frames)
        folder = inside(root / "JPEGImages", told.video)
        items.append(told.item(query, folder, IndexedMasks(masks, (key,))))
    return items


def read_mevis(query: SetQuery) -> list[SetItem]:
    """One item an expression; its objects are the union of their tracks."""
    root = query.folder / query.subset
    return _tracked(query, root / "meta_expressions.json", root, root / "mask_dict.json")


def read_revos(query: SetQuery) -> list[SetItem]:
    """One item an expression that is true of an object."""
    root = query.folder
    file = root / f"meta_expressions_{query.subset}_.json"
    return _tracked(query, file, root, root / "mask_dict.json")


def read_reason_vos(query: SetQuery) -> list[SetItem]:
    """One item an expression; its masks have a folder of their own."""
    root = query.folder
    items = []
    for told in expressions(root / "meta_expressions.json"):
        source = field(told.entry, "source", str, told.where)
        key = told.record.get("obj_id")
        names = [f"{name}_{told.video}_{key}" for name in (source.lower(), source)]
        for name in names:
            inside(root, name)
        masks = image_files(first_of(root / "Annotations", *names))
        if len(masks) != len(told.frames):
            raise DatasetError(f"{told.where} has {len(masks)} masks of {len(told.frames)} frames")
        folder = inside(root / "JPEGImages", told.video)
        items.append(told.item(query, folder, BinaryMasks(masks), text="exp_text"))
    return items


def _tracked(query: SetQuery, file: Path, root: Path, tracks: Path) -> list[SetItem]:
    items, found = [], list(expressions(file))
    if not tracks.is_file():
        raise DatasetError(f"{tracks} is missing", hint=_NO_MASKS)
    for told in found:
        if told.record.get("type_id") == NO_OBJECT:
            continue
        numbers = field(told.record, "anno_id", list, told.where)
        names = tuple(str(number(key, f"'anno_id' of {told.where}")) for key in numbers)
        if not names:
            continue
        folder = inside(root / "JPEGImages", told.video)
        items.append(told.item(query, folder, TrackMasks(tracks, names)))
    return items


_METRICS = (*PLACE_NAMES, *TIME_NAMES, *CURVE_NAMES)
_DEFAULT = (*PLACE_NAMES, *TIME_NAMES)

REF_YOUTUBE_VOS = PublicSet(
    name="ref-youtube-vos",
    title="Ref-YouTube-VOS",
    read=youtube_items,
    subsets=("train", "valid"),
    metrics=_METRICS,
    default_metrics=_DEFAULT,
    site="youtube-vos.org and its referring challenge",
    licence="CC BY 4.0 for annotations, non-commercial research",
    layout=(
        "meta_expressions/train/meta_expressions.json",
        "train/JPEGImages/NAME/*.jpg",
        "train/Annotations/NAME/*.png",
    ),
    fps=6.0,
    question=VIDEO_QUESTION,
)
MEVIS = PublicSet(
    name="mevis",
    title="MeViS",
    read=read_mevis,
    subsets=("valid_u", "train", "valid"),
    metrics=_METRICS,
    default_metrics=_DEFAULT,
    site="henghuiding.github.io/MeViS",
    licence="CC BY-NC-SA 4.0",
    layout=(
        "valid_u/meta_expressions.json",
        "valid_u/mask_dict.json",
        "valid_u/JPEGImages/NAME/*.jpg",
    ),
    fps=6.0,
    question=VIDEO_QUESTION,
)
REVOS = PublicSet(
    name="revos",
    title="ReVOS",
    read=read_revos,
    subsets=("valid", "train"),
    metrics=_METRICS,
    default_metrics=_DEFAULT,
    site="github.com/cilinyan/ReVOS-api",
    licence="see its page; sources are non-commercial",
    layout=("meta_expressions_valid_.json", "mask_dict.json", "JPEGImages/NAME/*.jpg"),
    fps=6.0,
    question=VIDEO_QUESTION,
)
REASON_VOS = PublicSet(
    name="reason-vos",
    title="ReasonVOS",
    read=read_reason_vos,
    subsets=("all",),
    metrics=_METRICS,
    default_metrics=_DEFAULT,
    site="github.com/showlab/VideoLISA (BENCHMARK.md)",
    licence="non-commercial research",
    layout=(
        "meta_expressions.json",
        "JPEGImages/NAME/*.jpg",
        "Annotations/SOURCE_NAME_OBJECT/*.png",
    ),
    fps=6.0,
    question=VIDEO_QUESTION,
)
