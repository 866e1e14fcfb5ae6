"""The batch that the checks run: clips of shapes, some questions on each."""

from __future__ import annotations

import json
from pathlib import Path

from tam_video.datasets.worlds import make_world, write_scene

QUESTIONS = ("Describe the video.", "What moves?", "What stays still?", "Which color is seen?")


def make_items(folder: Path, count: int, *, seed: int = 90_000) -> Path:
    """Write `count` items on a quarter as many clips; the manifest's path."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        name = f"clip{number // len(QUESTIONS):04d}.mp4"
        if not (folder / name).exists():
            write_scene(make_world("base", seed + number // len(QUESTIONS)), folder / name)
        question = QUESTIONS[number % len(QUESTIONS)]
        rows.append({"id": f"item{number:04d}", "video": name, "question": question})
    manifest = folder / "items.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return manifest
