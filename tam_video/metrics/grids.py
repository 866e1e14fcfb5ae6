"""Maps laid on the grid of a mask.

Owns: what counts as a map and a mask, and how a map of (slot, row, column) cells is brought to
the frames and pixels of a mask. Knows no metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

BoolArray: TypeAlias = NDArray[np.bool_]
RealArray: TypeAlias = NDArray[np.floating[Any]]
FrameSlots: TypeAlias = Sequence[Sequence[int]]


def finite_values(values: NDArray[Any], name: str) -> RealArray:
    """The values as floating point: float32 and float64 as they are, all else as float64.

    Args:
        values: real numbers of any shape.
        name: what to call them in an error.

    Returns:
        The same shape.

    Raises:
        ValueError: there is no value, or one is NaN or infinite. A metric of such a map would hide
            that the map is broken.
    """
    found = np.asarray(values)
    if found.dtype not in (np.float32, np.float64):
        found = found.astype(np.float64)
    if not found.size:
        raise ValueError(f"{name} must not be empty, and has shape {list(found.shape)}")
    if not np.isfinite(found).all():
        raise ValueError(f"{name} must be finite, and holds NaN or infinite values")
    return found


def checked_map(activation_map: NDArray[Any], name: str = "activation_map") -> RealArray:
    """A finite real map [t, h, w].

    Raises:
        ValueError: it has other axes, no cell, or a value that is not finite.
    """
    if np.ndim(activation_map) != 3:
        raise ValueError(f"{name} must be [t, h, w], not {list(np.shape(activation_map))}")
    return finite_values(activation_map, name)


def checked_mask(mask: BoolArray, shape: tuple[int, ...] | None = None) -> BoolArray:
    """A bool mask, of a given shape when one is told.

    Raises:
        ValueError: it is not bool, or not of that shape.
    """
    found = np.asarray(mask)
    if found.dtype != np.bool_:
        raise ValueError(f"a mask must be bool, not {found.dtype}")
    if shape is not None and found.shape != shape:
        raise ValueError(f"a mask must be {list(shape)} here, not {list(found.shape)}")
    return found


def volume_shape(mask: BoolArray) -> tuple[int, int, int]:
    """(T, H, W) of a mask.

    Raises:
        ValueError: it has other axes.
    """
    if mask.ndim != 3:
        raise ValueError(f"a mask must be [t, h, w] or [T, H, W], not {list(mask.shape)}")
    return (mask.shape[0], mask.shape[1], mask.shape[2])


def resize_map(
    activation_map: NDArray[Any],
    shape: tuple[int, int, int],
    *,
    frame_slots: FrameSlots | None = None,
) -> RealArray:
    """Bring a map to the frames and pixels of a mask.

    Space is resized bilinearly with pixel centres at (i + 0.5), as `cv2.resize` does and as the
    public evaluation of the method does. The result never leaves the range of the map, so that a
    constant map stays constant to the bit. Time is not blended: a frame shows the slot that it fed,
    and the mean of them where it fed several.

    Args:
        activation_map: real [t, h, w].
        shape: (T, H, W) of the mask, which covers the same part of the picture as the cells.
        frame_slots: for each slot, which of the T frames fed it, as in `VisualLayout`. Needed where
            the mask has one picture per frame; without it T must be t.

    Returns:
        float32 or float64 [T, H, W], in the range of the map.

    Raises:
        ValueError: the map is no map, T does not fit, or a frame fed no slot.
    """
    cells = checked_map(activation_map)
    num_frames, height, width = shape
    if min(shape) < 1:
        raise ValueError(f"a mask must be [T, H, W] with a pixel at least, not {list(shape)}")
    planes = _resize_planes(cells, height, width)
    if frame_slots is not None:
        planes = _slots_to_frames(planes, num_frames, frame_slots)
    elif len(planes) != num_frames:
        raise ValueError(
            f"{len(planes)} slots against {num_frames} frames: frame_slots must tell which is which"
        )
    return np.clip(planes, cells.min(), cells.max())


def _resize_planes(cells: RealArray, height: int, width: int) -> RealArray:
    if cells.shape[1:] == (height, width):
        return cells
    import cv2

    planes = np.empty((len(cells), height, width), cells.dtype)
    for slot, plane in enumerate(cells):
        contiguous = np.ascontiguousarray(plane)
        planes[slot] = cv2.resize(contiguous, (width, height), interpolation=cv2.INTER_LINEAR)
    return planes


def _slots_to_frames(planes: RealArray, num_frames: int, frame_slots: FrameSlots) -> RealArray:
    if len(frame_slots) != len(planes):
        raise ValueError(f"frame_slots must name the frames of all {len(planes)} slots")
    shares = np.zeros((num_frames, len(planes)), planes.dtype)
    for slot, fed in enumerate(frame_slots):
        for frame in fed:
            if not 0 <= frame < num_frames:
                raise ValueError(f"frame_slots names frame {frame} of {num_frames}")
            shares[frame, slot] = 1
    fed_slots = shares.sum(axis=1, keepdims=True)
    if not fed_slots.all():
        raise ValueError("every frame of the mask must have fed a slot")
    return np.tensordot(shares / fed_slots, planes, axes=1)
