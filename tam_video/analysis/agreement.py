"""Measure how well two maps on the same grid agree."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields

import numpy as np

from tam_video.metrics.faithfulness import rank_correlation
from tam_video.metrics.grids import checked_map
from tam_video.metrics.plausibility import otsu_threshold
from tam_video.metrics.spans import slot_energy
from tam_video.types import Float64Array, FloatArray


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of two maps. All values are NaN if a map is constant.

    Attributes:
        spearman: rank correlation over all cells, in [-1, 1].
        iou: intersection over union of the cells above each map's Otsu threshold, in [0, 1].
        peak_slots: number of slots between the peaks.
        peak_seconds: seconds between the peaks.
        peak_cells: spatial distance of the peaks, in cells of the common grid.
        energy_difference: half the sum of the absolute differences of the two energy curves, each
            divided by its sum: 0 for proportional curves, 1 for curves without overlap.
    """

    spearman: float
    iou: float
    peak_slots: float
    peak_seconds: float
    peak_cells: float
    energy_difference: float

    def as_dict(self) -> dict[str, float | None]:
        """Return the rounded values for JSON. NaN becomes None."""
        return {
            name: None if math.isnan(value) else round(value, 4)
            for name, value in asdict(self).items()
        }


def agreement(first: FloatArray, second: FloatArray, slot_seconds: Float64Array) -> Agreement:
    """Compare two maps, float32 [t, h, w] with values >= 0, that have the same slot times."""
    ours, theirs = checked_map(first, "first"), checked_map(second, "second")
    if ours.shape != theirs.shape or slot_seconds.shape != ours.shape[:1]:
        raise ValueError(f"map shapes must agree: {list(ours.shape)} and {list(theirs.shape)}")
    if ours.min() == ours.max() or theirs.min() == theirs.max():
        return Agreement(**{item.name: math.nan for item in fields(Agreement)})
    hot, other = ours > otsu_threshold(ours), theirs > otsu_threshold(theirs)
    (slot, row, column), (slot_, row_, column_) = (_peak(each) for each in (ours, theirs))
    curves = [_shares(slot_energy(each)) for each in (first, second)]
    return Agreement(
        spearman=rank_correlation(ours, theirs),
        iou=float((hot & other).sum() / (hot | other).sum()),
        peak_slots=float(abs(slot - slot_)),
        peak_seconds=float(abs(slot_seconds[slot] - slot_seconds[slot_])),
        peak_cells=math.hypot(row - row_, column - column_),
        energy_difference=float(np.abs(curves[0] - curves[1]).sum() / 2),
    )


def mean_agreement(values: list[Agreement]) -> Agreement:
    """Average each metric over several agreements, ignoring NaN."""
    known = {
        item.name: [value for each in values if not math.isnan(value := getattr(each, item.name))]
        for item in fields(Agreement)
    }
    return Agreement(
        **{
            name: float(np.mean(present)) if present else math.nan
            for name, present in known.items()
        }
    )


def _peak(values: FloatArray | Float64Array) -> tuple[int, int, int]:
    slot, row, column = np.unravel_index(int(values.argmax()), values.shape)
    return int(slot), int(row), int(column)


def _shares(energy: Float64Array) -> Float64Array:
    return np.asarray(energy / energy.sum())
