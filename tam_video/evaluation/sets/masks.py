"""Masks as public sets store them: indexed PNG, grey PNG, COCO run lengths and polygons.

Every class returns the masks of one frame at a time, `masks(frame)`, bool [objects, H, W], so that
long videos cost no more than the frames that the model saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from tam_video.errors import DatasetError, optional_import
from tam_video.evaluation.sets.files import read_json, reading
from tam_video.types import BoolArray, ByteArray

MAX_PIXELS = 2**26
_INDEXED = ("P", "L", "1")


@dataclass(frozen=True, slots=True)
class IndexedMasks:
    """The masks of a video, stored as one indexed or grey image per frame.

    Attributes:
        paths: an image for every frame of the video.
        numbers: pixel values of the objects; others are background. Empty for one object of all
            values above 0.
    """

    paths: tuple[Path, ...]
    numbers: tuple[int, ...] = ()

    def masks(self, frame: int, /) -> BoolArray:
        """Return the masks of all objects at a frame: bool [objects, H, W]."""
        labels = read_labels(self.paths[frame])
        if not self.numbers:
            return labels[None] > 0
        return np.stack([labels == number for number in self.numbers])


@dataclass(frozen=True, slots=True)
class TrackMasks:
    """The masks of one object, stored in a file as COCO run lengths for each track and frame.

    Attributes:
        file: JSON object, number of a track -> one entry a frame, null where it is not visible.
        tracks: their numbers.
    """

    file: Path
    tracks: tuple[str, ...]

    def masks(self, frame: int, /) -> BoolArray:
        """Return the object's mask at a frame: bool [1, H, W], or [1, 1, 1] if it has no masks."""
        known = _tracks(self.file)
        missing = [track for track in self.tracks if track not in known]
        if missing:
            raise DatasetError(f"{self.file} has no track {missing[0]}")
        entries = [known[track] for track in self.tracks]
        if any(frame >= len(track) for track in entries):
            raise DatasetError(f"{self.file} contains a track with fewer frames than its video")
        some = next((entry for track in entries for entry in track if entry), None)
        height, width = checked_size(*_runs(some).size) if some else (1, 1)
        mask = np.zeros((1, height, width), np.bool_)
        for track in entries:
            if track[frame]:
                mask |= decode_runs(track[frame], size=(height, width))
        return mask


@dataclass(frozen=True, slots=True)
class ShapeMask:
    """The mask of an object of a still image, as a COCO segmentation.

    Attributes:
        segmentations: of its parts: polygons [[x, y, x, y, ...], ...], or run lengths.
        height: of the image in pixels.
        width: of the image in pixels.
    """

    segmentations: tuple[Any, ...]
    height: int
    width: int

    def masks(self, _frame: int, /) -> BoolArray:
        """Return the mask of the object: bool [1, H, W]."""
        size = checked_size(self.height, self.width)
        parts = [
            decode_runs(part, size=size) if isinstance(part, dict) else fill_polygons(part, *size)
            for part in self.segmentations
        ]
        return np.asarray(np.logical_or.reduce([np.zeros(size, np.bool_), *parts])[None])


def read_labels(path: Path) -> ByteArray:
    """Read the label of each pixel from an indexed or grey image: uint8 [H, W].

    Raises:
        DatasetError: it is missing, damaged, too large, or not of 8 bits per pixel.
    """
    from PIL import Image

    try:
        with reading(path), Image.open(path, formats=["PNG"]) as image:
            checked_size(image.height, image.width)
            if image.mode not in _INDEXED:
                raise DatasetError(
                    f"{path} has the image mode {image.mode}; expected 8 bits per pixel"
                )
            return np.asarray(image, np.uint8)
    except Image.DecompressionBombError as exc:
        raise DatasetError(f"the image {path} is too large") from exc


class _Runs(BaseModel):
    """A mask as COCO run lengths: its size [H, W], and the lengths as numbers or text."""

    model_config = ConfigDict(strict=True)
    size: Annotated[list[int], Field(min_length=2, max_length=2)]
    counts: list[int] | str


def decode_runs(runs: object, *, size: tuple[int, int] | None = None) -> BoolArray:
    """Decode a mask from COCO run lengths: bool [H, W].

    Source: the mask API of cocodataset/cocoapi: columns first, background first; as text, each
    length after the second is stored as its difference from the one before the last, in groups of
    five bits. Own code, because the library reads behind the end of damaged lengths.

    Args:
        runs: {"size": [H, W], "counts": lengths or text}.
        size: the expected size.

    Raises:
        DatasetError: it is not such a mask, or has another size.
    """
    known = _runs(runs)
    height, width = checked_size(*known.size)
    if size is not None and size != (height, width):
        raise DatasetError(f"a mask has {height}x{width} pixels; expected {size[0]}x{size[1]}")
    lengths = list(_lengths(known.counts)) if isinstance(known.counts, str) else known.counts
    if any(length < 0 for length in lengths) or sum(lengths) != height * width:
        raise DatasetError("the run lengths of a mask do not add up to its size")
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return np.ascontiguousarray(flat.reshape(width, height).T)


def fill_polygons(polygons: object, height: int, width: int) -> BoolArray:
    """Convert COCO polygons to a mask with COCO's own border rule: bool [H, W]."""
    coco = coco_masks()
    try:
        numbers = TypeAdapter(list[list[FiniteFloat]]).validate_python(polygons)
    except ValidationError as exc:
        raise DatasetError("a segmentation is not a list of polygons") from exc
    corners = [np.array(polygon, np.float64) for polygon in numbers]
    for polygon in corners:
        if len(polygon) < 6 or len(polygon) % 2:
            raise DatasetError("a polygon has fewer than three corners")
        if np.abs(polygon).max() > 2 * MAX_PIXELS**0.5:
            raise DatasetError("a polygon is far outside its image")
    if not corners:
        return np.zeros((height, width), np.bool_)
    runs = coco.merge(coco.frPyObjects([polygon.tolist() for polygon in corners], height, width))
    return decode_runs({"size": [height, width], "counts": runs["counts"].decode("ascii")})


@lru_cache(maxsize=1)
def coco_masks() -> Any:
    """Return the mask functions of pycocotools, or raise an error if it is not installed."""
    with optional_import("polygons of COCO need pycocotools", install="'tam-video[sets]'"):
        from pycocotools import mask
    return mask


def checked_size(height: int, width: int) -> tuple[int, int]:
    """Return the height and width of an image, or raise `DatasetError` if they are not valid."""
    if min(height, width) < 1 or height * width > MAX_PIXELS:
        raise DatasetError(f"the mask size {height}x{width} is not valid")
    return height, width


@lru_cache(maxsize=1)
def _tracks(file: Path) -> Mapping[str, Any]:
    """Read a file of tracks, and cache it because the file can be very large."""
    return read_json(file, dict[str, list[Any]])


def _runs(runs: object) -> _Runs:
    try:
        return _Runs.model_validate(runs)
    except ValidationError as exc:
        raise DatasetError("the size or the run lengths of a mask are not valid") from exc


def _lengths(text: str) -> Iterator[int]:
    """Decode run lengths from COCO's text, which has 5 bits per character, low bits first."""
    lengths: list[int] = []
    value = shift = 0
    for character in text.encode("ascii", "replace"):
        bits = character - 48
        if not 0 <= bits < 64 or shift > 40:
            raise DatasetError("the run lengths of a mask are damaged")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (1 << shift) if bits & 16 else 0
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
            yield lengths[-1]
    if shift:
        raise DatasetError("the run lengths of a mask end too early")
