"""Mask and crop frames before any later stage reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tam_video.dicom.regions import Box, Region, union
from tam_video.errors import VideoOpenError
from tam_video.pipelines.medical.options import MaskBox, MedicalOptions, is_in_pixels
from tam_video.types import ByteArray

_HINT = 'list the boxes to blacken in mask_boxes, or set unmasked = "warn"'


@dataclass(frozen=True, slots=True, eq=False)
class Masking:
    """Which pixels of a clip are blackened, and the box to which its frames are cropped."""

    is_black: NDArray[np.bool_]  # [H, W] of the source frame
    crop: Box
    has_burned_in: bool  # whether text that names a patient may still be visible
    warnings: tuple[str, ...] = ()  # what could not be masked, or is unknown

    @property
    def black_share(self) -> float:
        """The fraction of source pixels that are blackened or cropped away."""
        kept = ~self.is_black[self.crop.slices]
        return 1 - float(kept.sum()) / self.is_black.size

    def apply(self, rgb: ByteArray) -> ByteArray:
        """Return a copy of a frame after masking and cropping: uint8 [h, w, 3]."""
        masked = np.where(self.is_black[..., np.newaxis], np.uint8(0), rgb)
        return np.ascontiguousarray(masked[self.crop.slices])


def plan_masking(
    options: MedicalOptions,
    regions: Sequence[Region],
    *,
    name: str,
    width: int,
    height: int,
    burned_in: str,
) -> Masking:
    """Decide which pixels of a clip are blackened, and to which box its frames are cropped.

    Args:
        options: options of the pipeline.
        regions: ultrasound regions, largest first.
        name: name of the clip in messages.
        width: width of the source in pixels.
        height: height of the source in pixels.
        burned_in: "YES", "NO", or "" if the file does not specify it.

    Raises:
        VideoOpenError: text would stay visible, and `unmasked` is "refuse".
    """
    is_black = np.zeros((height, width), np.bool_)
    if options.mask == "outside-regions" and regions:
        is_black[:] = True
        for region in regions:
            is_black[region.box.slices] = False
    for box in options.mask_boxes:
        is_black[_pixels(box, width=width, height=height).slices] = True
    crop = _crop(options, regions) or Box(0, 0, width, height)
    is_masked = bool(is_black.any()) or crop.area < width * height
    needs_regions = options.mask == "outside-regions" or options.crop != "none"
    warnings = []
    if needs_regions and not regions and not options.mask_boxes:
        warnings.append("the file marks no ultrasound regions, so nothing is masked")
    elif burned_in == "YES" and not is_masked:
        warnings.append("the file declares burned-in text, and nothing is masked")
    if warnings and options.unmasked == "refuse":
        raise VideoOpenError(f"{name}: {warnings[0]}", hint=_HINT)
    if not warnings and not burned_in and not is_masked:
        warnings.append(
            "the file does not declare whether it has burned-in text; nothing is masked"
        )
    return Masking(is_black, crop, burned_in != "NO" and not is_masked, tuple(warnings))


def _crop(options: MedicalOptions, regions: Sequence[Region]) -> Box | None:
    if options.crop == "none" or not regions:
        return None
    if options.crop == "all-regions":
        return union(region.box for region in regions)
    tissue = [region for region in regions if region.is_two_dimensional] or list(regions)
    return tissue[0].box


def _pixels(box: MaskBox, *, width: int, height: int) -> Box:
    """Convert a box to pixels. Fractions are rounded outwards."""
    if is_in_pixels(box):
        return Box(*(int(side) for side in box))
    return Box.from_fractions(box, width=width, height=height)
