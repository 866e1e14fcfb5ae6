"""Map cells to the pixels of the source picture.

The picture is the displayed one, after rotation; the view contains crop and padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tam_video.types import BoolArray, Explanation, Float64Array, IntArray, View

Value = TypeVar("Value", bound=np.generic)

_WHOLE = View()


@dataclass(frozen=True, slots=True)
class Placement:
    """The position of a grid of h x w cells in a picture.

    Attributes:
        h: rows of cells.
        w: columns of cells.
        width: picture width in pixels, after rotation.
        height: picture height in pixels, after rotation.
        view: the part of the picture that the cells cover.
    """

    h: int
    w: int
    width: int
    height: int
    view: View = _WHOLE

    @classmethod
    def of(cls, explanation: Explanation) -> Placement:
        """Return where the cells of the first input lie in its picture."""
        layout, info = explanation.layout, explanation.info
        return cls(layout.h, layout.w, info.width, info.height, layout.view)

    def columns(self) -> IntArray:
        """Return the column of cells for each column of pixels: int64 [W], -1 outside the grid."""
        return _cell_of(self.width, self.w, self.view.left, self.view.right)

    def rows(self) -> IntArray:
        """Return the row of cells for each row of pixels: int64 [H], -1 outside the grid."""
        return _cell_of(self.height, self.h, self.view.top, self.view.bottom)

    def spread(self, cells: NDArray[Value]) -> NDArray[Value]:
        """Resize cells to pixels: each pixel gets the value of the cell at its centre.

        Args:
            cells: [h, w].

        Returns:
            [H, W] of the same type; 0 or False outside of the cells.
        """
        padded = np.pad(cells, ((0, 1), (0, 1)))
        return padded.take(self.columns(), axis=1).take(self.rows(), axis=0)

    def pixel_mask(self, cells: BoolArray) -> BoolArray:
        """Convert a mask of cells, bool [h, w], to a mask of pixels, bool [H, W]."""
        return self.spread(cells)

    def box(self, cells: BoolArray) -> tuple[int, int, int, int]:
        """Return the smallest box around the pixels in `pixel_mask(cells)`.

        Args:
            cells: bool [h, w].

        Returns:
            (x0, y0, x1, y1) in pixels, x1 and y1 exclusive; zeros if no pixel is covered.
        """
        cells = cells & self.cells_in_picture()
        across = np.flatnonzero(np.append(cells.any(axis=0), False)[self.columns()])
        down = np.flatnonzero(np.append(cells.any(axis=1), False)[self.rows()])
        if not (len(across) and len(down)):
            return (0, 0, 0, 0)
        return (int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1)

    def cells_in_picture(self) -> BoolArray:
        """Return bool [h, w]: True for cells that cover a part of the picture, not only padding."""
        rows, columns = (
            np.isin(np.arange(self.h), self.rows()),
            np.isin(np.arange(self.w), self.columns()),
        )
        return np.asarray(rows[:, None] & columns)

    def centers(self) -> tuple[Float64Array, Float64Array]:
        """Return the x and y coordinates of the cell centres: float64 [w] and float64 [h]."""
        view = self.view
        x = view.left + (np.arange(self.w) + 0.5) / self.w * (view.right - view.left)
        y = view.top + (np.arange(self.h) + 0.5) / self.h * (view.bottom - view.top)
        return np.clip(x, 0, 1) * self.width, np.clip(y, 0, 1) * self.height


def _cell_of(size: int, num_cells: int, start: float, end: float) -> IntArray:
    centers = (np.arange(size) + 0.5) / size
    cells = np.floor((centers - start) / (end - start) * num_cells).astype(np.int64)
    return np.where((cells >= 0) & (cells < num_cells), cells, -1)
