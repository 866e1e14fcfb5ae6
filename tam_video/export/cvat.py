"""Export to "CVAT for video 1.1", with a track of boxes or masks per word. Frames are 0-based.

CVAT interpolates boxes between keyframes and holds masks until the next keyframe. A box is constant
within a slot, so it has a keyframe at both ends of that stretch; a mask has one at its start. A
shape with `outside` ends a stretch before a gap.

Source: CVAT documentation, XML annotation format, version 1.1, interpolation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree

import numpy as np

from tam_video.export.exporter import Exporter, TrackedInput
from tam_video.export.text_files import Element, add, write_xml
from tam_video.localise import WordTrack
from tam_video.types import BoolArray

_MAX_LABEL_LENGTH = 64
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")

_AddShape: TypeAlias = Callable[[Element, WordTrack, int, int, bool], None]
"""Adds the shape of a slot at a frame to an element; the flag marks the end of a stretch."""


def _write(tracked: TrackedInput, folder: Path, *, kind: str, add_shape: _AddShape) -> None:
    root = ElementTree.Element("annotations")
    add(root, "version", "1.1")
    _add_task(add(root, "meta"), tracked, kind)
    for number, (track, label) in enumerate(zip(tracked.tracks, tracked.labels, strict=True)):
        if track.is_empty:
            continue
        element = add(root, "track", id=number, label=_shortened(label), source="auto")
        _add_shapes(element, track, tracked.info.num_frames, add_shape, holds=kind == "mask")
    write_xml(root, folder / ("cvat_masks.xml" if kind == "mask" else "cvat.xml"))


def _add_task(meta: Element, tracked: TrackedInput, kind: str) -> None:
    info = tracked.info
    task = add(meta, "task")
    add(task, "name", tracked.name)
    add(task, "size", str(info.num_frames))
    add(task, "mode", "interpolation")
    add(task, "start_frame", "0")
    add(task, "stop_frame", str(info.num_frames - 1))
    labels = add(task, "labels")
    names = dict.fromkeys(_shortened(label) for label in tracked.categories)
    for number, name in enumerate(names):
        label = add(labels, "label")
        add(label, "name", name)
        add(label, "color", _COLOURS[number % len(_COLOURS)])
        add(label, "type", kind)
        add(label, "attributes")
    size = add(task, "original_size")
    add(size, "width", str(info.width))
    add(size, "height", str(info.height))


def _add_shapes(
    element: Element, track: WordTrack, num_frames: int, add_shape: _AddShape, *, holds: bool
) -> None:
    stretches = track.stretches
    nexts = [*(each.first_frame for each in stretches[1:]), num_frames]
    for stretch, following in zip(stretches, nexts, strict=True):
        add_shape(element, track, stretch.slot, stretch.first_frame, False)
        if stretch.last_frame > stretch.first_frame and not holds:
            add_shape(element, track, stretch.slot, stretch.last_frame, False)
        if stretch.last_frame + 1 < following:
            add_shape(element, track, stretch.slot, stretch.last_frame + 1, True)


def _add_box(element: Element, track: WordTrack, slot: int, frame: int, ends: bool) -> None:
    sides = (f"{float(side):.2f}" for side in track.boxes[slot])
    corners = dict(zip(("xtl", "ytl", "xbr", "ybr"), sides, strict=True))
    add(element, "box", "", **_state(frame, ends), **corners, z_order=0)


def _add_mask(element: Element, track: WordTrack, slot: int, frame: int, ends: bool) -> None:
    x0, y0, x1, y1 = track.boxes[slot].tolist()
    runs = ", ".join(map(str, row_runs(track.pixel_mask(slot)[y0:y1, x0:x1])))
    place = {"left": x0, "top": y0, "width": x1 - x0, "height": y1 - y0}
    add(element, "mask", "", **_state(frame, ends), rle=runs, **place, z_order=0)


def _state(frame: int, ends: bool) -> dict[str, int]:
    return {"frame": frame, "outside": int(ends), "occluded": 0, "keyframe": 1}


def row_runs(mask: BoolArray) -> list[int]:
    """Return the run lengths of a mask in row-major order, starting with a background run.

    Source: CVAT documentation, XML annotation format, run-length encoding.

    Args:
        mask: bool [h, w].

    Returns:
        The lengths; the first is 0 if the first pixel is foreground. They add up to h * w.
    """
    flat = np.concatenate([[False], mask.ravel()])
    borders = np.flatnonzero(np.diff(flat))
    return [int(run) for run in np.diff(borders, prepend=0, append=mask.size)]


def _shortened(label: str) -> str:
    """Shorten a label to the length that CVAT allows."""
    return label[:_MAX_LABEL_LENGTH].rstrip()


CVAT, CVAT_MASKS = (
    Exporter(
        name=name,
        files=(f"{name.replace('-', '_')}.xml",),
        summary=f"CVAT for video 1.1: a track of {shapes} per word",
        index_base=0,
        write=partial(_write, kind=kind, add_shape=add_shape),
    )
    for name, shapes, kind, add_shape in (
        ("cvat", "boxes", "rectangle", _add_box),
        ("cvat-masks", "masks", "mask", _add_mask),
    )
)
