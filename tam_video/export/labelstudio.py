"""Export to Label Studio: a task and its labelling configuration. Frames are 1-based.

Boxes are interpolated between keyframes; a box is constant within a slot, so each stretch has a
keyframe at both ends. A keyframe that is not `enabled` is the last one before a gap. Sides are
percent of the picture; times are player times, from the first frame.

Source: Label Studio documentation, VideoRectangle and TimelineLabels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tam_video.export.exporter import Exporter, TrackedInput, plain_number
from tam_video.export.text_files import add, write_json, write_xml
from tam_video.localise import Stretch, WordTrack


def _write(tracked: TrackedInput, folder: Path) -> None:
    results = []
    for track, label in zip(tracked.tracks, tracked.labels, strict=True):
        if not track.is_empty:
            results += [_boxes(tracked, track, label), *_ranges(track, label)]
    data = {
        "video": tracked.file_name,
        "question": tracked.question,
        "answer": tracked.answer,
    }
    task = {
        "data": data,
        "predictions": [{"model_version": "tam-video", "result": results}],
    }
    write_json([task], folder / "labelstudio.json")
    _write_setup(tracked, folder / "labelstudio.xml")


def _boxes(tracked: TrackedInput, track: WordTrack, label: str) -> dict[str, Any]:
    stretches = track.stretches
    sequence = []
    for index, stretch in enumerate(stretches):
        following = stretches[index + 1].first_frame if index + 1 < len(stretches) else None
        continues = following == stretch.last_frame + 1
        if stretch.last_frame > stretch.first_frame:
            sequence.append(_keyframe(tracked, track, stretch, stretch.first_frame, True))
        sequence.append(_keyframe(tracked, track, stretch, stretch.last_frame, continues))
    info = tracked.info
    return {
        "id": f"word-{track.word_index}",
        "from_name": "box",
        "to_name": "video",
        "type": "videorectangle",
        "score": plain_number(track.energy_share),
        "value": {
            "framesCount": info.num_frames,
            "duration": plain_number(info.duration_seconds),
            "sequence": sequence,
            "labels": [label],
        },
    }


def _keyframe(
    tracked: TrackedInput, track: WordTrack, stretch: Stretch, frame: int, enabled: bool
) -> dict[str, Any]:
    x0, y0, x1, y1 = track.boxes[stretch.slot].tolist()
    width, height = tracked.info.width, tracked.info.height
    seconds = tracked.player_seconds(float(tracked.timeline.frame_seconds[frame]))
    return {
        "frame": frame + 1,
        "time": plain_number(seconds),
        "x": plain_number(100 * x0 / width),
        "y": plain_number(100 * y0 / height),
        "width": plain_number(100 * (x1 - x0) / width),
        "height": plain_number(100 * (y1 - y0) / height),
        "rotation": 0,
        "enabled": enabled,
    }


def _ranges(track: WordTrack, label: str) -> list[dict[str, Any]]:
    """Return the frame range, including both ends, of each contiguous part of a track."""
    runs: list[list[int]] = []
    for stretch in track.stretches:
        if runs and runs[-1][1] + 1 == stretch.first_frame:
            runs[-1][1] = stretch.last_frame
        else:
            runs.append([stretch.first_frame, stretch.last_frame])
    return [
        {
            "id": f"span-{track.word_index}-{index}",
            "from_name": "span",
            "to_name": "video",
            "type": "timelinelabels",
            "value": {
                "ranges": [{"start": first + 1, "end": last + 1}],
                "timelinelabels": [label],
            },
        }
        for index, (first, last) in enumerate(runs)
    ]


def _write_setup(tracked: TrackedInput, path: Path) -> None:
    root = ElementTree.Element("View")
    add(root, "Text", name="answer", value="$answer")
    rate = f"{float(tracked.info.average_fps):g}"
    add(root, "Video", name="video", value="$video", frameRate=rate)
    add(root, "VideoRectangle", name="box", toName="video")
    for tag, name in (("Labels", "label"), ("TimelineLabels", "span")):
        labels = add(root, tag, name=name, toName="video")
        for category in tracked.categories:
            add(labels, "Label", value=category)
    write_xml(root, path)


LABEL_STUDIO = Exporter(
    name="labelstudio",
    files=("labelstudio.json", "labelstudio.xml"),
    summary="Label Studio: boxes and time ranges as predictions, and the labelling setup",
    index_base=1,
    write=_write,
)
