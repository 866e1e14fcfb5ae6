"""Check maps and masks, and resize maps of (slot, row, column) cells to the grid of a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tam_video.types import BoolArray, Float64Array

RealArray: TypeAlias = NDArray[np.floating[Any]]
FrameSlots: TypeAlias = Sequence[Sequence[int]]

_ON_CENTRE = 1e-6


def finite_values(values: NDArray[Any], name: str) -> RealArray:
    """Convert values to floating point: float32 and float64 are kept, all else becomes float64.

    Raises:
        ValueError: there is no value, or one is NaN or infinite, which would hide that the map is
            broken; the message calls the values `name`.
    """
    array = np.asarray(values)
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    if not array.size:
        raise ValueError(f"{name} must not be empty, but has shape {list(array.shape)}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, but contains NaN or infinite values")
    return array


def checked_map(activation_map: NDArray[Any], name: str = "activation_map") -> RealArray:
    """Return the map if it is finite, real and of shape [t, h, w], else raise `ValueError`."""
    if np.ndim(activation_map) != 3:
        raise ValueError(f"{name} must be [t, h, w], not {list(np.shape(activation_map))}")
    return finite_values(activation_map, name)


def checked_mask(mask: BoolArray, shape: tuple[int, ...] | None = None) -> BoolArray:
    """Return the mask if it is bool and of the given `shape`, else raise `ValueError`."""
    array = np.asarray(mask)
    if array.dtype != np.bool_:
        raise ValueError(f"a mask must be bool, not {array.dtype}")
    if shape is not None and array.shape != shape:
        raise ValueError(f"a mask must have shape {list(shape)} here, not {list(array.shape)}")
    return array


def volume_shape(mask: BoolArray) -> tuple[int, int, int]:
    """Return the shape (T, H, W) of a mask, or raise `ValueError` if the mask is not 3-D."""
    if mask.ndim != 3:
        raise ValueError(f"a mask must be [t, h, w] or [T, H, W], not {list(mask.shape)}")
    return (mask.shape[0], mask.shape[1], mask.shape[2])


def resize_map(
    activation_map: NDArray[Any],
    shape: tuple[int, int, int],
    *,
    frame_slots: FrameSlots | None = None,
) -> RealArray:
    """Resize a map to the frames and pixels of a mask.

    Space is resized bilinearly with pixel centres at (i + 0.5), as by `cv2.resize` and by the
    public evaluation of the method. Time is not blended: a frame shows the slot that it fed, and
    the mean of them where it fed several.

    Resized values are computed in float64 and rounded to the 24 bits of a float32, a relative step
    of 6e-8. What is equal in exact arithmetic, as pixels between equal cells, is then equal to the
    bit, so that ranks, maxima and thresholds do not depend on rounding errors. The result never
    leaves the range of the map.

    Args:
        activation_map: real [t, h, w].
        shape: (T, H, W) of the mask, which covers the same part of the picture as the cells.
        frame_slots: the frames of each slot, as in `VisualLayout`. Required where the mask has one
            picture per frame; without it T must be t.

    Returns:
        float32 or float64 [T, H, W], in the range of the map; the map itself where it has the shape
        already.

    Raises:
        ValueError: the map is not a finite [t, h, w], T does not fit, or a frame fed no slot.
    """
    cells = checked_map(activation_map)
    num_frames, height, width = shape
    if min(shape) < 1:
        raise ValueError(f"a mask must be [T, H, W] with at least one pixel, not {list(shape)}")
    if frame_slots is None and len(cells) != num_frames:
        raise ValueError(
            f"{len(cells)} slots do not match {num_frames} frames, so frame_slots is required"
        )
    if frame_slots is None and cells.shape == shape:
        return cells
    planes = cells if frame_slots is None else _slots_to_frames(cells, num_frames, frame_slots)
    rows, columns = _pixel_weights(cells.shape[1], height), _pixel_weights(cells.shape[2], width)
    resized = np.empty(shape, cells.dtype)
    for frame, plane in enumerate(planes):
        resized[frame] = _to_24_bits(rows @ plane.astype(np.float64) @ columns.T)
    return np.clip(resized, cells.min(), cells.max())


def intersection_over_union(
    prediction: BoolArray, mask: BoolArray, *, axis: tuple[int, ...] | None = None
) -> Float64Array:
    """Compute the IoU of two bool masks of equal shape, or 1 if both are empty.

    Args:
        prediction: bool, any shape.
        mask: bool, the same shape.
        axis: axes that are summed over; all by default. The result has the other ones.
    """
    common = (prediction & mask).sum(axis=axis)
    union = (prediction | mask).sum(axis=axis)
    return np.where(union == 0, 1.0, common / np.maximum(union, 1))


def axis_weights(positions: Float64Array, start: float, end: float, num_cells: int) -> Float64Array:
    """Compute the weights for linear interpolation between the cell centres along an axis.

    Args:
        positions: float64 [n].
        start: where the first cell begins.
        end: where the last one ends.
        num_cells: cells of equal length between.

    Returns:
        float64 [n, num_cells], rows add up to 1; beyond the outermost centres their cell counts
        alone.
    """
    cell = (positions - start) / (end - start) * num_cells - 0.5
    # A position on a centre stays on it, so that a grid read on itself is itself to the bit.
    cell = np.where(np.abs(cell - np.rint(cell)) < _ON_CENTRE, np.rint(cell), cell)
    cell = np.clip(cell, 0, num_cells - 1)
    below = np.floor(cell).astype(np.int64)
    share = cell - below
    weights = np.zeros((len(positions), num_cells))
    indices = np.arange(len(positions))
    weights[indices, below] = 1 - share
    weights[indices, np.minimum(below + 1, num_cells - 1)] += share
    return weights


def _pixel_weights(num_cells: int, num_pixels: int) -> Float64Array:
    centres = (np.arange(num_pixels) + 0.5) / num_pixels
    return axis_weights(centres, 0.0, 1.0, num_cells)


def _to_24_bits(values: Float64Array) -> Float64Array:
    """Round to 24 significant bits, so that values that differ only by rounding become equal.

    Rounding to 44 bits first removes errors in the last bits, which would otherwise decide how a
    value half way between two results is rounded.
    """
    mantissa, exponent = np.frexp(values)
    mantissa = np.rint(mantissa * 2.0**44) / 2.0**20
    with np.errstate(over="ignore"):
        return np.asarray(np.ldexp(np.rint(mantissa), exponent - 24))


def _slots_to_frames(cells: RealArray, num_frames: int, frame_slots: FrameSlots) -> Float64Array:
    if len(frame_slots) != len(cells):
        raise ValueError(f"frame_slots must list the frames of all {len(cells)} slots")
    shares = np.zeros((num_frames, len(cells)))
    for slot, frames in enumerate(frame_slots):
        for frame in frames:
            if not 0 <= frame < num_frames:
                raise ValueError(
                    f"frame_slots contains frame {frame}, but there are {num_frames} frames"
                )
            shares[frame, slot] = 1
    num_slots = shares.sum(axis=1, keepdims=True)
    if not num_slots.all():
        raise ValueError("every frame of the mask must occur in frame_slots")
    return np.tensordot(shares / num_slots, cells.astype(np.float64), axes=1)
