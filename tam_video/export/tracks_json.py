"""Export the tracks, or only their time spans, as JSON. All indices are 0-based.

Boxes are [x0, y0, x1, y1] in pixels, the last two exclusive; points are [x, y]. Times are
presentation times of the source in seconds, as in `explanation.json`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tam_video.export.exporter import Exporter, TrackedInput, plain_number
from tam_video.export.text_files import write_json
from tam_video.localise import Peak, WordTrack

TRACKS_VERSION = 1


def _write_tracks(tracked: TrackedInput, folder: Path) -> None:
    words = [
        {
            **_word(track, label),
            "spans_seconds": _spans(track),
            "peak": track.peak and _peak(track.peak),
            "threshold": plain_number(track.threshold),
            "energy_share": plain_number(track.energy_share),
            **_check(tracked, track),
            "slots": _slots(track),
        }
        for track, label in zip(tracked.tracks, tracked.labels, strict=True)
    ]
    write_json({**_head(tracked), "words": words}, folder / "tracks.json", indent=None)


def _write_spans(tracked: TrackedInput, folder: Path) -> None:
    spans = [
        {**_word(track, label), "start_seconds": start, "end_seconds": end}
        for track, label in zip(tracked.tracks, tracked.labels, strict=True)
        for start, end in _spans(track)
    ]
    write_json({**_head(tracked), "spans": spans}, folder / "spans.json")


def _head(tracked: TrackedInput) -> dict[str, Any]:
    info = tracked.info
    return {
        "schema_version": TRACKS_VERSION,
        "video": {
            "name": tracked.file_name,
            "width": info.width,
            "height": info.height,
            "num_frames": info.num_frames,
            "start_seconds": plain_number(info.start_seconds),
            "duration_seconds": plain_number(info.duration_seconds),
        },
        "question": tracked.question,
        "answer": tracked.answer,
    }


def _word(track: WordTrack, label: str) -> dict[str, Any]:
    return {"word_index": track.word_index, "word": label}


def _check(tracked: TrackedInput, track: WordTrack) -> dict[str, Any]:
    """Return the field `verification`, or {} if the word was not checked in this input."""
    check = tracked.check_of(track)
    if check is None:
        return {}
    values = {"probability": check.probability, "hidden": check.hidden, "controls": check.controls}
    return {"verification": {**values, "num_controls_beaten": check.num_beaten}}


def _spans(track: WordTrack) -> list[list[float | None]]:
    return [[plain_number(start), plain_number(end)] for start, end in track.spans_seconds]


def _peak(peak: Peak) -> dict[str, Any]:
    return {
        "seconds": plain_number(peak.seconds),
        "point": [plain_number(peak.x_px), plain_number(peak.y_px)],
        "cell": [peak.slot, peak.row, peak.column],
        "value": plain_number(peak.value),
    }


def _slots(track: WordTrack) -> list[dict[str, Any]]:
    """Return one row per slot. Slots that the track covers have a box, a point and cells."""
    frames = {each.slot: [each.first_frame, each.last_frame] for each in track.stretches}
    edges = track.timeline.edges_seconds
    rows: list[dict[str, Any]] = []
    for slot, energy in enumerate(track.energy):
        row = {
            "slot": slot,
            "seconds": [plain_number(edges[slot]), plain_number(edges[slot + 1])],
            "energy": plain_number(energy),
        }
        if track.boxes[slot].any():
            row |= {
                "frames": frames.get(slot),
                "box": track.boxes[slot].tolist(),
                "point": [plain_number(side) for side in track.centroids[slot]],
                "cells": [
                    list(map(int, cell)) for cell in zip(*track.mask[slot].nonzero(), strict=True)
                ],
            }
        rows.append(row)
    return rows


JSON = Exporter(
    name="json",
    files=("tracks.json",),
    summary="JSON: cells, boxes, points, energy and spans per word and slot",
    index_base=0,
    write=_write_tracks,
)

SPANS = Exporter(
    name="spans",
    files=("spans.json",),
    summary="JSON: only the time spans of each word",
    index_base=None,
    write=_write_spans,
)
