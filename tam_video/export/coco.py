"""Export to COCO and YouTube-VIS: a run-length mask and a box per word and frame.

`frame_index` is 0-based; ids start at 1, because readers treat 0 as "none". A box is [x, y, width,
height] in pixels. No picture files are written: `file_names` are those that ffmpeg would write.

Source: COCO, data format; YouTube-VIS, format of the challenge; run lengths of `pycocotools`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tam_video.export.exporter import Exporter, TrackedInput, plain_number
from tam_video.export.text_files import write_json
from tam_video.localise import WordTrack


def _write_coco(tracked: TrackedInput, folder: Path) -> None:
    images = [
        {
            "id": index + 1,
            "video_id": 1,
            "width": tracked.info.width,
            "height": tracked.info.height,
            "file_name": _file_name(tracked, int(frame)),
            "frame_index": int(frame),
            "frame_seconds": plain_number(tracked.timeline.frame_seconds[frame]),
        }
        for index, frame in enumerate(tracked.frames)
    ]
    annotations: list[dict[str, Any]] = []
    for number, track in enumerate(tracked.tracks):
        shapes = _slot_shapes(track)
        for index, slot in enumerate(tracked.listed_slots.tolist()):
            if slot in shapes:
                row = {
                    "id": len(annotations) + 1,
                    "image_id": index + 1,
                    "video_id": 1,
                    "track_id": number + 1,
                    "category_id": _category_id(tracked, number),
                    "iscrowd": 0,
                }
                annotations.append(row | shapes[slot])
    tracks = [
        {"id": number + 1, "category_id": _category_id(tracked, number), "video_id": 1}
        for number in range(len(tracked.tracks))
    ]
    lists = {"images": images, "tracks": tracks, "annotations": annotations}
    write_json({**_head(tracked), **lists}, folder / "coco.json", indent=None)


def _write_ytvis(tracked: TrackedInput, folder: Path) -> None:
    info = tracked.info
    annotations = []
    for number, track in enumerate(tracked.tracks):
        shapes = _slot_shapes(track)
        rows = [shapes.get(slot, {}) for slot in tracked.listed_slots.tolist()]
        annotations.append(
            {
                "id": number + 1,
                "video_id": 1,
                "category_id": _category_id(tracked, number),
                "iscrowd": 0,
                "width": info.width,
                "height": info.height,
                "length": len(rows),
                "segmentations": [row.get("segmentation") for row in rows],
                "bboxes": [row.get("bbox") for row in rows],
                "areas": [row.get("area") for row in rows],
            }
        )
    write_json({**_head(tracked), "annotations": annotations}, folder / "ytvis.json", indent=None)


def _head(tracked: TrackedInput) -> dict[str, Any]:
    """Return the entries that are equal in a COCO and a YouTube-VIS document."""
    info = tracked.info
    video = {
        "id": 1,
        "name": tracked.file_name,
        "width": info.width,
        "height": info.height,
        "length": len(tracked.frames),
        "file_names": [_file_name(tracked, frame) for frame in tracked.frames.tolist()],
        "frame_indices": tracked.frames.tolist(),
    }
    return {
        "info": {"description": "Tracks of the words of an answer, by tam-video", "version": "1"},
        "licenses": [],
        "videos": [video],
        "categories": [
            {"id": index + 1, "name": name, "supercategory": "word"}
            for index, name in enumerate(tracked.categories)
        ],
    }


def _slot_shapes(track: WordTrack) -> dict[int, dict[str, Any]]:
    """Return the mask, the area and the box of a track in each slot."""
    from pycocotools import mask as coco_mask

    shapes = {}
    for slot in track.slots.tolist():
        pixels = track.pixel_mask(slot)
        runs = coco_mask.encode(np.asfortranarray(pixels, dtype=np.uint8))
        x0, y0, x1, y1 = track.boxes[slot].tolist()
        shapes[slot] = {
            "segmentation": {"size": list(runs["size"]), "counts": runs["counts"].decode("ascii")},
            "area": int(pixels.sum()),
            "bbox": [x0, y0, x1 - x0, y1 - y0],
        }
    return shapes


def _category_id(tracked: TrackedInput, number: int) -> int:
    return tracked.categories.index(tracked.labels[number]) + 1


def _file_name(tracked: TrackedInput, frame: int) -> str:
    return f"{tracked.name}/{frame:06d}.png"


COCO, YTVIS = (
    Exporter(
        name=name,
        files=(f"{name}.json",),
        summary=f"{title}: run-length masks and boxes, {rows}",
        index_base=0,
        write=write,
        package="pycocotools.mask",
        extra="coco",
    )
    for name, title, rows, write in (
        ("coco", "COCO", "an annotation per word and frame", _write_coco),
        ("ytvis", "YouTube-VIS", "a list over frames per word", _write_ytvis),
    )
)
