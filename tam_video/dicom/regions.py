"""Boxes in a frame, and the marked regions of ultrasound files.

Source: DICOM PS3.3, C.8.5.5 (US Region Calibration): corners are pixels inside the region.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset

_GRAPHICS = 5
_TWO_DIMENSIONAL = 1


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """A rectangle in integer pixels; `right` and `bottom` are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def from_fractions(cls, sides: Sequence[float], *, width: int, height: int) -> Box:
        """Convert fractions of the width and height to a box, rounded outwards to whole pixels."""
        left, top, right, bottom = sides
        return cls(
            math.floor(left * width),
            math.floor(top * height),
            math.ceil(right * width),
            math.ceil(bottom * height),
        )

    @property
    def area(self) -> int:
        """Number of pixels in the box."""
        return (self.right - self.left) * (self.bottom - self.top)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Slices that select the box from an array [H, W]."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def within(self, width: int, height: int) -> Box | None:
        """Return the part of the box inside the frame, or None if the box is outside."""
        left, top = max(0, self.left), max(0, self.top)
        right, bottom = min(width, self.right), min(height, self.bottom)
        return Box(left, top, right, bottom) if left < right and top < bottom else None


@dataclass(frozen=True, slots=True)
class Region:
    """A marked region of an ultrasound frame.

    Attributes:
        box: position.
        is_two_dimensional: whether it is a 2D image of tissue, not M-mode, a spectrum or a curve.
    """

    box: Box
    is_two_dimensional: bool


def ultrasound_regions(dataset: Dataset, *, width: int, height: int) -> tuple[Region, ...]:
    """Return ultrasound regions, largest first. Regions of graphics hold text, and are omitted."""
    regions = []
    for item in dataset.get("SequenceOfUltrasoundRegions") or ():
        corners = [
            item.get(f"RegionLocation{name}") for name in ("MinX0", "MinY0", "MaxX1", "MaxY1")
        ]
        kind = item.get("RegionSpatialFormat")
        if not all(isinstance(each, int) for each in corners) or kind == _GRAPHICS:
            continue
        left, top, right, bottom = (int(each) for each in corners if each is not None)
        box = Box(left, top, right + 1, bottom + 1).within(width, height)
        if box is not None:
            regions.append(Region(box, kind == _TWO_DIMENSIONAL))
    return tuple(sorted(regions, key=lambda region: (-region.box.area, region.box)))


def union(boxes: Iterable[Box]) -> Box:
    """Return the bounding box of all boxes."""
    lefts, tops, rights, bottoms = zip(
        *((b.left, b.top, b.right, b.bottom) for b in boxes), strict=True
    )
    return Box(min(lefts), min(tops), max(rights), max(bottoms))
