"""Export to DAVIS: one PNG mask per frame, with one colour per word. Frames are 0-based.

The value of a pixel is the 1-based number of its word, as in `labels.txt`, and 0 for no word. If
tracks overlap, the word with the greater map value has the pixel, of equal ones the first.

Source: Pont-Tuset et al., The 2017 DAVIS Challenge, arXiv:1704.00675; colours as in PASCAL VOC.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from tam_video.errors import ExportError
from tam_video.export.exporter import Exporter, TrackedInput
from tam_video.types import ByteArray

_MAX_WORDS = 255


def _write(tracked: TrackedInput, folder: Path) -> None:
    count = len(tracked.tracks)
    if count > _MAX_WORDS:
        raise ExportError(
            f"a PNG of the format 'davis' can hold {_MAX_WORDS} words, not {count}",
            hint="select fewer words with --word",
        )
    root = folder / "davis"
    frames = root / "Annotations" / tracked.name
    frames.mkdir(parents=True)
    listed = zip(tracked.frames.tolist(), tracked.listed_slots.tolist(), strict=True)
    pictures: dict[int, bytes] = {}
    for frame, slot in listed:
        if slot not in pictures:
            pictures[slot] = _png(_numbers(tracked, slot))
        (frames / f"{frame:05d}.png").write_bytes(pictures[slot])
    lines = [f"{number + 1} {label}\n" for number, label in enumerate(tracked.labels)]
    (root / "labels.txt").write_text("".join(lines), encoding="utf-8")


def _numbers(tracked: TrackedInput, slot: int) -> ByteArray:
    """Return a picture, uint8 [H, W], of word numbers. Pixels without a word are 0."""
    height, width = tracked.info.height, tracked.info.width
    if slot < 0 or not tracked.tracks:
        return np.zeros((height, width), np.uint8)
    cells = np.zeros(tracked.tracks[0].mask.shape[1:], np.uint8)
    hottest = np.full(cells.shape, -np.inf)
    for number, track in enumerate(tracked.tracks):
        wins = track.mask[slot] & (track.heat[slot] > hottest)
        cells[wins], hottest[wins] = number + 1, track.heat[slot][wins]
    return tracked.tracks[0].placement.spread(cells)


def _png(numbers: ByteArray) -> bytes:
    from PIL import Image

    picture = Image.fromarray(numbers)
    picture.putpalette(voc_palette().tobytes())
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()


def voc_palette() -> ByteArray:
    """Return the RGB palette of PASCAL VOC and DAVIS: uint8 [256, 3]."""
    numbers = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= ((numbers >> channel & 1) << (7 - bit)).astype(np.uint8)
        numbers >>= 3
    return palette


DAVIS = Exporter(
    name="davis",
    files=("davis",),
    summary="DAVIS: a PNG mask per frame, indexed colours, with labels.txt",
    index_base=0,
    write=_write,
)
