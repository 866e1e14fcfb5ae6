"""Small folders in the published layouts of public sets, drawn with clips of shapes.

Every builder takes an empty folder and fills it as the set's own download would be; the embedded
model can answer about what it shows. Frame k of a folder is frame `k * STEP` of the clip.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tam_video.datasets.scene import SceneClip
from tam_video.datasets.worlds import make_world, write_scene

STEP = 12
SEEDS = (3, 5)
CATEGORY_IDS = {"circle": 1, "square": 2, "triangle": 3, "star": 4, "cross": 5, "ring": 6}


def clip_of(seed: int) -> SceneClip:
    return make_world("base", seed)


def clip_name(seed: int) -> str:
    return f"clip-{seed}"


def seed_of(source: str) -> int:
    """The seed of the clip that a file or folder shows."""
    digits = "".join(character if character.isdigit() else " " for character in source)
    return int(digits.split()[-1])


def shown_frames(clip: SceneClip) -> range:
    return range(0, clip.num_frames, STEP)


def write_json(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def write_image(path: Path, rgb: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path, quality=95)
    return path


def write_labels(path: Path, labels: NDArray[np.uint8], *, indexed: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(labels)
    if indexed:
        picture = picture.convert("P")
        picture.putpalette([value for index in range(256) for value in (index, 255 - index, 99)])
        picture.putdata(labels.ravel().tolist())
    picture.save(path)
    return path


def write_frames(folder: Path, clip: SceneClip) -> list[str]:
    """JPEGs, and their names without ending."""
    names = []
    for place, frame in enumerate(shown_frames(clip)):
        names.append(f"{place:05d}")
        write_image(folder / f"{names[-1]}.jpg", clip.render_frame(frame))
    return names


def write_numbers(folder: Path, clip: SceneClip) -> None:
    """Indexed PNGs: object k of the clip is number k + 1."""
    for place, frame in enumerate(shown_frames(clip)):
        labels = np.zeros((clip.height, clip.width), np.uint8)
        for number, mask in enumerate(clip.masks(frame), start=1):
            labels[mask] = number
        write_labels(folder / f"{place:05d}.png", labels)


def run_lengths(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """COCO run lengths as lists, the plain form."""
    flat = np.concatenate([[False], mask.T.ravel()])
    borders = np.flatnonzero(np.diff(flat))
    counts = np.diff(borders, prepend=0, append=mask.size).tolist()
    return {"size": list(mask.shape), "counts": counts}


def compressed(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """COCO run lengths as text, by the library that defines them."""
    from pycocotools import mask as coco

    runs = coco.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(mask.shape), "counts": runs["counts"].decode()}


def tracks(clip: SceneClip) -> list[list[dict[str, Any] | None]]:
    """For each object one entry a frame, null where it is not seen."""
    frames = [clip.masks(frame) for frame in shown_frames(clip)]
    return [
        [compressed(masks[number]) if masks[number].any() else None for masks in frames]
        for number in range(len(clip.objects))
    ]


def davis(folder: Path, seeds: Sequence[int] = SEEDS) -> Path:
    semantics = {}
    for seed in seeds:
        clip, name = clip_of(seed), clip_name(seed)
        write_frames(folder / "JPEGImages" / "480p" / name, clip)
        write_numbers(folder / "Annotations_unsupervised" / "480p" / name, clip)
        semantics[name] = {str(k): item.shape for k, item in enumerate(clip.objects, start=1)}
    write_json(folder / "davis_semantics.json", semantics)
    lists = folder / "ImageSets" / "2017"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("\n".join(map(clip_name, seeds)) + "\n")
    return folder


def ref_davis(folder: Path, seeds: Sequence[int] = SEEDS) -> Path:
    davis(folder / "DAVIS", seeds)
    lines = [
        f'{clip_name(seed)} {number} "the {item.name}"'
        for seed in seeds
        for number, item in enumerate(clip_of(seed).objects, start=1)
    ]
    texts = folder / "davis_text_annotations"
    texts.mkdir()
    (texts / "Davis17_annot1.txt").write_text("\n".join(lines) + "\n")
    latin = f'{clip_name(seeds[0])} 1 "the caf\u00e9 shape"\n'
    (texts / "Davis17_annot2.txt").write_bytes(latin.encode("latin-1"))
    return folder


def expression_file(
    seeds: Iterable[int], *, text: str = "exp", frames: int | None = None, **fields: Any
) -> dict[str, Any]:
    """`meta_expressions.json` with one expression an object."""
    videos = {}
    for seed in seeds:
        clip = clip_of(seed)
        count = len(shown_frames(clip)) if frames is None else frames
        videos[clip_name(seed)] = {
            "expressions": {
                str(place): {
                    text: f"the {item.name}",
                    "obj_id": str(place + 1),
                    "anno_id": [10 * seed + place],
                }
                for place, item in enumerate(clip.objects)
            },
            "frames": [f"{place:05d}" for place in range(count)],
            **fields,
        }
    return {"videos": videos}


def ref_youtube_vos(folder: Path, seeds: Sequence[int] = SEEDS, *, subset: str = "train") -> Path:
    file = folder / "meta_expressions" / subset / "meta_expressions.json"
    write_json(file, expression_file(seeds))
    for seed in seeds:
        clip, name = clip_of(seed), clip_name(seed)
        write_frames(folder / subset / "JPEGImages" / name, clip)
        write_numbers(folder / subset / "Annotations" / name, clip)
    return folder


def _tracked(folder: Path, file: Path, seeds: Sequence[int], document: dict[str, Any]) -> Path:
    write_json(file, document)
    masks = {}
    for seed in seeds:
        write_frames(folder / "JPEGImages" / clip_name(seed), clip_of(seed))
        masks |= {str(10 * seed + k): track for k, track in enumerate(tracks(clip_of(seed)))}
    write_json(folder / "mask_dict.json", masks)
    return folder


def mevis(folder: Path, seeds: Sequence[int] = SEEDS) -> Path:
    root = folder / "valid_u"
    _tracked(root, root / "meta_expressions.json", seeds, expression_file(seeds))
    return folder


def revos(folder: Path, seeds: Sequence[int] = SEEDS) -> Path:
    document = expression_file(seeds)
    entry = document["videos"][clip_name(seeds[0])]["expressions"]
    for record in entry.values():
        record["type_id"] = 1
    entry["99"] = {"exp": "a dog", "obj_id": [], "anno_id": [], "type_id": 2}
    return _tracked(folder, folder / "meta_expressions_valid_.json", seeds, document)


def reason_vos(folder: Path, seeds: Sequence[int] = SEEDS) -> Path:
    document = expression_file(seeds, text="exp_text", source="MeViS", is_sent=False)
    write_json(folder / "meta_expressions.json", document)
    for seed in seeds:
        clip, name = clip_of(seed), clip_name(seed)
        write_frames(folder / "JPEGImages" / name, clip)
        for number in range(len(clip.objects)):
            for place, frame in enumerate(shown_frames(clip)):
                mask = clip.masks(frame)[number].astype(np.uint8) * 255
                target = folder / "Annotations" / f"mevis_{name}_{number + 1}" / f"{place:05d}.png"
                write_labels(target, mask, indexed=False)
    return folder


def _images(
    folder: Path, seeds: Iterable[int], *, stem: str = "COCO_train2014_"
) -> list[dict[str, Any]]:
    """First frames as COCO images, and their records."""
    records = []
    for seed in seeds:
        clip, name = clip_of(seed), f"{stem}{seed:012d}.jpg"
        write_image(folder / name, clip.render_frame(0))
        records.append({"id": seed, "file_name": name, "height": clip.height, "width": clip.width})
    return records


def _shapes(seeds: Iterable[int]) -> list[dict[str, Any]]:
    """COCO annotations of the objects that are seen in the first frames."""
    return [
        {
            "id": 10 * seed + number,
            "image_id": seed,
            "category_id": CATEGORY_IDS[clip_of(seed).objects[number].shape],
            "segmentation": run_lengths(mask),
            "iscrowd": 1,
        }
        for seed in seeds
        for number, mask in enumerate(clip_of(seed).masks(0))
        if mask.any()
    ]


def refcoco(folder: Path, seeds: Sequence[int] = SEEDS) -> Path:
    images, shapes = _images(folder / "train2014", seeds), _shapes(seeds)
    instances = {"images": images, "annotations": shapes, "categories": []}
    write_json(folder / "instances.json", instances)
    refs = [
        {
            "ref_id": shape["id"],
            "ann_id": shape["id"],
            "image_id": shape["image_id"],
            "split": "val",
            "sentences": [{"sent": name_of(shape), "sent_id": 0}],
        }
        for shape in shapes
    ]
    refs.append({**refs[0], "ref_id": 999, "split": "train"})
    write_json(folder / "refs(unc).json", refs)
    return folder


def name_of(shape: dict[str, Any]) -> str:
    seed, number = divmod(shape["id"], 10)
    return clip_of(seed).objects[number].name


def nextgqa(folder: Path, seeds: Sequence[int] = SEEDS) -> Path:
    """Each clip with a question about when its first object that comes or goes is seen."""
    grounds, places, rows = {}, {}, []
    for seed in seeds:
        clip = clip_of(seed)
        write_scene(clip, make_parent(folder / "NExTVideo" / "01" / f"{seed}.mp4"))
        item = next(o for o in clip.objects if len(o.visible_frames) < clip.num_frames)
        first, last = item.visible[0]
        span = [first / clip.fps, last / clip.fps]
        grounds[str(seed)] = {"location": {"7": [span]}, "duration": 4, "fps": clip.fps}
        places[str(seed)] = f"01/{seed}"
        rows += [
            [seed, f"when is the {item.name} visible", f"the {item.name}", "7", "TC"],
            [seed, "what is here", "nothing", "8", "DO"],
        ]
    write_json(folder / "gsub_val.json", grounds)
    write_json(folder / "map_vid_vidorID.json", places)
    with (folder / "val.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video_id", "question", "answer", "qid", "type"])
        writer.writerows(rows)
    return folder


def make_parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def pope(folder: Path, seeds: Sequence[int] = SEEDS, *, stem: str = "coco_repope") -> Path:
    """A question a clip about its first object, and the same one with the wrong label."""
    _images(folder / "val2014", seeds, stem="COCO_val2014_")
    lines = []
    for seed in seeds:
        item = clip_of(seed).objects[0]
        article = "an" if item.name[0] in "aeiou" else "a"
        for label in ("yes", "no"):
            record = {
                "question_id": len(lines) + 1,
                "image": f"COCO_val2014_{seed:012d}.jpg",
                "text": f"Is there {article} {item.name}?",
                "label": label,
            }
            lines.append(json.dumps(record))
    path = make_parent(folder / "annotations" / f"{stem}_random.json")
    path.write_text("\n".join(lines) + "\n")
    return folder


def coco_captions(folder: Path, seeds: Sequence[int] = SEEDS) -> Path:
    images = _images(folder / "val2014", seeds, stem="COCO_val2014_")
    captions = [{"image_id": seed, "id": seed, "caption": "Shapes."} for seed in seeds]
    document = {"images": [*images, {"id": 4, "file_name": "x.jpg"}], "annotations": captions}
    write_json(folder / "annotations" / "captions_val2014.json", document)
    return folder


def category_labels(clip: SceneClip) -> NDArray[np.uint8]:
    labels = np.zeros((clip.height, clip.width), np.uint8)
    for item, mask in zip(clip.objects, clip.masks(0), strict=True):
        labels[mask] = CATEGORY_IDS[item.shape]
    return labels


def tam_coco14(folder: Path, seeds: Sequence[int] = SEEDS) -> Path:
    images = _images(folder / "image", seeds, stem="")
    for seed in seeds:
        path = folder / "seg_label" / f"{seed:012d}.png"
        write_labels(path, category_labels(clip_of(seed)), indexed=False)
    categories = [{"id": key, "name": name} for name, key in CATEGORY_IDS.items()]
    document = {"images": images, "categories": categories, "annotations": []}
    write_json(folder / "annotations" / "instances_minival2014.json", document)
    return folder


def tam_listed(folder: Path, seeds: Sequence[int] = SEEDS) -> Path:
    entries = []
    for seed in seeds:
        write_image(folder / "images" / f"{seed}.jpg", clip_of(seed).render_frame(0))
        path = folder / "labels" / f"{seed}.png"
        write_labels(path, category_labels(clip_of(seed)), indexed=False)
        entries.append([f"images/{seed}.jpg", "Shapes.", f"labels/{seed}.png", CATEGORY_IDS])
    write_json(folder / "anno.json", entries)
    return folder


def nltk_data(folder: Path) -> Path:
    """Data in NLTK's layouts that know the words of the world of shapes."""
    tags = dict.fromkeys([*CATEGORY_IDS, "object", "objects"], "NN")
    tags |= dict.fromkeys(["a", "A", "an", "An", "the", "and", "There", "there"], "DT")
    name = "averaged_perceptron_tagger_eng"
    for part, value in (("weights", {}), ("tagdict", tags), ("classes", ["NN", "DT", "VB"])):
        write_json(folder / "taggers" / name / f"{name}.{part}.json", value)
    wordnet = folder / "corpora" / "wordnet"
    wordnet.mkdir(parents=True)
    for kind in ("adj", "adv", "noun", "verb"):
        for file in (f"index.{kind}", f"data.{kind}", f"{kind}.exc"):
            (wordnet / file).write_text("")
    for file in ("lexnames", "index.sense", "cntlist.rev"):
        (wordnet / file).write_text("")
    lines = [f"{word} n 1 0 1 0 {place:08d}" for place, word in enumerate(CATEGORY_IDS, start=1)]
    (wordnet / "index.noun").write_text("\n".join(lines) + "\n")
    return folder


@contextmanager
def nltk_words(folder: Path) -> Iterator[None]:
    """NLTK with these data, whatever else is installed."""
    import nltk

    from tam_video.evaluation.sets.tagging import load_tagger

    place = str(nltk_data(folder))
    nltk.data.path.insert(0, place)
    load_tagger.cache_clear()
    try:
        yield
    finally:
        nltk.data.path.remove(place)
        load_tagger.cache_clear()


BUILDERS = {
    "davis": davis,
    "ref-davis": ref_davis,
    "ref-youtube-vos": ref_youtube_vos,
    "mevis": mevis,
    "revos": revos,
    "reason-vos": reason_vos,
    "refcoco": refcoco,
    "nextgqa": nextgqa,
    "repope": pope,
    "coco-captions": coco_captions,
    "tam-coco14": tam_coco14,
    "tam-grandf": tam_listed,
}


class Lookalikes:
    """The folders of all sets, each made when it is first asked for; not to be changed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, name: str) -> Path:
        place = self._root / name
        if not place.exists():
            BUILDERS[name](place)
        return place
