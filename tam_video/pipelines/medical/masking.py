"""What of a picture is blackened and cut off before anything else sees it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tam_video.dicom.regions import Box, Region, union
from tam_video.errors import VideoOpenError
from tam_video.pipelines.medical.options import MaskBox, MedicalOptions, is_in_pixels
from tam_video.types import ByteArray

_HINT = 'name what to blacken in mask_boxes, or set unmasked = "warn"'


@dataclass(frozen=True, slots=True, eq=False)
class Masking:
    """How the frames of one clip are masked and cropped.

    Attributes:
        is_black: bool [H, W] of the source picture.
        crop: the part that stays.
        has_burned_in: whether text that names a patient may still be there.
        warnings: what could not be done, or is not known, in words.
    """

    is_black: NDArray[np.bool_]
    crop: Box
    has_burned_in: bool
    warnings: tuple[str, ...] = ()

    @property
    def black_share(self) -> float:
        """Share of the source's pixels that no later stage sees."""
        kept = ~self.is_black[self.crop.top : self.crop.bottom, self.crop.left : self.crop.right]
        return 1 - float(kept.sum()) / self.is_black.size

    def applied(self, rgb: ByteArray) -> ByteArray:
        """uint8 [h, w, 3]: a frame as everything after this sees it; the given one is not kept."""
        masked = np.where(self.is_black[..., np.newaxis], np.uint8(0), rgb)
        crop = self.crop
        return np.ascontiguousarray(masked[crop.top : crop.bottom, crop.left : crop.right])


def plan_masking(
    options: MedicalOptions,
    regions: Sequence[Region],
    *,
    name: str,
    width: int,
    height: int,
    burned_in: str,
) -> Masking:
    """Decide what is masked in a clip.

    Args:
        options: what is asked for.
        regions: the ultrasound regions, largest first.
        name: what messages call the clip.
        width: width of the source in pixels.
        height: height of the source in pixels.
        burned_in: "YES", "NO", or "" where the file does not say.

    Raises:
        VideoOpenError: text would stay visible, and `unmasked` is "refuse".
    """
    is_black = np.zeros((height, width), np.bool_)
    if options.mask == "outside-regions" and regions:
        is_black[:] = True
        for region in regions:
            is_black[_slices(region.box)] = False
    for box in options.mask_boxes:
        is_black[_slices(_pixels(box, width=width, height=height))] = True
    crop = _crop(options, regions) or Box(0, 0, width, height)
    is_masked = bool(is_black.any()) or crop.area < width * height
    asks_regions = options.mask == "outside-regions" or options.crop != "none"
    warnings = []
    if asks_regions and not regions and not options.mask_boxes:
        warnings.append("it marks no ultrasound regions, so that nothing is masked")
    elif burned_in == "YES" and not is_masked:
        warnings.append("it says that text is burnt into the picture, and nothing is masked")
    if warnings and options.unmasked == "refuse":
        raise VideoOpenError(f"{name}: {warnings[0]}", hint=_HINT)
    if not warnings and not burned_in and not is_masked:
        warnings.append("it does not say whether text is burnt in, and nothing is masked")
    return Masking(is_black, crop, burned_in != "NO" and not is_masked, tuple(warnings))


def _crop(options: MedicalOptions, regions: Sequence[Region]) -> Box | None:
    if options.crop == "none" or not regions:
        return None
    if options.crop == "all-regions":
        return union(region.box for region in regions)
    tissue = [region for region in regions if region.is_two_dimensional] or list(regions)
    return tissue[0].box


def _pixels(box: MaskBox, *, width: int, height: int) -> Box:
    """A box in pixels; shares are rounded outwards."""
    left, top, right, bottom = box
    if is_in_pixels(box):
        return Box(int(left), int(top), int(right), int(bottom))
    return Box(
        math.floor(left * width),
        math.floor(top * height),
        math.ceil(right * width),
        math.ceil(bottom * height),
    )


def _slices(box: Box) -> tuple[slice, slice]:
    return slice(box.top, box.bottom), slice(box.left, box.right)
