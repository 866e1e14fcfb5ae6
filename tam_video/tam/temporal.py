"""Gaussian smoothing of maps over the temporal slots, along the optical flow."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tam_video.tam.alignment import aligned_neighbours
from tam_video.tam.motion import SlotMotion
from tam_video.types import FloatArray

_REACH_SIGMAS = 3
_NEIGHBOUR_VALUES = 1 << 23


def temporal_gaussian(
    maps: FloatArray,
    motion: SlotMotion,
    *,
    sigma_slots: float,
    tolerance_cells: float | None = 1.0,
) -> FloatArray:
    """Smooth maps over time by a Gaussian along the motion.

    Weights are exp(-d^2 / (2 sigma^2)) for slots at a distance d of up to 3 sigma, normalised over
    the slots that are present: what is missing at the ends, beyond a cut, or outside of the picture
    is left out, not taken as 0.

    Source: ours, on the maps of Li et al., ICCV 2025, arXiv:2506.23270, which has no temporal
    stage.

    Args:
        maps: float32 [M, t, h, w], finite.
        motion: flow and cuts between the slots.
        sigma_slots: width of the Gaussian; 0 changes nothing.
        tolerance_cells: see `aligned_neighbours`.

    Returns:
        float32 [M, t, h, w], in the range of `maps`.

    Raises:
        ValueError: the shapes do not fit, or `sigma_slots` is negative or not finite.
    """
    if maps.ndim != 4 or 0 in maps.shape[1:]:
        raise ValueError(f"maps must be [M, t, h, w], not {list(maps.shape)}")
    if not 0 <= sigma_slots < math.inf:
        raise ValueError(f"sigma_slots must be at least 0 and finite, not {sigma_slots}")
    if sigma_slots == 0:
        return maps.astype(np.float32)
    with np.errstate(over="ignore"):
        distances = np.arange(maps.shape[1]) / sigma_slots
    kernel = np.exp(-np.square(distances[distances <= _REACH_SIGMAS]) / 2).astype(np.float32)
    radius = len(kernel) - 1
    if radius == 0:
        return maps.astype(np.float32)
    smooth = np.empty(maps.shape, dtype=np.float32)
    for tokens in token_blocks(maps.shape, 2 * radius + 1):
        block = maps[tokens].astype(np.float32, copy=False)
        values, present = aligned_neighbours(block, motion, radius, tolerance_cells=tolerance_cells)
        total = np.zeros(present.shape[1:], dtype=np.float32)
        weighted = np.zeros(block.shape, dtype=np.float32)
        for offset in range(-radius, radius + 1):
            weights = kernel[abs(offset)] * present[radius + offset]
            weighted += values[radius + offset] * weights
            total += weights
        # Rounding must not carry a map out of the range of its values.
        low, high = block.min(axis=(1, 2, 3)), block.max(axis=(1, 2, 3))
        smooth[tokens] = np.clip(
            weighted / total, low[:, None, None, None], high[:, None, None, None]
        )
    return smooth


def token_blocks(shape: tuple[int, ...], copies: int) -> Iterator[slice]:
    """Cut maps [M, t, h, w] into blocks of tokens whose `copies` fit the bound on memory."""
    per_block = max(1, _NEIGHBOUR_VALUES // (copies * math.prod(shape[1:])))
    for start in range(0, shape[0], per_block):
        yield slice(start, start + per_block)
