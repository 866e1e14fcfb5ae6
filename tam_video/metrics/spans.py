"""Temporal metrics of a map: its energy over the slots, its time span and its stability.

A map is float32 [t, h, w], finite. A span is (start, end), half open, in any unit that both spans
share: slots, frames or seconds. All else is a ValueError.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from tam_video.metrics.grids import checked_map, checked_mask, finite_values
from tam_video.metrics.plausibility import otsu_threshold
from tam_video.types import BoolArray, Float64Array, FloatArray

TimeSpan: TypeAlias = tuple[float, float]


def slot_energy(activation_map: FloatArray) -> Float64Array:
    """Compute each slot's energy, the sum of the map over the slot's cells: float64 [t]."""
    return np.asarray(checked_map(activation_map).astype(np.float64).sum(axis=(1, 2)))


def otsu_span(energy: Float64Array) -> tuple[int, int]:
    """Find the longest span of slots whose energy is above the Otsu threshold of all slots.

    Returns:
        (start, end) in slots, half open; the first of several longest runs. (0, 0), an empty span,
        for a constant curve.
    """
    curve = finite_values(energy, "energy")
    if curve.ndim != 1:
        raise ValueError(f"energy must be [t], not {list(curve.shape)}")
    hot = curve > otsu_threshold(curve)
    edges = np.flatnonzero(np.diff(hot, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return (0, 0)
    longest = int(np.argmax(ends - starts))
    return (int(starts[longest]), int(ends[longest]))


def temporal_iou(predicted: TimeSpan, true: TimeSpan) -> float:
    """Compute the intersection over union of two spans, or 1 if both are empty."""
    predicted, true = _checked(predicted), _checked(true)
    union = _length(predicted) + _length(true) - _overlap(predicted, true)
    return min(1.0, _overlap(predicted, true) / union) if union else 1.0


def intersection_over_prediction(predicted: TimeSpan, true: TimeSpan) -> float:
    """Compute the share of the predicted span that lies in the true span, in [0, 1].

    An empty prediction scores 0, or 1 where the true span is empty too.
    """
    predicted, true = _checked(predicted), _checked(true)
    if not _length(predicted):
        return float(not _length(true))
    return _overlap(predicted, true) / _length(predicted)


def temporal_coherence(activation_map: FloatArray) -> float:
    """Compute the mean Pearson correlation between neighbouring slots, in [-1, 1].

    A smooth map is not necessarily right: report it together with a measure of overlap.

    Returns:
        The mean over the pairs in which neither slot is constant; NaN where there is no such pair
        (one slot, a constant map).
    """
    cells = checked_map(activation_map).astype(np.float64)
    slots = cells.reshape(len(cells), -1)
    varied = slots.max(axis=1) > slots.min(axis=1)
    largest = np.abs(slots).max(axis=1, keepdims=True)
    # Scaled before they are centred and squared: tiny or huge slots would leave the float64 range.
    slots = slots / np.where(largest > 0, largest, 1)
    slots -= slots.mean(axis=1, keepdims=True)
    norms = np.sqrt((slots**2).sum(axis=1))
    varied &= norms > 0
    pairs = varied[1:] & varied[:-1]
    if not pairs.any():
        return float("nan")
    products = (slots[1:] * slots[:-1]).sum(axis=1)[pairs]
    return float(np.clip(products / (norms[1:] * norms[:-1])[pairs], -1, 1).mean())


def temporal_auc(activation_map: FloatArray, mask: BoolArray) -> float:
    """Compute how often a cell has a higher value while the object covers it than at other times.

    This is the area under the ROC curve over pairs of slots of the SAME cell, all cells together.
    The location alone has no effect: a map that is the same in all slots scores 0.5, and so does,
    on average, a map whose slots were shuffled.

    Args:
        activation_map: float32 [t, h, w].
        mask: bool [t, h, w], the cells of the object.

    Returns:
        In [0, 1]; ties count half. NaN where no cell belongs to the object in some slots only: the
        object stands still and is always visible, or never.
    """
    cells = checked_map(activation_map)
    inside = checked_mask(mask, cells.shape)
    positive = inside.sum(axis=0)
    counted = (positive > 0) & (positive < len(cells))
    if not counted.any():
        return float("nan")
    values, covered = cells[:, counted], inside[:, counted]
    won = 0.0
    for value, is_covered in zip(values, covered, strict=True):  # each slot against all slots
        others = ~covered & is_covered
        won += (value > values)[others].sum() + 0.5 * (value == values)[others].sum()
    return float(won / (positive * (len(cells) - positive)).sum())


def _checked(span: TimeSpan) -> TimeSpan:
    start, end = span
    if not (np.isfinite(start) and np.isfinite(end) and start <= end):
        raise ValueError(f"a span must be (start, end) with start <= end, not {span}")
    return float(start), float(end)


def _length(span: TimeSpan) -> float:
    return span[1] - span[0]


def _overlap(first: TimeSpan, second: TimeSpan) -> float:
    return max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
