"""Cells laid on the pixels of the source picture.

Owns: which pixels a cell covers, in the picture as it is shown: upright, with crop and padding
told by the view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tam_video.metrics.grids import BoolArray
from tam_video.types import Explanation, Float64Array, IntArray, View

Value = TypeVar("Value", bound=np.generic)

_WHOLE = View()


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the h x w cells lie in a picture.

    Attributes:
        h: rows of cells.
        w: columns of cells.
        width: picture width in pixels, upright.
        height: picture height in pixels, upright.
        view: the part of the picture that the cells cover.
    """

    h: int
    w: int
    width: int
    height: int
    view: View = _WHOLE

    @classmethod
    def of(cls, explanation: Explanation) -> Placement:
        """That of the first input."""
        layout, info = explanation.layout, explanation.info
        return cls(layout.h, layout.w, info.width, info.height, layout.view)

    def columns(self) -> IntArray:
        """int64 [W], the column of cells that each column of pixels lies in, -1 for none."""
        return _cell_of(self.width, self.w, self.view.left, self.view.right)

    def rows(self) -> IntArray:
        """int64 [H], the row of cells that each row of pixels lies in, -1 for none."""
        return _cell_of(self.height, self.h, self.view.top, self.view.bottom)

    def spread(self, cells: NDArray[Value]) -> NDArray[Value]:
        """Give every pixel the value of the cell that its centre lies in.

        Args:
            cells: [h, w].

        Returns:
            [H, W] of the same type; 0 or False where no cell is.
        """
        padded = np.pad(cells, ((0, 1), (0, 1)))
        return padded.take(self.columns(), axis=1).take(self.rows(), axis=0)

    def pixel_mask(self, cells: BoolArray) -> BoolArray:
        """The pixels whose centre lies in one of the cells, bool [H, W], from bool [h, w]."""
        return self.spread(cells)

    def box(self, cells: BoolArray) -> tuple[int, int, int, int]:
        """The smallest box around the pixels of `pixel_mask`.

        Args:
            cells: bool [h, w].

        Returns:
            (x0, y0, x1, y1) in pixels, x1 and y1 exclusive; zeros where no pixel is covered.
        """
        cells = cells & self.cells_in_picture()
        across = np.flatnonzero(np.append(cells.any(axis=0), False)[self.columns()])
        down = np.flatnonzero(np.append(cells.any(axis=1), False)[self.rows()])
        if not (len(across) and len(down)):
            return (0, 0, 0, 0)
        return (int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1)

    def cells_in_picture(self) -> BoolArray:
        """Bool [h, w], the cells that cover a pixel at least; the others lie on padding."""
        rows, columns = (
            np.isin(np.arange(self.h), self.rows()),
            np.isin(np.arange(self.w), self.columns()),
        )
        return np.asarray(rows[:, None] & columns)

    def centers(self) -> tuple[Float64Array, Float64Array]:
        """float64 [w] and float64 [h], x and y of the cells' centres, kept within the picture."""
        view = self.view
        x = view.left + (np.arange(self.w) + 0.5) / self.w * (view.right - view.left)
        y = view.top + (np.arange(self.h) + 0.5) / self.h * (view.bottom - view.top)
        return np.clip(x, 0, 1) * self.width, np.clip(y, 0, 1) * self.height


def _cell_of(size: int, num_cells: int, start: float, end: float) -> IntArray:
    middles = (np.arange(size) + 0.5) / size
    found = np.floor((middles - start) / (end - start) * num_cells).astype(np.int64)
    return np.where((found >= 0) & (found < num_cells), found, -1)
