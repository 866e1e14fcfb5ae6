"""Boxes of a picture, and the regions that an ultrasound file marks.

Source: DICOM PS3.3, C.8.5.5 (US Region Calibration): corners are pixels inside of the region.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset

_GRAPHICS = 5
_TWO_DIMENSIONAL = 1


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """A part of a picture in whole pixels; right and bottom are not part of it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        """Pixels in it."""
        return (self.right - self.left) * (self.bottom - self.top)

    def within(self, width: int, height: int) -> Box | None:
        """What of it lies in a picture; None where nothing does."""
        left, top = max(0, self.left), max(0, self.top)
        right, bottom = min(width, self.right), min(height, self.bottom)
        return Box(left, top, right, bottom) if left < right and top < bottom else None

    def moved(self, left: int, top: int) -> Box:
        """The same seen from another corner."""
        return Box(self.left - left, self.top - top, self.right - left, self.bottom - top)


@dataclass(frozen=True, slots=True)
class Region:
    """A marked part of an ultrasound picture.

    Attributes:
        box: where it is.
        is_two_dimensional: a picture of tissue, no M-mode, spectrum or curve.
    """

    box: Box
    is_two_dimensional: bool


def ultrasound_regions(dataset: Dataset, *, width: int, height: int) -> tuple[Region, ...]:
    """The regions of a file, largest first; those of graphics hold text and don't count.

    Args:
        dataset: the technical tags.
        width: picture width in pixels.
        height: picture height in pixels.
    """
    found = []
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
            found.append(Region(box, kind == _TWO_DIMENSIONAL))
    return tuple(sorted(found, key=lambda region: (-region.box.area, region.box)))


def union(boxes: Iterable[Box]) -> Box:
    """The smallest box around all.

    Raises:
        ValueError: there is none.
    """
    lefts, tops, rights, bottoms = zip(
        *((b.left, b.top, b.right, b.bottom) for b in boxes), strict=True
    )
    return Box(min(lefts), min(tops), max(rights), max(bottoms))
