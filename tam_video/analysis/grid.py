"""Resample the maps of several runs to the finest of their grids.

Maps are interpolated bilinearly between the centres of cells within a run's view of the picture.
There is no interpolation over time: at each moment the map of its slot counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tam_video.errors import ConfigError
from tam_video.localise import slot_timeline
from tam_video.metrics.grids import axis_weights
from tam_video.types import BoolArray, Explanation, Float64Array, FloatArray, View

_SAME_SECONDS = 1e-6
_WHOLE_CELLS = 1e-6  # rounding must not turn 12 cells into 13


@dataclass(frozen=True, slots=True, eq=False)
class CommonGrid:
    """A common grid of times and positions for the maps of several runs.

    Attributes:
        slot_seconds: float64 [t], presentation times of the source, ascending.
        view: the part of the picture that all runs see.
        h: rows in the view.
        w: columns in the view.
    """

    slot_seconds: Float64Array
    view: View
    h: int
    w: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (t, h, w) of a map on the grid."""
        return (len(self.slot_seconds), self.h, self.w)

    @classmethod
    def of(cls, explanations: Sequence[Explanation]) -> CommonGrid:
        """Return a grid over the time and area common to all runs. It is as fine as the finest run.

        Raises:
            ConfigError: they share no time or no part of the picture.
        """
        layouts = [each.layout for each in explanations]
        views = [layout.view for layout in layouts]
        edges = [
            max(max(view.left for view in views), 0.0),
            max(max(view.top for view in views), 0.0),
            min(min(view.right for view in views), 1.0),
            min(min(view.bottom for view in views), 1.0),
        ]
        if edges[0] >= edges[2] or edges[1] >= edges[3]:
            raise ConfigError("the runs cover no common part of the picture")
        view = View(*edges)
        rows = max(each.h / (each.view.bottom - each.view.top) for each in layouts)
        columns = max(each.w / (each.view.right - each.view.left) for each in layouts)
        return cls(
            _finest_moments(explanations),
            view,
            _whole(rows * (view.bottom - view.top)),
            _whole(columns * (view.right - view.left)),
        )

    def read(self, explanation: Explanation, maps: FloatArray) -> FloatArray:
        """Resample maps of a run's first input, float32 [n, t', h', w'], to this grid.

        Returns:
            float32 [n, t, h, w], in the range of `maps`; unchanged if the grids agree.
        """
        layout, view = explanation.layout, explanation.layout.view
        rows = axis_weights(
            _centres(self.view.top, self.view.bottom, self.h), view.top, view.bottom, layout.h
        )
        columns = axis_weights(
            _centres(self.view.left, self.view.right, self.w), view.left, view.right, layout.w
        )
        slots = slots_at(explanation, self.slot_seconds)
        read = rows @ maps[:, slots].astype(np.float64) @ columns.T
        return np.asarray(read, dtype=np.float32)


def slots_at(explanation: Explanation, seconds: Float64Array) -> list[int]:
    """Return the slot at each time. Times outside all slots get the first or last slot."""
    edges = slot_timeline(explanation).edges_seconds
    slots = np.searchsorted(edges, seconds + _SAME_SECONDS, side="right") - 1
    return [int(slot) for slot in np.clip(slots, 0, explanation.layout.t - 1)]


def has_slot(explanation: Explanation, seconds: Float64Array) -> BoolArray:
    """Return whether the run has a slot at each time: bool [n]."""
    edges = slot_timeline(explanation).edges_seconds
    return np.asarray(
        (seconds >= edges[0] - _SAME_SECONDS) & (seconds <= edges[-1] + _SAME_SECONDS)
    )


def _finest_moments(explanations: Sequence[Explanation]) -> Float64Array:
    """Return the slot times of the run that has the most slots in the common time range."""
    best = np.empty(0)
    for explanation in explanations:
        times = explanation.layout.slot_seconds(explanation.pts_seconds)
        shared = np.logical_and.reduce([has_slot(each, times) for each in explanations])
        if shared.sum() > len(best):
            best = times[shared]
    if not len(best):
        raise ConfigError(
            "the runs have no part of the clip in common",
            hint="explain all runs with the same --start and --end",
        )
    return np.sort(best)


def _centres(start: float, end: float, count: int) -> Float64Array:
    return np.asarray(start + (np.arange(count) + 0.5) / count * (end - start))


def _whole(cells: float) -> int:
    return max(1, math.ceil(cells - _WHOLE_CELLS))
