"""Convert decoded DICOM samples to RGB bytes by intensity windows, look-up tables and palettes.

Source: DICOM PS3.3, C.11.1 (Modality LUT), C.11.2 (VOI LUT), C.7.9 (Palette). Differs: the
result is always 0 to 255, for samples of any depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tam_video.errors import VideoOpenError
from tam_video.types import ByteArray, Float64Array

if TYPE_CHECKING:
    from pydicom import Dataset

Samples = NDArray[Any]
_RESCALE = "PixelValueTransformationSequence"
_VOI = "FrameVOILUTSequence"


@dataclass(frozen=True, slots=True, eq=False)
class Colours:
    """Convert the samples of one DICOM file to RGB; see `rgb`.

    Attributes:
        dataset: technical tags.
        photometric: photometric interpretation.
        bits_stored: bits per sample.
        stretch: (low, high) rescaled values that become black and white if there is no window;
            None to use all values of the depth.
    """

    dataset: Dataset
    photometric: str
    bits_stored: int
    stretch: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.bits_stored <= 64:
            raise VideoOpenError(f"bits per sample must be in 1..64, not {self.bits_stored}")

    def rgb(self, samples: Samples, index: int) -> ByteArray:
        """Convert the samples of frame `index`, [H, W] or [H, W, 3], to RGB: uint8 [H, W, 3]."""
        if samples.ndim == 3:
            return _scaled(samples, self.bits_stored)
        if self.photometric == "PALETTE COLOR":
            from pydicom.pixels.processing import apply_color_lut

            colours = apply_color_lut(samples, self.dataset)
            return colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)
        grey = self._grey(samples, index)
        if self.photometric == "MONOCHROME1":
            grey = 255 - grey
        return np.repeat(grey[..., np.newaxis], 3, axis=2)

    def rescaled(self, samples: Samples, index: int) -> Samples:
        """Apply the file's Modality LUT, or its rescale slope and intercept, to the samples."""
        from pydicom.pixels.processing import apply_modality_lut

        return apply_modality_lut(samples, _item(self.dataset, index, _RESCALE))

    def has_window(self, index: int) -> bool:
        """Return whether the file defines an intensity window or a VOI LUT for a frame."""
        item = _item(self.dataset, index, _VOI)
        return _window(item) is not None or bool(item.get("VOILUTSequence"))

    def _grey(self, samples: Samples, index: int) -> ByteArray:
        values, item = self.rescaled(samples, index), _item(self.dataset, index, _VOI)
        if item.get("VOILUTSequence") and np.issubdtype(values.dtype, np.integer):
            from pydicom.pixels.processing import apply_voi

            depth = int(item.VOILUTSequence[0].LUTDescriptor[2])
            return _scaled(apply_voi(values, item), depth)
        window = _window(item)
        if window is not None:
            function = str(item.get("VOILUTFunction") or "LINEAR").strip().upper()
            return window_bytes(values, *window, function=function)
        if self.stretch is not None:
            low, high = self.stretch
            return window_bytes(values, (low + high) / 2, high - low, function="LINEAR_EXACT")
        return _scaled(values, self.bits_stored)


def window_bytes(values: Samples, center: float, width: float, *, function: str) -> ByteArray:
    """Apply an intensity window to values, and return uint8 of the same shape.

    Source: DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3, with y_min = 0 and y_max = 255.

    Args:
        values: any numbers.
        center: centre of the window.
        width: width of the window, above 0.
        function: "LINEAR", "LINEAR_EXACT" or "SIGMOID"; others are treated as "LINEAR".
    """
    x = values.astype(np.float64)
    with np.errstate(over="ignore"):
        if function == "SIGMOID":
            y: Float64Array = 1 / (1 + np.exp(-4 * (x - center) / width))
        elif function == "LINEAR_EXACT":
            y = (x - center) / width + 0.5
        elif width <= 1:
            y = np.where(x > center - 0.5, 1.0, 0.0)
        else:
            y = (x - (center - 0.5)) / (width - 1) + 0.5
    return np.rint(np.clip(np.nan_to_num(y), 0, 1) * 255).astype(np.uint8)


def stretch_of(frames: Sequence[Samples], padding: float | None) -> tuple[float, float]:
    """Return (low, high) of the finite values that are not padding; low is always below high."""
    lows, highs = [], []
    for frame in frames:
        kept = frame[np.isfinite(frame) & ((frame != padding) if padding is not None else True)]
        if kept.size:
            lows.append(float(kept.min()))
            highs.append(float(kept.max()))
    low, high = (min(lows), max(highs)) if lows else (0.0, 1.0)
    return (low, high) if low < high else (low, low + 1)


def _item(dataset: Dataset, index: int, keyword: str) -> Dataset:
    """Return a frame's own item of the sequence `keyword`, else the shared item, else `dataset`."""
    own = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    shared = dataset.get("SharedFunctionalGroupsSequence") or ()
    for group in (*own[index : index + 1], *shared[:1]):
        items = group.get(keyword)
        if items:
            item: Dataset = items[0]
            return item
    return dataset


def _window(item: Dataset) -> tuple[float, float] | None:
    """Return (centre, width) of the first intensity window, or None if it is missing or invalid."""
    center, width = (_first(item.get(f"Window{name}")) for name in ("Center", "Width"))
    if center is None or width is None or not width > 0 or not np.isfinite(center + width):
        return None
    return center, width


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return float(value)
    values = list(value)
    return float(values[0]) if values else None


def _scaled(values: Samples, bits: int) -> ByteArray:
    """Scale values with `bits` bits per sample to bytes; 8-bit values are not changed."""
    if bits == 8 and values.dtype == np.uint8:
        return values
    top = float(2**bits - 1)
    return np.rint(np.clip(values.astype(np.float64) / top, 0, 1) * 255).astype(np.uint8)
