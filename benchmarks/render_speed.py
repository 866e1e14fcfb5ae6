"""How fast a clip is annotated, against bare decoding and encoding of the same clip.

    python -m benchmarks.render_speed clip.mp4 --layouts overlay,side,grid

Seconds are CPU seconds of one core: pin the process (`taskset -c 1`). Bare: decode, encode with the
same x264 settings, nothing in between. The maps are made up: one warm spot that moves, for each of
eight words; the heat changes with every frame or nearly so.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
from pathlib import Path

import av
import numpy as np

from tam_video.render.annotate import render_annotated
from tam_video.render.options import RenderOptions
from tam_video.types import Explanation, Message, Token, VisualLayout, Word
from tam_video.video.reader import open_video

ANSWER = "eight words take turns while a spot moves"
SLOTS, ROWS, COLUMNS = 16, 14, 24
CRF, PRESET = 18, "veryfast"


def cpu_seconds() -> float:
    """CPU time of this process so far, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def bare(source: Path, target: Path) -> int:
    """Decode and encode; the number of frames."""
    count = 0
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        stream = read.streams.video[0]
        made = written.add_stream("libx264", rate=stream.average_rate)
        made.width, made.height, made.pix_fmt = stream.width, stream.height, "yuv420p"
        made.options = {"crf": str(CRF), "preset": PRESET, "bf": "0"}
        made.codec_context.gop_size = max(12, min(250, round(2 * (stream.average_rate or 25))))
        for frame in read.decode(stream):
            frame.pict_type = av.video.frame.PictureType.NONE
            written.mux(made.encode(frame))
            count += 1
        written.mux(made.encode(None))
    return count


def made_up(path: Path) -> Explanation:
    """An explanation of a clip with eight words whose spots move."""
    with open_video(path) as video:
        info, pts = video.info, video.timeline.pts_seconds
    indices = np.linspace(0, len(pts) - 1, SLOTS).round().astype(np.int64)
    words, tokens, at = [], [], 0
    for place, text in enumerate(ANSWER.split()):
        start = ANSWER.index(text, at)
        at = start + len(text)
        words.append(Word(place, text, start, at, (place,), True))
        tokens.append(Token(place, place, text, "answer", place, start, at, 0.9))
    down, across = np.mgrid[:ROWS, :COLUMNS]
    maps = np.zeros((len(words), SLOTS, ROWS, COLUMNS), dtype=np.float32)
    for word, slot in np.ndindex(len(words), SLOTS):
        y, x = ROWS * (0.2 + 0.08 * word), COLUMNS * (0.1 + 0.8 * slot / SLOTS)
        maps[word, slot] = np.exp(-(((down - y) / 2) ** 2 + ((across - x) / 3) ** 2))
    return Explanation(
        info=info,
        indices=indices,
        pts_seconds=pts[indices],
        conversation=(Message("user", "What moves?"),),
        answer=ANSWER,
        tokens=tuple(tokens),
        words=tuple(words),
        layout=VisualLayout(SLOTS, ROWS, COLUMNS, tuple((k,) for k in range(SLOTS))),
        maps=maps,
        word_maps=maps,
        text_scores=np.zeros((len(words), len(words)), dtype=np.float32),
    )


def measure(source: Path, layouts: list[str], repeats: int) -> list[dict[str, object]]:
    """One row for each layout, and one for the overlay without a bar; the best of the repeats."""
    explanation, rows = made_up(source), []
    looks = [(name, RenderOptions(layout=name, crf=CRF, preset=PRESET)) for name in layouts]  # type: ignore[arg-type]
    looks.append(("overlay, no bar", RenderOptions(caption=False, crf=CRF, preset=PRESET)))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, look in looks:
            bares, drawn = [], []
            for _ in range(repeats):
                start = cpu_seconds()
                frames = bare(source, place / "bare.mp4")
                middle = cpu_seconds()
                render_annotated(explanation, source, place, options=look)
                bares.append((middle - start) / frames)
                drawn.append((cpu_seconds() - middle) / frames)
            rows.append(
                {
                    "layout": name,
                    "frames": frames,
                    "bare_ms": round(1000 * min(bares), 2),
                    "render_ms": round(1000 * min(drawn), 2),
                    "speed_of_bare": round(min(bares) / min(drawn), 3),
                }
            )
    return rows


def main() -> None:
    """Parse, measure, print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--layouts", default="overlay,side,grid")
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    for row in measure(options.clip, options.layouts.split(","), options.repeats):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
