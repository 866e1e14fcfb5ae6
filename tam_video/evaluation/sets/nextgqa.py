"""NExT-GQA: questions about videos, their right answers, and the spans that show them.

Layout: doc-doc/NExT-GQA datasets/nextgqa: `val.csv` and `gsub_val.json`
({VIDEO: {"location": {QID: [[start, end], ...]}, "duration": ...}}, in seconds), and
`map_vid_vidorID.json` from a video's number to its place under NExTVideo.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tam_video.errors import DatasetError
from tam_video.evaluation.sets.base import CURVE_NAMES, PublicSet, SetItem, SetQuery
from tam_video.evaluation.sets.files import (
    checked,
    first_of,
    inside,
    read_json,
    reading,
)
from tam_video.evaluation.sets.truths import SpanTruth
from tam_video.metrics.spans import TimeSpan


def read_nextgqa(query: SetQuery) -> list[SetItem]:
    """One item a question that has spans; its right answer is passed through."""
    folder = query.folder
    file = folder / f"gsub_{query.subset}.json"
    grounds = checked(read_json(file), dict, str(file))
    places = _places(folder)
    videos = first_of(folder, "NExTVideo", "videos")
    items = []
    for row in _rows(folder / f"{query.subset}.csv"):
        video, key = row.get("video_id") or row.get("video") or "", row.get("qid") or ""
        located = grounds.get(video, {})
        known = checked(located, dict, f"{video} of {file}").get("location", {})
        spans = checked(known, dict, f"'location' of {video} in {file}").get(key)
        if not spans:
            continue
        path = inside(videos, f"{places.get(video, video)}.mp4")
        name = f"{video}/{key}"
        truth = SpanTruth(
            tuple(
                _span(span, f"{name} of {file}")
                for span in checked(spans, list, f"{name} of {file}")
            )
        )
        answer = _answer(row, name)
        question = f"{(row.get('question') or '').strip().rstrip('?')}?"
        items.append(SetItem(name, video, path, question, truth, answer=answer))
    return items


def _rows(file: Path) -> list[dict[str, str]]:
    with reading(file), file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    missing = {"question", "answer", "qid"} - set(rows[0] if rows else ())
    if missing:
        raise DatasetError(f"{file} has no column {min(missing)!r}")
    return rows


def _places(folder: Path) -> Mapping[str, Any]:
    """Where each video lies; without the file, by its own number."""
    file = folder / "map_vid_vidorID.json"
    return checked(read_json(file), dict, str(file)) if file.is_file() else {}


def _answer(row: Mapping[str, str], name: str) -> str:
    """The right answer: the text, or the number of one of a0 to a4, as NExT-QA tells it."""
    told = (row.get("answer") or "").strip()
    chosen = (row.get(f"a{told}") or "").strip() if told.isdecimal() else ""
    if not (chosen or told):
        raise DatasetError(f"question {name} has no answer")
    return chosen or told


def _span(value: Any, where: str) -> TimeSpan:
    if isinstance(value, list) and len(value) == 2:
        start, end = value
        if all(isinstance(side, int | float) and math.isfinite(side) for side in value):
            return (float(min(start, end)), float(max(start, end)))
    raise DatasetError(f"{where} has a span that is not [start, end] in seconds")


NEXTGQA = PublicSet(
    name="nextgqa",
    title="NExT-GQA with the videos of NExT-QA",
    read=read_nextgqa,
    subsets=("val", "test"),
    metrics=("tiou", "iop", "temporal_energy", *CURVE_NAMES),
    default_metrics=("tiou", "iop", "temporal_energy"),
    site="github.com/doc-doc/NExT-GQA",
    licence="MIT for the annotations, videos from VidOR (YFCC100M) under Creative Commons",
    layout=(
        "gsub_val.json",
        "val.csv",
        "map_vid_vidorID.json",
        "NExTVideo/FOLDER/NUMBER.mp4",
    ),
)
