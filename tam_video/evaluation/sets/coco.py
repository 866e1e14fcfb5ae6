"""Sets of COCO images: RefCOCO, RefCOCO+, RefCOCOg, POPE, RePOPE, and captions.

RefCOCO: two published JSON forms are read, `refs(SPLIT).json` with `instances.json` (fields of
lichengunc/refer, as gRefCOCO publishes them), and `instances_NAME_SUBSET.json`, one image per
sentence (wjn922/ReferFormer). The original `refs(SPLIT).p` is a pickle, which can run code when it
is opened: it is never read. POPE: one JSON object per line with question_id, image, text and label
("yes" or "no"), as YanNeu/RePOPE and POPE publish it. Captions: cocodataset.org,
annotations/captions_val2017.json and val2017/*.jpg, or those of 2014; the published captions only
say which images there are, what is explained is the model's own caption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from tam_video.errors import DatasetError
from tam_video.evaluation.sets.base import (
    IMAGE_QUESTION,
    PLACE_NAMES,
    STILL_CURVES,
    PublicSet,
    SetItem,
    SetQuery,
    referred,
)
from tam_video.evaluation.sets.files import (
    Integer,
    Record,
    first_of,
    inside,
    read_json,
    read_lines,
    reading,
)
from tam_video.evaluation.sets.masks import ShapeMask, coco_masks
from tam_video.evaluation.sets.truths import WordsTruth, YesNoTruth

CAPTION_PROMPT = "Write a one-sentence caption for this image:"
_IMAGE_FOLDERS = (
    "train2014",
    "images/train2014",
    "images/mscoco/images/train2014",
    "../train2014",
    "../images/train2014",
    "../images/mscoco/images/train2014",
)
_NO_PICKLE = (
    "the pickle refs(...).p is not read, because it can run code: save it as JSON under the same "
    "name with the ending .json, on a machine without valuable data"
)
Value = TypeVar("Value")


class _Image(Record):
    id: Integer
    file_name: str
    caption: str = ""
    height: int = 0
    width: int = 0


class _Shape(Record):
    id: Integer
    image_id: Integer
    segmentation: Any = None


class _Instances(Record):
    images: list[_Image]
    annotations: list[_Shape]


class _Sentence(Record):
    sent: str


class _Reference(Record):
    ref_id: Integer
    split: str
    image_id: Integer
    ann_id: Integer | list[Integer]
    sentences: list[_Sentence]


class _PopeLine(Record):
    image: str
    text: str
    label: str


class _Captioned(Record):
    image_id: Integer


class _Captions(Record):
    images: list[_Image]
    annotations: list[_Captioned]


def read_refcoco(query: SetQuery, *, name: str, splits: tuple[str, ...]) -> list[SetItem]:
    """Return one item per referring expression of RefCOCO, RefCOCO+ or RefCOCOg."""
    folder = query.folder
    converted = folder / f"instances_{name}_{query.subset}.json"
    if converted.is_file():
        return _converted_items(query, converted)
    refs = [folder / f"{stem}({split}).json" for stem in ("refs", "grefs") for split in splits]
    file = next((path for path in refs if path.is_file()), None)
    if file is not None:
        return _reference_items(query, file)
    if any(path.with_suffix(".p").is_file() for path in refs):
        raise DatasetError(
            f"{folder} contains the expressions only as a pickle file", hint=_NO_PICKLE
        )
    raise DatasetError(f"{refs[0]} is missing")


def _reference_items(query: SetQuery, file: Path) -> list[SetItem]:
    instances = query.folder / "instances.json"
    document = read_json(instances, _Instances)
    images = {image.id: image for image in document.images}
    shapes = {shape.id: shape for shape in document.annotations}
    folder = first_of(query.folder, *_IMAGE_FOLDERS)
    items = []
    for ref in read_json(file, list[_Reference]):
        numbers = ref.ann_id if isinstance(ref.ann_id, list) else [ref.ann_id]
        known = [number for number in numbers if number != -1]
        if ref.split != query.subset or not known:
            continue
        image = _known(images, ref.image_id, instances)
        parts = [_known(shapes, number, instances) for number in known]
        for index, sentence in enumerate(ref.sentences):
            name = f"{ref.ref_id}/{index}"
            items.append(_referred(query, name, folder, image, parts, sentence.sent))
    return items


def _converted_items(query: SetQuery, file: Path) -> list[SetItem]:
    document = read_json(file, _Instances)
    shapes = {shape.image_id: shape for shape in document.annotations}
    folder = first_of(query.folder, *_IMAGE_FOLDERS)
    return [
        _referred(query, str(each.id), folder, each, [_known(shapes, each.id, file)], each.caption)
        for each in document.images
    ]


def _referred(
    query: SetQuery, name: str, folder: Path, image: _Image, shapes: Sequence[_Shape], text: str
) -> SetItem:
    parts = tuple(shape.segmentation for shape in shapes)
    if any(isinstance(part, list) for part in parts):
        coco_masks()  # a missing package is an error before a model is loaded
    mask = ShapeMask(parts, height=image.height, width=image.width)
    return referred(query, name, image.file_name, inside(folder, image.file_name), mask, text)


def _known(records: Mapping[int, Value], key: int, file: Path) -> Value:
    if key not in records:
        raise DatasetError(f"{file} contains no record with the id {key}")
    return records[key]


def read_pope(query: SetQuery, *, stem: str) -> list[SetItem]:
    """Return one item per question of POPE or RePOPE."""
    name = f"{stem}_{query.subset}.json"
    file = first_of(query.folder, f"annotations/{name}", name, f"coco/{name}", f"{name}l")
    folder = first_of(query.folder, "val2014", "images/val2014", "images")
    form = TypeAdapter(_PopeLine)
    items = []
    for count, line in enumerate(read_lines(file), start=1):
        with reading(file):
            record = form.validate_json(line)
        label = record.label.strip().lower()
        if label not in ("yes", "no"):
            raise DatasetError(
                f"line {count} of {file} has the label {label!r}; expected 'yes' or 'no'"
            )
        path = inside(folder, record.image)
        truth = YesNoTruth(label == "yes")
        items.append(SetItem(str(count), record.image, path, record.text, truth))
    return items


def read_coco_captions(query: SetQuery) -> list[SetItem]:
    """Return one item per image that has a caption."""
    document = read_json(query.folder / "annotations" / f"captions_{query.subset}.json", _Captions)
    captioned = {each.image_id for each in document.annotations}
    folder = query.folder / query.subset
    return [
        SetItem(
            str(image.id),
            image.file_name,
            inside(folder, image.file_name),
            query.question,
            WordsTruth(),
        )
        for image in document.images
        if image.id in captioned
    ]


def _refcoco(name: str, title: str, splits: tuple[str, ...], subsets: tuple[str, ...]) -> PublicSet:
    return PublicSet(
        name=name,
        title=title,
        read=partial(read_refcoco, name=name, splits=splits),
        subsets=subsets,
        metrics=(*PLACE_NAMES, *STILL_CURVES),
        site="github.com/lichengunc/refer and, for train2014, cocodataset.org",
        licence="annotations as on their page, images under Flickr terms",
        layout=(
            f"refs({splits[0]}).json with instances.json, or instances_{name}_val.json "
            "(pickles are not read)",
            "train2014/COCO_train2014_*.jpg",
        ),
        question=IMAGE_QUESTION,
    )


def _pope(name: str, title: str, site: str, licence: str) -> PublicSet:
    return PublicSet(
        name=name,
        title=title,
        read=partial(read_pope, stem=f"coco_{name}"),
        subsets=("random", "popular", "adversarial"),
        metrics=(*STILL_CURVES, "amcr", "csr"),
        defaults=(*STILL_CURVES, "amcr", "csr"),
        site=f"{site} and, for val2014, cocodataset.org",
        licence=licence,
        layout=(f"annotations/coco_{name}_random.json", "val2014/COCO_val2014_*.jpg"),
    )


REFCOCO = _refcoco("refcoco", "RefCOCO", ("unc", "google"), ("val", "testA", "testB", "train"))
REFCOCO_PLUS = _refcoco("refcoco+", "RefCOCO+", ("unc",), ("val", "testA", "testB", "train"))
REFCOCOG = _refcoco("refcocog", "RefCOCOg", ("umd", "google"), ("val", "test", "train"))
REPOPE = _pope(
    "repope", "RePOPE", "github.com/YanNeu/RePOPE", "see its page; images under Flickr terms"
)
POPE = _pope(
    "pope",
    "POPE",
    "github.com/AoiDragon/POPE",
    "MIT for the annotations, images under Flickr terms",
)
COCO_CAPTIONS = PublicSet(
    name="coco-captions",
    title="MS-COCO captions",
    read=read_coco_captions,
    subsets=("val2014", "val2017"),
    metrics=STILL_CURVES,
    defaults=STILL_CURVES,
    site="cocodataset.org",
    licence="CC BY 4.0 for annotations, images under Flickr terms",
    layout=("annotations/captions_val2014.json", "val2014/COCO_val2014_*.jpg"),
    question=CAPTION_PROMPT,
)
