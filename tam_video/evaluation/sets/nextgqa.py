"""NExT-GQA: questions about videos, their correct answers, and the time spans that show them.

Layout: doc-doc/NExT-GQA datasets/nextgqa: `val.csv` and `gsub_val.json`
({VIDEO: {"location": {QID: [[start, end], ...]}, "duration": ...}}, in seconds), and
`map_vid_vidorID.json` from a video's number to its path under NExTVideo.
"""

from __future__ import annotations

import csv
from pathlib import Path

from pydantic import Field, FiniteFloat

from tam_video.errors import DatasetError
from tam_video.evaluation.score import CURVES
from tam_video.evaluation.sets.base import PublicSet, SetItem, SetQuery
from tam_video.evaluation.sets.files import Record, first_of, inside, read_json, reading
from tam_video.evaluation.sets.truths import SpanTruth


class _Grounding(Record):
    location: dict[str, list[tuple[FiniteFloat, FiniteFloat]]] = Field(default_factory=dict)


def read_nextgqa(query: SetQuery) -> list[SetItem]:
    """Return an item, with the correct answer, for each question that has time spans."""
    folder = query.folder
    grounds = read_json(folder / f"gsub_{query.subset}.json", dict[str, _Grounding])
    mapping = folder / "map_vid_vidorID.json"
    paths = read_json(mapping, dict[str, str]) if mapping.is_file() else {}
    videos = first_of(folder, "NExTVideo", "videos")
    items = []
    for row in _rows(folder / f"{query.subset}.csv"):
        video, key = row.get("video_id") or row.get("video") or "", row.get("qid") or ""
        spans = grounds.get(video, _Grounding()).location.get(key)
        if not spans:
            continue
        path = inside(videos, f"{paths.get(video, video)}.mp4")
        truth = SpanTruth(tuple((min(span), max(span)) for span in spans))
        question = f"{(row.get('question') or '').strip().rstrip('?')}?"
        name = f"{video}/{key}"
        items.append(SetItem(name, video, path, question, truth, answer=_answer(row, name)))
    return items


def _rows(file: Path) -> list[dict[str, str]]:
    with reading(file), file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    missing = {"question", "answer", "qid"} - set(rows[0] if rows else ())
    if missing:
        raise DatasetError(f"{file} has no column {min(missing)!r}")
    return rows


def _answer(row: dict[str, str], name: str) -> str:
    """Return the correct answer: the given text, or the choice a0 to a4 with the given number."""
    answer = (row.get("answer") or "").strip()
    chosen = (row.get(f"a{answer}") or "").strip() if answer.isdecimal() else ""
    if not (chosen or answer):
        raise DatasetError(f"question {name} has no answer")
    return chosen or answer


NEXTGQA = PublicSet(
    name="nextgqa",
    title="NExT-GQA with the videos of NExT-QA",
    read=read_nextgqa,
    subsets=("val", "test"),
    metrics=("tiou", "iop", "temporal_energy", *CURVES),
    site="github.com/doc-doc/NExT-GQA",
    licence="MIT for the annotations, videos from VidOR (YFCC100M) under Creative Commons",
    layout=("gsub_val.json", "val.csv", "map_vid_vidorID.json", "NExTVideo/FOLDER/NUMBER.mp4"),
)
