"""Run lengths of masks for CVAT; those for COCO are computed by pycocotools."""

from __future__ import annotations

import numpy as np

from tam_video.types import BoolArray


def row_runs(mask: BoolArray) -> list[int]:
    """Return the lengths of the runs of a mask, row by row; the first run is background.

    Source: CVAT documentation, XML annotation format, run-length encoding.

    Args:
        mask: bool [h, w].

    Returns:
        The lengths; the first is 0 if the first pixel is foreground. They add up to h * w.
    """
    flat = np.concatenate([[False], mask.ravel()])
    borders = np.flatnonzero(np.diff(flat))
    return [int(run) for run in np.diff(borders, prepend=0, append=mask.size)]


def row_mask(runs: list[int], *, width: int, height: int) -> BoolArray:
    """Return the mask, bool [height, width], of the result of `row_runs`.

    Raises:
        ValueError: the runs don't add up to the mask.
    """
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(height, width)
