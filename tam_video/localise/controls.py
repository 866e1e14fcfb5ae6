"""Choose control regions for a track: the same cells moved to another place in the picture."""

from __future__ import annotations

import numpy as np

from tam_video.types import BoolArray

MAX_OVERLAP = 0.1
"""Largest share of a track's cells that a control region may cover."""


def control_masks(
    mask: BoolArray, in_picture: BoolArray, *, limit: int = 8, seed: int = 0
) -> BoolArray:
    """Return control regions: copies of a track, moved by constant offsets.

    Every cell of a control region is in the picture, and at most `MAX_OVERLAP` of the track's
    cells are in it. Among all offsets that fit, `limit` are drawn at random.

    Args:
        mask: bool [t, h, w], the cells of the track.
        in_picture: bool [h, w], False for cells on padding.
        limit: how many to return at most.
        seed: seed of the draw.

    Returns:
        bool [n, t, h, w] with 0 <= n <= limit, all different; none for an empty track.

    Raises:
        ValueError: the shapes do not fit.
    """
    if mask.ndim != 3 or mask.shape[1:] != in_picture.shape:
        raise ValueError(f"mask {list(mask.shape)} and picture {list(in_picture.shape)} don't fit")
    num_cells = int(mask.sum())
    if not num_cells:
        return np.zeros((0, *mask.shape), np.bool_)
    chosen: list[BoolArray] = []
    for row, column in np.random.default_rng(seed).permutation(_offsets(mask)).tolist():
        if len(chosen) == limit:
            break
        moved = _moved(mask, row, column)
        is_apart = int((moved & mask).sum()) <= MAX_OVERLAP * num_cells
        if is_apart and not (moved & ~in_picture).any():
            chosen.append(moved)
    return np.array(chosen, np.bool_).reshape(len(chosen), *mask.shape)


def _offsets(mask: BoolArray) -> list[tuple[int, int]]:
    """Return the offsets (rows, columns) that keep all cells of a track in the grid."""
    ranges = []
    for axis, size in ((1, mask.shape[1]), (2, mask.shape[2])):
        used = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        ranges.append(range(-int(used[0]), size - int(used[-1])))
    return [(row, column) for row in ranges[0] for column in ranges[1]]


def _moved(mask: BoolArray, row: int, column: int) -> BoolArray:
    """Return a mask moved by an offset that keeps all of its cells in the grid."""
    return np.roll(mask, (row, column), axis=(1, 2))
