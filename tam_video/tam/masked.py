"""Leave masked cells, such as those of sinks, out of maps, and fill them in afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tam_video.types import BoolArray, VisualLayout

Real = TypeVar("Real", bound=np.floating)


def fill_cells(
    values: NDArray[Real], masked: BoolArray, layouts: Sequence[VisualLayout]
) -> NDArray[Real]:
    """Insert the masked cells into maps, with the median of the cells around them.

    A masked cell gets the median of the cells that are not masked in the smallest square window
    around it that has any, within its slot; 0 if its whole slot is masked.

    Args:
        values: float [M, K], maps of the K cells that are not masked, in order.
        masked: bool [V], the cells of all inputs.
        layouts: the layout of each input.

    Returns:
        float [M, V], in the precision of `values`.
    """
    filled = np.zeros((len(values), len(masked)), values.dtype)
    filled[:, ~masked] = values
    start = 0
    for layout in layouts:
        end = start + layout.num_cells
        cells = filled[:, start:end].reshape(len(values), *layout.shape)
        hidden = masked[start:end].reshape(layout.shape)
        for slot, row, column in np.argwhere(hidden).tolist():
            window = _window(hidden[slot], row, column)
            if window is not None:
                rows, columns = window
                known = cells[:, slot, rows, columns][:, ~hidden[slot, rows, columns]]
                cells[:, slot, row, column] = np.median(known.astype(np.float64), axis=1)
        start = end
    return filled


def _window(hidden: BoolArray, row: int, column: int) -> tuple[slice, slice] | None:
    """Return the smallest square around a cell with a cell that is not hidden; None without one."""
    for reach in range(1, max(hidden.shape)):
        rows = slice(max(0, row - reach), row + reach + 1)
        columns = slice(max(0, column - reach), column + reach + 1)
        if not hidden[rows, columns].all():
            return rows, columns
    return None
