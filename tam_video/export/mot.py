"""Export to the MOT format of CVAT: one box per line. Frames, tracks and classes are 1-based.

The position of a box is 0-based, in pixels, as in CVAT; in the MOT Challenge itself it is 1-based.

Source: CVAT documentation, format MOT; Dendorfer et al., MOT20, arXiv:2003.09003.
"""

from __future__ import annotations

from pathlib import Path

from tam_video.export.exporter import Exporter, TrackedInput


def _write(tracked: TrackedInput, folder: Path) -> None:
    sequence = folder / "mot"
    (sequence / "gt").mkdir(parents=True)
    rows = []
    for number, (track, label) in enumerate(zip(tracked.tracks, tracked.labels, strict=True)):
        category = tracked.categories.index(label) + 1
        boxes = track.frame_boxes
        for frame in tracked.frames.tolist():
            x0, y0, x1, y1 = boxes[frame].tolist()
            if x1 > x0:
                rows.append((frame + 1, number + 1, x0, y0, x1 - x0, y1 - y0, 1, category, 1))
    lines = [",".join(map(str, row)) + "\n" for row in sorted(rows)]
    (sequence / "gt" / "gt.txt").write_text("".join(lines), encoding="utf-8")
    labels = "".join(f"{name}\n" for name in tracked.categories)
    (sequence / "gt" / "labels.txt").write_text(labels, encoding="utf-8")
    info = tracked.info
    (sequence / "seqinfo.ini").write_text(
        f"[Sequence]\nname={tracked.name}\nimDir=img1\nframeRate={float(info.average_fps):g}\n"
        f"seqLength={info.num_frames}\nimWidth={info.width}\nimHeight={info.height}\nimExt=.png\n",
        encoding="utf-8",
    )


MOT = Exporter(
    name="mot",
    files=("mot",),
    summary="MOT: a box per line, with labels.txt",
    index_base=1,
    write=_write,
)
