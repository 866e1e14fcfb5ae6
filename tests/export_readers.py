"""Exports read back by the formats' own readers, and told in one form.

Each function takes the folder of an export and the source's `VideoInfo`, and gives what the file
says of each track, frames counted from 0, boxes as (x0, y0, x1, y1), spans in seconds. What a
format does not tell is None.
"""

from __future__ import annotations

import html
import json
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from configparser import ConfigParser
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lxml import etree
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pympi.Elan import Eaf
from pysubs2 import SSAFile

from tam_video.types import VideoInfo

Boxes = dict[int, tuple[float, ...]]
Spans = list[tuple[float, float]]


@dataclass
class ReadTrack:
    label: str
    boxes: Boxes | None = None
    masks: dict[int, Any] | None = None
    spans: Spans | None = None


def cvat(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    """As CVAT shows it: boxes on straight lines between keyframes, `outside` hides."""
    result = []
    for element in _cvat_tracks(folder / "cvat.xml", info, "box", "rectangle"):
        shapes = sorted(element, key=lambda shape: int(shape.get("frame")))
        boxes: Boxes = {}
        for shape, following in pairwise([*shapes, None]):
            if shape.get("outside") == "1":
                continue
            start, box = int(shape.get("frame")), _cvat_box(shape)
            end = info.num_frames if following is None else int(following.get("frame"))
            moves = following is not None and following.get("outside") == "0"
            goal = _cvat_box(following) if moves else box
            for frame in range(start, end):
                share = (frame - start) / (end - start)
                boxes[frame] = tuple(a + share * (b - a) for a, b in zip(box, goal, strict=True))
        result.append(ReadTrack(element.get("label"), boxes=boxes))
    return result


def cvat_masks(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    """As CVAT shows it: a mask holds until the next keyframe."""
    result = []
    for element in _cvat_tracks(folder / "cvat_masks.xml", info, "mask", "mask"):
        shapes = sorted(element, key=lambda shape: int(shape.get("frame")))
        ends = [*(int(shape.get("frame")) for shape in shapes[1:]), info.num_frames]
        masks = {}
        for shape, end in zip(shapes, ends, strict=True):
            if shape.get("outside") == "0":
                mask = cvat_mask(shape, info)
                masks |= dict.fromkeys(range(int(shape.get("frame")), end), mask)
        result.append(ReadTrack(element.get("label"), masks=masks))
    return result


def cvat_mask(shape: Any, info: VideoInfo) -> Any:
    """bool [H, W]: runs row by row in the rectangle, pixel by pixel."""
    left, top, width, height = (int(shape.get(k)) for k in ("left", "top", "width", "height"))
    pixels: list[bool] = []
    for number, run in enumerate(shape.get("rle").split(",")):
        pixels += [number % 2 == 1] * int(run)
    assert len(pixels) == width * height
    mask = np.zeros((info.height, info.width), bool)
    mask[top : top + height, left : left + width] = np.reshape(pixels, (height, width))
    return mask


def _cvat_tracks(path: Path, info: VideoInfo, tag: str, kind: str) -> Iterable[Any]:
    """The tracks of a file that has the structure of the documented example."""
    root = etree.parse(path).getroot()
    assert root.tag == "annotations"
    assert [child.tag for child in root][:2] == ["version", "meta"]
    assert root.findtext("version") == "1.1"
    task = root.find("meta/task")
    assert task.findtext("mode") == "interpolation"
    assert int(task.findtext("size")) == info.num_frames
    assert task.findtext("original_size/width") == str(info.width)
    assert task.findtext("original_size/height") == str(info.height)
    names = [label.findtext("name") for label in task.iterfind("labels/label")]
    assert len(names) == len(set(names))
    assert all(label.findtext("type") == kind for label in task.iterfind("labels/label"))
    for track in root.iterfind("track"):
        assert track.get("label") in names
        assert track.get("source") == "auto"
        for shape in track:
            assert shape.tag == tag
            assert {shape.get("keyframe"), shape.get("occluded")} == {"1", "0"}
            assert 0 <= int(shape.get("frame")) < info.num_frames
        yield track


def _cvat_box(shape: Any) -> tuple[float, ...]:
    return tuple(float(shape.get(side)) for side in ("xtl", "ytl", "xbr", "ybr"))


def _as_numpy_1(read: Callable[[Path, VideoInfo], list[ReadTrack]]) -> Any:
    """pycocotools still decodes by a call that NumPy 2 warns of."""

    def quietly(folder: Path, info: VideoInfo) -> list[ReadTrack]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="__array__ implementation")
            return read(folder, info)

    return quietly


@_as_numpy_1
def coco(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    """By `pycocotools.coco`."""
    book = COCO(folder / "coco.json")
    tracks = {
        row["id"]: ReadTrack(book.cats[row["category_id"]]["name"], boxes={}, masks={})
        for row in book.dataset["tracks"]
    }
    for row in book.loadAnns(book.getAnnIds()):
        image = book.imgs[row["image_id"]]
        assert (image["width"], image["height"]) == (info.width, info.height)
        assert row["id"] >= 1
        x, y, width, height = row["bbox"]
        mask = book.annToMask(row).astype(bool)
        assert row["area"] == mask.sum()
        assert coco_mask.toBbox(row["segmentation"]).tolist() == row["bbox"]
        track = tracks[row["track_id"]]
        track.boxes[image["frame_index"]] = (x, y, x + width, y + height)
        track.masks[image["frame_index"]] = mask
    return list(tracks.values())


@_as_numpy_1
def ytvis(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    document = json.loads((folder / "ytvis.json").read_text(encoding="utf-8"))
    names = {row["id"]: row["name"] for row in document["categories"]}
    (video,) = document["videos"]
    assert video["length"] == len(video["file_names"]) == len(video["frame_indices"])
    result = []
    for row in document["annotations"]:
        track = ReadTrack(names[row["category_id"]], boxes={}, masks={})
        assert len(row["segmentations"]) == len(row["bboxes"]) == len(row["areas"])
        rows = zip(video["frame_indices"], row["segmentations"], row["bboxes"], strict=True)
        for frame, segmentation, box in rows:
            if segmentation is not None:
                track.masks[frame] = coco_mask.decode(segmentation).astype(bool)
                track.boxes[frame] = (box[0], box[1], box[0] + box[2], box[1] + box[3])
        result.append(track)
    return result


def mot(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    sequence = ConfigParser(interpolation=None)
    sequence.read(folder / "mot" / "seqinfo.ini", encoding="utf-8")
    assert sequence.getint("Sequence", "seqLength") == info.num_frames
    names = (folder / "mot" / "gt" / "labels.txt").read_text(encoding="utf-8").splitlines()
    tracks: dict[int, ReadTrack] = {}
    for line in (folder / "mot" / "gt" / "gt.txt").read_text().splitlines():
        frame, track, x, y, width, height, counts, category, visible = map(int, line.split(","))
        assert (counts, visible) == (1, 1)
        result = tracks.setdefault(track, ReadTrack(names[category - 1], boxes={}))
        result.boxes[frame - 1] = (x, y, x + width, y + height)
    return [tracks[number] for number in sorted(tracks)]


def davis(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    """By Pillow; each word as far as no hotter one hides it."""
    lines = (folder / "davis" / "labels.txt").read_text(encoding="utf-8").splitlines()
    tracks = [ReadTrack(line.partition(" ")[2], masks={}) for line in lines]
    for path in sorted((folder / "davis" / "Annotations").glob("*/*.png")):
        with Image.open(path) as picture:
            assert picture.mode == "P"
            assert picture.size == (info.width, info.height)
            numbers = np.asarray(picture)
            assert picture.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]
        for place, track in enumerate(tracks):
            if (numbers == place + 1).any():
                track.masks[int(path.stem)] = numbers == place + 1
    return tracks


def labelstudio(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    """As Label Studio shows it: straight lines between keyframes; disabled ones end a lifespan."""
    setup = etree.parse(folder / "labelstudio.xml").getroot()
    assert setup.tag == "View"
    kinds = {tag.get("name"): tag.tag for tag in setup}
    allowed = {tag.get("name"): [label.get("value") for label in tag] for tag in setup}
    ((task),) = json.loads((folder / "labelstudio.json").read_text(encoding="utf-8"))
    tracks: dict[str, ReadTrack] = {}
    for row in task["predictions"][0]["result"]:
        assert kinds[row["to_name"]] == "Video"
        if row["type"] == "videorectangle":
            assert kinds[row["from_name"]] == "VideoRectangle"
            (label,) = row["value"]["labels"]
            assert label in allowed["label"]
            assert row["value"]["framesCount"] == info.num_frames
            tracks[row["id"]] = ReadTrack(
                label, _lifespans(row["value"]["sequence"], info), spans=[]
            )
        else:
            assert kinds[row["from_name"]] == "TimelineLabels"
            (label,) = row["value"]["timelinelabels"]
            assert label in allowed["span"]
            (part,) = row["value"]["ranges"]
            fps = float(info.average_fps)
            owner = tracks["word-" + row["id"].split("-")[1]]
            owner.spans.append(((part["start"] - 1) / fps, part["end"] / fps))
    return list(tracks.values())


def _lifespans(sequence: list[dict[str, Any]], info: VideoInfo) -> Boxes:
    boxes: Boxes = {}
    for key, following in pairwise([*sequence, None]):
        assert 1 <= key["frame"] <= info.num_frames
        assert key["time"] == round((key["frame"] - 1) / float(info.average_fps), 6)
        box = _percent(key, info)
        boxes[key["frame"] - 1] = box
        if key["enabled"]:
            goal, end = _percent(following, info), following["frame"] - 1
            for frame in range(key["frame"], end):
                share = (frame - key["frame"] + 1) / (end - key["frame"] + 1)
                boxes[frame] = tuple(a + share * (b - a) for a, b in zip(box, goal, strict=True))
    return boxes


def _percent(key: Mapping[str, Any], info: VideoInfo) -> tuple[float, ...]:
    x, y, width, height = (key[name] / 100 for name in ("x", "y", "width", "height"))
    assert min(x, y) >= 0
    assert max(x + width, y + height) <= 1 + 1e-6
    scale = (info.width, info.height, info.width, info.height)
    return tuple(a * b for a, b in zip((x, y, x + width, y + height), scale, strict=True))


def vtt(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    text = (folder / "words.vtt").read_text(encoding="utf-8")
    assert text.startswith("WEBVTT\n\nNOTE\n")
    assert "not when it was spoken" in text
    return _cues(SSAFile.from_string(text, format_="vtt", keep_html_tags=True), html.unescape)


def srt(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    text = (folder / "words.srt").read_text(encoding="utf-8")
    return _cues(SSAFile.from_string(text, format_="srt"), _unguarded)


def _cues(subtitles: SSAFile, read: Callable[[str], str]) -> list[ReadTrack]:
    tracks: dict[str, ReadTrack] = {}
    for cue in subtitles:
        label = read(cue.text)
        result = tracks.setdefault(label, ReadTrack(label, spans=[]))
        result.spans.append((cue.start / 1000, cue.end / 1000))
    return list(tracks.values())


def _unguarded(text: str) -> str:
    """The label again that a guarded cue stands for."""
    return text.translate({0x2060: None, 0xFF5B: "{", 0xFF5D: "}"})


def ass(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    """The words in the lighting style, joined over lines that follow each other."""
    text = (folder / "words.ass").read_text(encoding="utf-8")
    assert "not when it was spoken" in text.partition("[V4+ Styles]")[0]
    tracks: dict[str, ReadTrack] = {}
    for line in SSAFile.from_string(text, format_="ass"):
        for record in re.findall(r"\{\\rLit\}(.*?)\{\\r\}", line.text):
            label = _unguarded(record)
            spans = tracks.setdefault(label, ReadTrack(label, spans=[])).spans
            if spans and spans[-1][1] == line.start / 1000:
                spans[-1] = (spans[-1][0], line.end / 1000)
            else:
                spans.append((line.start / 1000, line.end / 1000))
    return list(tracks.values())


def elan(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    """By pympi."""
    book = Eaf(str(folder / "words.eaf"))
    result = []
    for tier in book.get_tier_names():
        rows = book.get_annotation_data_for_tier(tier)
        spans = sorted((start / 1000, end / 1000) for start, end, _ in rows)
        result.append(ReadTrack(tier.partition(" ")[2], spans=spans))
        assert all(value == result[-1].label for *_, value in rows)
    return result


def csv(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    """By pandas, with the apostrophe taken off that keeps formulas from running."""
    options = {"keep_default_na": False, "na_values": {"start_seconds": [""], "x0_px": [""]}}
    tables = [pd.read_csv(folder / name, **options) for name in ("words.csv", "slots.csv")]
    for table in tables:
        table["word"] = table["word"].astype(str).str.removeprefix("'")
    return _tables(*tables)


def parquet(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    """By pandas."""
    return _tables(*(pd.read_parquet(folder / f"{name}.parquet") for name in ("words", "slots")))


def _tables(words: pd.DataFrame, slots: pd.DataFrame) -> list[ReadTrack]:
    result = []
    for row in words.itertuples():
        own = slots[slots.word_index == row.word_index]
        assert (own.word == row.word).all()
        spans = [] if pd.isna(row.start_seconds) else [(row.start_seconds, row.end_seconds)]
        result.append(ReadTrack(row.word, spans=spans))
    return result


def tracks_json(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    document = json.loads((folder / "tracks.json").read_text(encoding="utf-8"))
    assert document["video"]["width"] == info.width
    result = []
    for row in document["words"]:
        boxes: Boxes = {}
        for slot in row["slots"]:
            if slot.get("frames"):
                first, last = slot["frames"]
                boxes |= dict.fromkeys(range(first, last + 1), tuple(slot["box"]))
        spans = [tuple(span) for span in row["spans_seconds"]]
        result.append(ReadTrack(row["word"], boxes=boxes, spans=spans))
    return result


def spans_json(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    document = json.loads((folder / "spans.json").read_text(encoding="utf-8"))
    return [
        ReadTrack(row["word"], spans=[(row["start_seconds"], row["end_seconds"])])
        for row in document["spans"]
    ]


def npz(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    path = folder / "word_maps.npz"
    assert zipfile.is_zipfile(path)
    with np.load(path, allow_pickle=False) as stored:
        return _arrays(stored, stored["words"].tolist())


def safetensors(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    from safetensors import safe_open

    with safe_open(folder / "word_maps.safetensors", framework="np") as stored:
        arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        return _arrays(arrays, json.loads(stored.metadata()["words"]))


def zarr(folder: Path, info: VideoInfo) -> list[ReadTrack]:
    import zarr as library

    group = library.open_group(folder / "word_maps.zarr", mode="r")
    return _arrays({name: group[name][:] for name in group}, list(group.attrs["words"]))


def _arrays(arrays: Mapping[str, Any], words: list[str]) -> list[ReadTrack]:
    assert arrays["maps"].dtype == np.float32
    assert arrays["masks"].dtype == np.bool_
    assert arrays["maps"].shape == arrays["masks"].shape
    assert len(arrays["edges_seconds"]) == len(arrays["slot_seconds"]) + 1
    result = []
    for number, word in enumerate(words):
        rows = {
            frame: tuple(arrays["boxes"][number, slot].tolist())
            for frame, slot in enumerate(arrays["frame_slots"].tolist())
            if slot >= 0
        }
        boxes = {frame: box for frame, box in rows.items() if any(box)}
        result.append(ReadTrack(word, boxes=boxes))
    return result


READERS: dict[str, Callable[[Path, VideoInfo], list[ReadTrack]]] = {
    "ass": ass,
    "coco": coco,
    "csv": csv,
    "cvat": cvat,
    "cvat-masks": cvat_masks,
    "davis": davis,
    "elan": elan,
    "json": tracks_json,
    "labelstudio": labelstudio,
    "mot": mot,
    "npz": npz,
    "parquet": parquet,
    "safetensors": safetensors,
    "spans": spans_json,
    "srt": srt,
    "vtt": vtt,
    "ytvis": ytvis,
    "zarr": zarr,
}
