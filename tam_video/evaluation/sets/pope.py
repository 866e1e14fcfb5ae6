"""POPE and RePOPE: is an object in a COCO image, yes or no.

Layout: one JSON object a line with question_id, image, text and label ("yes" or "no"), as
YanNeu/RePOPE and POPE publish it.
"""

from __future__ import annotations

import json
from functools import partial

from tam_video.errors import DatasetError
from tam_video.evaluation.sets.base import STILL_CURVES, PublicSet, SetItem, SetQuery
from tam_video.evaluation.sets.files import field, first_of, inside, read_lines, reading
from tam_video.evaluation.sets.truths import YesNoTruth

_LABELS = {"yes": True, "no": False}


def read_pope(query: SetQuery, *, stem: str) -> list[SetItem]:
    """One item a question."""
    name = f"{stem}_{query.subset}.json"
    file = first_of(query.folder, f"annotations/{name}", name, f"coco/{name}", f"{name}l")
    folder = first_of(query.folder, "val2014", "images/val2014", "images")
    items = []
    for count, line in enumerate(read_lines(file), start=1):
        where = f"line {count} of {file}"
        with reading(file):
            record = json.loads(line)
        label = field(record, "label", str, where).strip().lower()
        if label not in _LABELS:
            raise DatasetError(f"{where} has the label {label!r}, not yes or no")
        image = field(record, "image", str, where)
        question = field(record, "text", str, where)
        truth = YesNoTruth(_LABELS[label])
        items.append(SetItem(str(count), image, inside(folder, image), question, truth))
    return items


def _set(name: str, title: str, stem: str, site: str, licence: str) -> PublicSet:
    return PublicSet(
        name=name,
        title=title,
        read=partial(read_pope, stem=stem),
        subsets=("random", "popular", "adversarial"),
        metrics=(*STILL_CURVES, "amcr", "csr"),
        default_metrics=("insertion", "deletion", "amcr", "csr"),
        site=f"{site} and, for val2014, cocodataset.org",
        licence=licence,
        layout=(f"annotations/{stem}_random.json", "val2014/COCO_val2014_*.jpg"),
    )


REPOPE = _set(
    "repope",
    "RePOPE",
    "coco_repope",
    "github.com/YanNeu/RePOPE",
    "see its page; images under Flickr terms",
)
POPE = _set(
    "pope",
    "POPE",
    "coco_pope",
    "github.com/AoiDragon/POPE",
    "MIT for the annotations, images under Flickr terms",
)
