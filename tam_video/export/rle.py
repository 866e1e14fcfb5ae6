"""Run lengths of masks, as CVAT writes them. COCO's are made by its own library."""

from __future__ import annotations

import numpy as np

from tam_video.metrics.grids import BoolArray


def row_runs(mask: BoolArray) -> list[int]:
    """Lengths of the runs of a mask read row by row, the first run being background.

    Source: CVAT documentation, XML annotation format, run-length encoding.

    Args:
        mask: bool [h, w].

    Returns:
        The lengths; the first is 0 where the first pixel is foreground. They add up to h * w.
    """
    flat = np.concatenate([[False], mask.ravel()])
    borders = np.flatnonzero(np.diff(flat))
    return [int(run) for run in np.diff(borders, prepend=0, append=mask.size)]


def row_mask(runs: list[int], *, width: int, height: int) -> BoolArray:
    """The mask bool [height, width] that `row_runs` has made runs of.

    Raises:
        ValueError: the runs don't add up to the mask.
    """
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(height, width)
