"""The layout of a token grid in time and space. Axes: t temporal slots, (h, w) token grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tam_video.types.arrays import Float64Array, IntArray, check


@dataclass(frozen=True, slots=True)
class View:
    """The part of a picture that a token grid covers, in fractions of the picture's sides.

    A centre crop lies inside [0, 1]; a padded canvas extends beyond it. The default is the whole
    picture, whatever its size was changed to.
    """

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0

    def __post_init__(self) -> None:
        check(self.left < self.right and self.top < self.bottom, "a view has a width and a height")
        check(
            max(self.left, self.top) < 1 and min(self.right, self.bottom) > 0,
            "a view overlaps the picture",
        )

    @property
    def is_full(self) -> bool:
        """Return whether the grid covers exactly the whole picture."""
        return self == View()


@dataclass(frozen=True, slots=True)
class VisualLayout:
    """A token grid, with each cell's time and its place in the picture.

    A cell is the position of one visual token AFTER merging; cells are ordered row-major over
    (slot, row, column). An image has one slot.

    Attributes:
        t: temporal slots.
        h: rows.
        w: columns.
        frame_slots: for each slot, the indices of its frames among the T sampled frames.
        view: the part of the picture that the h x w cells cover.
        deduplicated: flat indices of the cells without a token of their own. The model dropped it
            because it resembled the same cell of the previous slot, whose token stands for both.
    """

    t: int
    h: int
    w: int
    frame_slots: tuple[tuple[int, ...], ...]
    view: View = View()
    deduplicated: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check(min(self.t, self.h, self.w) >= 1, "a grid has one slot, row and column at least")
        check(len(self.frame_slots) == self.t, "frame_slots must name the frames of every slot")
        check(all(self.frame_slots), "every slot is fed by one frame at least")
        check(
            all(self.h * self.w <= cell < self.num_cells for cell in self.deduplicated),
            "only cells of the second or a later slot can be deduplicated",
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return (t, h, w): the numbers of slots, rows and columns."""
        return (self.t, self.h, self.w)

    @property
    def num_cells(self) -> int:
        """Return the number of cells in all slots, t * h * w."""
        return self.t * self.h * self.w

    def slot_seconds(self, pts_seconds: Float64Array) -> Float64Array:
        """Return the mean presentation time of the frames in each slot: float64 [t]."""
        return np.array([pts_seconds[list(frames)].mean() for frames in self.frame_slots])

    def slot_indices(self, indices: IntArray) -> tuple[tuple[int, ...], ...]:
        """Select the source indices of each slot's frames from `indices`, int64 [T]."""
        return tuple(tuple(indices[list(frames)].tolist()) for frames in self.frame_slots)

    def cell_box(
        self, row: int, column: int, *, width: int, height: int
    ) -> tuple[float, float, float, float]:
        """Return (left, top, right, bottom) of a cell in pixels of a width x height source picture.

        A cell on padding lies outside of the picture.
        """
        view = self.view
        step_x, step_y = (view.right - view.left) / self.w, (view.bottom - view.top) / self.h
        return (
            (view.left + column * step_x) * width,
            (view.top + row * step_y) * height,
            (view.left + (column + 1) * step_x) * width,
            (view.top + (row + 1) * step_y) * height,
        )
