"""RefCOCO, RefCOCO+ and RefCOCOg: expressions for objects of COCO images.

Two published JSON forms are read: `refs(SPLIT).json` beside `instances.json` (fields of
lichengunc/refer, as gRefCOCO publishes them), and `instances_NAME_SUBSET.json`, one image a
sentence (wjn922/ReferFormer). The original `refs(SPLIT).p` is a pickle, which runs what it holds
when it is opened: it is never read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tam_video.errors import DatasetError
from tam_video.evaluation.sets.base import (
    IMAGE_QUESTION,
    PLACE_NAMES,
    STILL_CURVES,
    PublicSet,
    SetItem,
    SetQuery,
)
from tam_video.evaluation.sets.files import (
    checked,
    field,
    first_of,
    inside,
    number,
    number_field,
    read_json,
)
from tam_video.evaluation.sets.masks import ShapeMask, coco_masks
from tam_video.evaluation.sets.truths import ReferredTruth

_IMAGE_FOLDERS = (
    "train2014",
    "images/train2014",
    "images/mscoco/images/train2014",
    "../train2014",
    "../images/train2014",
    "../images/mscoco/images/train2014",
)
_NO_PICKLE = (
    "the pickle refs(...).p is not read, for it runs what it holds: save it as JSON under the same "
    "name with the ending .json, on a machine you can spare"
)


def read_refcoco(query: SetQuery, *, name: str, splits: tuple[str, ...]) -> list[SetItem]:
    """One item a sentence."""
    folder = query.folder
    converted = folder / f"instances_{name}_{query.subset}.json"
    if converted.is_file():
        return _converted_items(query, converted)
    refs = [folder / f"{stem}({split}).json" for stem in ("refs", "grefs") for split in splits]
    found = next((path for path in refs if path.is_file()), None)
    if found is not None:
        return _ref_items(query, found)
    if any(path.with_suffix(".p").is_file() for path in refs):
        raise DatasetError(f"{folder} holds the expressions as a pickle only", hint=_NO_PICKLE)
    raise DatasetError(f"{refs[0]} is missing")


def _ref_items(query: SetQuery, file: Path) -> list[SetItem]:
    instances = query.folder / "instances.json"
    document = read_json(instances)
    images, shapes = (
        _by_id(document, "images", instances),
        _by_id(document, "annotations", instances),
    )
    folder = first_of(query.folder, *_IMAGE_FOLDERS)
    items = []
    for ref in checked(read_json(file), list, str(file)):
        where = f"a reference of {file}"
        if field(ref, "split", str, where) != query.subset:
            continue
        key = number_field(ref, "ref_id", where)
        numbers = field(ref, "ann_id", object, where)
        told = [number(one, f"'ann_id' of {where}") for one in _as_list(numbers) if one != -1]
        if not told:
            continue
        image = _known(images, number_field(ref, "image_id", where), instances)
        parts = [_known(shapes, one, instances) for one in told]
        for place, sentence in enumerate(field(ref, "sentences", list, where)):
            text = field(sentence, "sent", str, where)
            items.append(_item(query, f"{key}/{place}", folder, image, parts, text=text))
    return items


def _converted_items(query: SetQuery, file: Path) -> list[SetItem]:
    document = read_json(file)
    images = _by_id(document, "images", file)
    shapes = {
        number_field(shape, "image_id", f"an annotation of {file}"): shape
        for shape in _by_id(document, "annotations", file).values()
    }
    folder = first_of(query.folder, *_IMAGE_FOLDERS)
    return [
        _item(
            query,
            str(key),
            folder,
            image,
            [_known(shapes, key, file)],
            text=field(image, "caption", str, f"image {key} of {file}"),
        )
        for key, image in images.items()
    ]


def _item(
    query: SetQuery,
    name: str,
    folder: Path,
    image: Mapping[str, Any],
    shapes: Sequence[Mapping[str, Any]],
    *,
    text: str,
) -> SetItem:
    file = field(image, "file_name", str, f"the image of {name}")
    mask = ShapeMask(
        tuple(shape.get("segmentation") for shape in shapes),
        height=field(image, "height", int, file),
        width=field(image, "width", int, file),
    )
    if not text.strip():
        raise DatasetError(f"the expression {name} is empty")
    if any(isinstance(part, list) for part in mask.segmentations):
        coco_masks()  # told before a model is loaded
    path = inside(folder, file)
    return SetItem(name, file, path, query.question, ReferredTruth(mask), answer=text.strip())


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _by_id(document: Any, name: str, file: Path) -> dict[int, dict[str, Any]]:
    """The records of a COCO list by their id."""
    records = field(document, name, list, str(file))
    told = [checked(record, dict, f"a record of {name} in {file}") for record in records]
    return {number_field(record, "id", f"a record of {name} in {file}"): record for record in told}


def _known(records: Mapping[int, dict[str, Any]], key: int, file: Path) -> dict[str, Any]:
    if key not in records:
        raise DatasetError(f"{file} has no record {key}")
    return records[key]


def _set(name: str, title: str, splits: tuple[str, ...], subsets: tuple[str, ...]) -> PublicSet:
    return PublicSet(
        name=name,
        title=title,
        read=partial(read_refcoco, name=name, splits=splits),
        subsets=subsets,
        metrics=(*PLACE_NAMES, *STILL_CURVES),
        default_metrics=PLACE_NAMES,
        site="github.com/lichengunc/refer and, for train2014, cocodataset.org",
        licence="annotations as on their page, images under Flickr terms",
        layout=(
            f"refs({splits[0]}).json with instances.json, or instances_{name}_val.json "
            "(pickles are not read)",
            "train2014/COCO_train2014_*.jpg",
        ),
        question=IMAGE_QUESTION,
    )


REFCOCO = _set("refcoco", "RefCOCO", ("unc", "google"), ("val", "testA", "testB", "train"))
REFCOCO_PLUS = _set("refcoco+", "RefCOCO+", ("unc",), ("val", "testA", "testB", "train"))
REFCOCOG = _set("refcocog", "RefCOCOg", ("umd", "google"), ("val", "test", "train"))
