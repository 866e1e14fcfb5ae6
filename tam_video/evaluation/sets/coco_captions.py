"""MS-COCO images, to be captioned by the model: is its caption explained faithfully.

Layout: cocodataset.org, annotations/captions_val2017.json and val2017/*.jpg, or those of 2014. The
people's captions say which images there are; what is explained is the model's own.
"""

from __future__ import annotations

from tam_video.evaluation.sets.base import STILL_CURVES, PublicSet, SetItem, SetQuery
from tam_video.evaluation.sets.files import field, inside, number_field, read_json
from tam_video.evaluation.sets.truths import WordsTruth

CAPTION_PROMPT = "Write a one-sentence caption for this image:"


def read_coco_captions(query: SetQuery) -> list[SetItem]:
    """One item an image that has a caption."""
    file = query.folder / "annotations" / f"captions_{query.subset}.json"
    document = read_json(file)
    where = f"an annotation of {file}"
    captioned = {
        number_field(told, "image_id", where)
        for told in field(document, "annotations", list, where)
    }
    items = []
    for image in field(document, "images", list, str(file)):
        key = number_field(image, "id", f"an image of {file}")
        if key not in captioned:
            continue
        name = field(image, "file_name", str, f"image {key} of {file}")
        path = inside(query.folder / query.subset, name)
        items.append(SetItem(str(key), name, path, query.question, WordsTruth()))
    return items


COCO_CAPTIONS = PublicSet(
    name="coco-captions",
    title="MS-COCO captions",
    read=read_coco_captions,
    subsets=("val2014", "val2017"),
    metrics=STILL_CURVES,
    default_metrics=STILL_CURVES,
    site="cocodataset.org",
    licence="CC BY 4.0 for annotations, images under Flickr terms",
    layout=("annotations/captions_val2014.json", "val2014/COCO_val2014_*.jpg"),
    question=CAPTION_PROMPT,
)
