"""Masks as public sets store them: indexed PNG, grey PNG, COCO run lengths and polygons.

Every class tells the masks of one frame at a time, `masks(frame)`, as bool [objects, H, W]; so a
clip of hours costs no more than the frames that the model saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tam_video.errors import DatasetError, MissingDependencyError
from tam_video.evaluation.sets.files import checked, field, read_json, reading
from tam_video.metrics.grids import BoolArray
from tam_video.types import ByteArray

MAX_PIXELS = 2**26
_INDEXED = ("P", "L", "1")


@dataclass(frozen=True, slots=True)
class IndexedMasks:
    """One indexed picture a frame, in which an object's pixels hold its number.

    Attributes:
        paths: a picture for every frame of the video.
        numbers: of the objects; pixels of other numbers belong to nobody.
    """

    paths: tuple[Path, ...]
    numbers: tuple[int, ...]

    def masks(self, frame: int, /) -> BoolArray:
        """Bool [objects, H, W]."""
        labels = read_labels(self.paths[frame])
        return np.stack([labels == number for number in self.numbers])


@dataclass(frozen=True, slots=True)
class BinaryMasks:
    """One grey picture a frame, in which all pixels of the one object are above 0."""

    paths: tuple[Path, ...]

    def masks(self, frame: int, /) -> BoolArray:
        """Bool [1, H, W]."""
        return read_labels(self.paths[frame])[None] > 0


@dataclass(frozen=True, slots=True)
class TrackMasks:
    """Tracks of COCO run lengths in a file by track and frame; all of them are one object.

    Attributes:
        file: JSON object, number of a track -> one entry a frame, null where it is not seen.
        tracks: their numbers.
    """

    file: Path
    tracks: tuple[str, ...]

    def masks(self, frame: int, /) -> BoolArray:
        """Bool [1, H, W]; one pixel for a frame of tracks that are never seen."""
        known = _tracks(self.file)
        entries = [
            checked(known.get(track), list, f"track {track} of {self.file}")
            for track in self.tracks
        ]
        if any(frame >= len(track) for track in entries):
            raise DatasetError(f"{self.file} has tracks of fewer frames than their video")
        some = next((entry for track in entries for entry in track if entry), None)
        height, width = mask_size(some) if some else (1, 1)
        found = np.zeros((1, height, width), np.bool_)
        for track in entries:
            if track[frame]:
                found |= decode_runs(track[frame], size=(height, width))
        return found


@dataclass(frozen=True, slots=True)
class ShapeMask:
    """The mask of an object of a still picture, as a COCO segmentation.

    Attributes:
        segmentations: of its parts: polygons [[x, y, x, y, ...], ...], or run lengths.
        height: of the picture in pixels.
        width: of the picture in pixels.
    """

    segmentations: tuple[Any, ...]
    height: int
    width: int

    def masks(self, _frame: int, /) -> BoolArray:
        """Bool [1, H, W]."""
        size = checked_size(self.height, self.width)
        parts = [
            decode_runs(part, size=size) if isinstance(part, dict) else fill_polygons(part, *size)
            for part in self.segmentations
        ]
        return np.asarray(np.logical_or.reduce([np.zeros(size, np.bool_), *parts])[None])


def read_labels(path: Path) -> ByteArray:
    """uint8 [H, W]: the numbers of an indexed or grey picture.

    Raises:
        DatasetError: it is missing, damaged, too large, or has colours.
    """
    from PIL import Image

    try:
        with reading(path), Image.open(path, formats=["PNG"]) as picture:
            checked_size(picture.height, picture.width)
            if picture.mode not in _INDEXED:
                raise DatasetError(f"{path} is no mask of 8 bits a pixel, but {picture.mode}")
            return np.asarray(picture, np.uint8)
    except Image.DecompressionBombError as exc:
        raise DatasetError(f"{path} is too large") from exc


def decode_runs(runs: object, *, size: tuple[int, int] | None = None) -> BoolArray:
    """The mask of COCO run lengths.

    Source: the mask API of cocodataset/cocoapi: columns first, background first; as text, each
    length after the second is told by its difference from the one before the last, in groups of
    five bits. Written anew, for the library reads on behind the end of damaged lengths.

    Args:
        runs: {"size": [H, W], "counts": lengths or text}.
        size: what it should be.

    Returns:
        bool [H, W].

    Raises:
        DatasetError: it is no such mask, or of another size.
    """
    height, width = mask_size(runs)
    if size is not None and size != (height, width):
        raise DatasetError(f"a mask is {height}x{width} pixels, not {size[0]}x{size[1]}")
    counts = runs.get("counts") if isinstance(runs, dict) else None
    if isinstance(counts, str):
        lengths = list(_lengths(counts))
    elif isinstance(counts, list) and all(type(count) is int for count in counts):
        lengths = counts
    else:
        raise DatasetError("a mask has no run lengths")
    if any(length < 0 for length in lengths) or sum(lengths) != height * width:
        raise DatasetError("the run lengths of a mask do not add up to its size")
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return np.ascontiguousarray(flat.reshape(width, height).T)


def fill_polygons(polygons: object, height: int, width: int) -> BoolArray:
    """Bool [H, W]: the pixels in COCO polygons, by COCO's own rule for borders.

    Raises:
        DatasetError: they are no polygons.
        MissingDependencyError: pycocotools is not installed.
    """
    coco = coco_masks()
    told = checked(polygons, list, "a segmentation")
    try:
        corners = [np.asarray(polygon, np.float64) for polygon in told]
    except (TypeError, ValueError) as exc:
        raise DatasetError("a polygon holds something else than numbers") from exc
    for polygon in corners:
        if polygon.ndim != 1 or len(polygon) < 6 or len(polygon) % 2:
            raise DatasetError("a polygon has fewer than three corners")
        if not np.isfinite(polygon).all() or np.abs(polygon).max() > 2 * MAX_PIXELS**0.5:
            raise DatasetError("a polygon lies far outside of its picture")
    if not corners:
        return np.zeros((height, width), np.bool_)
    runs = coco.merge(coco.frPyObjects([polygon.tolist() for polygon in corners], height, width))
    return decode_runs({"size": [height, width], "counts": runs["counts"].decode("ascii")})


@lru_cache(maxsize=1)
def coco_masks() -> Any:
    """COCO's own mask functions.

    Raises:
        MissingDependencyError: pycocotools is not installed.
    """
    try:
        from pycocotools import mask
    except ImportError as exc:
        raise MissingDependencyError(
            "polygons of COCO are filled by pycocotools", hint='pip install "tam-video[sets]"'
        ) from exc
    return mask


def mask_size(runs: object) -> tuple[int, int]:
    """(H, W) of COCO run lengths.

    Raises:
        DatasetError: they tell none, or one that no picture has.
    """
    size = field(runs, "size", list, "a mask")
    if len(size) != 2:
        raise DatasetError("a mask has no height and width")
    return checked_size(*(checked(side, int, "a side of a mask") for side in size))


def checked_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of a picture.

    Raises:
        DatasetError: no picture has such a size.
    """
    if min(height, width) < 1 or height * width > MAX_PIXELS:
        raise DatasetError(f"a mask of {height}x{width} pixels")
    return height, width


@lru_cache(maxsize=1)
def _tracks(file: Path) -> Mapping[str, Any]:
    """A file of tracks, kept: it may hold a gigabyte."""
    return checked(read_json(file), dict, str(file))


def _lengths(text: str) -> Iterator[int]:
    before: list[int] = [0, 0]
    for place, length in enumerate(_groups(text)):
        length += before[-2] if place > 2 else 0
        before = [before[-1], length]
        yield length


def _groups(text: str) -> Iterator[int]:
    """Signed numbers in groups of five bits, low ones first; bit 5 says that more follow."""
    value = shift = 0
    for character in text.encode("ascii", "replace"):
        bits = character - 48
        if not 0 <= bits < 64 or shift > 40:
            raise DatasetError("the run lengths of a mask are damaged")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        yield value - (1 << shift) if bits & 16 else value
        value = shift = 0
    if shift:
        raise DatasetError("the run lengths of a mask are cut off")
