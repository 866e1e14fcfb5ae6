"""Measure how often the answers of a model are exactly right, per kind of question.

    python -m benchmarks.answers --clips 500 --workers 2 --out docs/results/tiny_answers.json

Every held-out clip is written as an MP4, opened with the default reader and sampled by the model's
own rule; answers are decoded greedily, as by `tam-video explain`. A clip without a still object has
no question "where", one without a unique shape no question "what color": clips are added until each
kind has its number.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.checkpoints import checkpoint, known_clip, known_nouns
from tam_video.datasets.questions import ShapeQuestion
from tam_video.datasets.scene import SceneClip
from tam_video.datasets.shapes import Split
from tam_video.datasets.worlds import write_scene
from tam_video.metrics.statistics import mean_interval
from tam_video.types import FrameBatch, Message
from training.questions import caption_facts, make_questions

MODEL: dict[str, Any] = {}
_KINDS = ("color", "shape", "motion", "location", "presence", "presence, negative", "when")
KINDS = (*_KINDS, "count", "caption", "multi_turn")
TWO_OBJECTS = "caption, two objects"


def start_worker(model: str) -> None:
    """Load the model once per process, one thread each."""
    import torch

    from tam_video.models import load_model

    torch.set_num_threads(1)
    MODEL["name"] = model
    MODEL["model"] = load_model(checkpoint(model))


def draw_clip(
    model: str, seed: int, split: Split, num_objects: int | None
) -> tuple[SceneClip, list[ShapeQuestion]]:
    """Draw a clip with nouns that the model knows, and the questions about it."""
    clip = known_clip(model, seed, split=split, num_objects=num_objects)
    rng = np.random.default_rng([3, seed])
    return clip, make_questions(clip, rng, shapes=known_nouns(model, seed))


def read_clip(clip: SceneClip) -> FrameBatch:
    """Write a clip as an MP4 and read the frames that the model samples."""
    from tam_video.video.reader import open_video

    with tempfile.TemporaryDirectory() as folder:
        path = write_scene(clip, Path(folder) / "clip.mp4")
        with open_video(path) as reader:
            indices = MODEL["model"].sample_native(reader.info, reader.timeline.pts_seconds)
            return reader.read(indices)


def turns(question: ShapeQuestion) -> list[Message]:
    """Return the conversation of a question."""
    history = [
        Message(role, text)
        for pair in question.history
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    return [*history, Message("user", question.text)]


def is_right(question: ShapeQuestion, answer: str) -> bool:
    """Return whether an answer is exact, except for the order of objects in a caption."""
    if question.kind == "caption":
        return caption_facts(answer) == caption_facts(question.answer)
    return answer.strip() == question.answer


def answer_clip(job: tuple[int, Split, int | None, tuple[str, ...]]) -> list[dict[str, Any]]:
    """Answer the questions of the given kinds about one clip."""
    seed, split, num_objects, kinds = job
    clip, questions = draw_clip(MODEL["name"], seed, split, num_objects)
    batch = read_clip(clip)
    rows = []
    for question in questions:
        kind = f"{question.kind}, negative" if question.is_negative else question.kind
        if kind in kinds:
            answer = MODEL["model"].generate(batch, turns(question)).answer
            rows.append(
                {
                    "kind": TWO_OBJECTS if num_objects == 2 else kind,
                    "seed": seed,
                    "objects": len(clip.objects),
                    "question": question.text,
                    "expected": question.answer,
                    "answer": answer,
                    "right": is_right(question, answer),
                }
            )
    return rows


def jobs(
    model: str, clips: int, split: Split
) -> Iterator[tuple[int, Split, int | None, tuple[str, ...]]]:
    """Yield clips until every kind has its number, then captions of clips with two objects."""
    counts: dict[str, int] = defaultdict(int)
    seed = 0
    while min(counts[kind] for kind in KINDS) < clips:
        _, questions = draw_clip(model, seed, split, None)
        present = {f"{q.kind}, negative" if q.is_negative else q.kind for q in questions}
        wanted = tuple(kind for kind in KINDS if kind in present and counts[kind] < clips)
        for kind in wanted:
            counts[kind] += 1
        if wanted:
            yield seed, split, None, wanted
        seed += 1
    for extra in range(clips):
        yield 1_000_000 + extra, split, 2, ("caption",)


def main() -> None:
    """Run, print a table, and write the summary and every wrong answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--clips", type=int, default=500, help="per kind of question")
    parser.add_argument("--split", default="test", choices=["dev", "test"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    began = time.time()
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(
        args.workers, get_context("spawn"), initializer=start_worker, initargs=(args.model,)
    ) as pool:
        for number, answers in enumerate(
            pool.map(answer_clip, jobs(args.model, args.clips, args.split)), start=1
        ):
            rows += answers
            if number % 50 == 0:
                right = sum(row["right"] for row in rows) / len(rows)
                print(f"{number} clips, {len(rows)} answers, {right:.3f} right", flush=True)
    groups = defaultdict(list)
    for row in rows:
        groups[row["kind"]].append(float(row["right"]))
    summary = {kind: mean_interval(values, is_rate=True) for kind, values in sorted(groups.items())}
    for kind, interval in summary.items():
        print(f"{kind:24s} {interval}")
    print(f"{len(rows)} answers in {time.time() - began:.0f} s")
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        wrong = [row for row in rows if not row["right"]]
        document = {"kinds": {k: v.as_dict() for k, v in summary.items()}, "wrong": wrong}
        args.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
