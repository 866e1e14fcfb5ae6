"""Whether a map lies where people see the object: overlap, pointing, ranking and energy.

Owns: scores of maps against masks that people or a renderer drew. Plausible is not faithful: a map
may lie on the object although the model looked elsewhere.

A mask is bool, [t, h, w] on the cells of the map or [T, H, W] on finer pixels; then the map is
brought to it by `resize_map`, and `frame_slots` tells which frames each slot was fed by.

Source: Li et al., Token Activation Map, ICCV 2025, arXiv:2506.23270, section on metrics, and the
public evaluation of xmed-lab/TAM `eval.py`. Differs: maps stay real numbers (there uint8), one
threshold per volume (there one picture), first and mean sub-token beside the best one. How the
words of an answer and of a data set come together is in `answers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tam_video.metrics.grids import (
    BoolArray,
    FrameSlots,
    RealArray,
    checked_map,
    checked_mask,
    finite_values,
    resize_map,
    volume_shape,
)
from tam_video.types import FloatArray

_TIED = 1e-12


@dataclass(frozen=True, slots=True)
class WordScore:
    """A value of a word out of the values of its sub-tokens.

    Attributes:
        first: of the first sub-token, which is often misplaced.
        mean: mean over the sub-tokens.
        best: the largest one. It flatters words of many sub-tokens; report it beside the others.
    """

    first: float
    mean: float
    best: float

    @classmethod
    def of(cls, values: Sequence[float]) -> WordScore:
        """From the values of the sub-tokens in order, one at least."""
        return cls(float(values[0]), float(np.mean(values)), float(max(values)))


def otsu_threshold(values: NDArray[Any]) -> float:
    """The threshold that parts values into two classes of the largest between-class variance.

    Exact: every distinct value is a possible cut, no histogram is made. On whole numbers it is the
    threshold of `cv2.threshold` and `skimage.filters.threshold_otsu`; on real ones it is what
    theirs tend to with ever finer bins.

    Source: Otsu, A Threshold Selection Method from Gray-Level Histograms, IEEE SMC 1979.

    Args:
        values: real numbers of any shape, a whole volume.

    Returns:
        The largest value of the lower class, so that `values > threshold` is the upper class. Of
        cuts with the same variance (to 1e-12 of it) the lowest. A constant c gives c itself: no
        value lies above.

    Raises:
        ValueError: there is no value, or one is NaN or infinite.
    """
    levels, counts = np.unique(finite_values(values, "values"), return_counts=True)
    # Halves, for the distance of the two largest numbers of a type is not one of them.
    distance = levels.astype(np.float64) / 2 - float(levels[0]) / 2
    if distance[-1] == 0:
        return float(levels[0])
    distance /= distance[-1]
    below = np.cumsum(counts)[:-1].astype(np.float64)
    total = float(counts.sum())
    deviation = np.cumsum(counts * (distance - (counts * distance).sum() / total))[:-1]
    variance = deviation**2 / (below * (total - below))
    return float(levels[np.argmax(variance >= variance.max() * (1 - _TIED))])


def volume_iou(
    activation_map: FloatArray, mask: BoolArray, *, frame_slots: FrameSlots | None = None
) -> float:
    """Intersection over union of a map above its Otsu threshold, over the whole volume (vIoU).

    Args:
        activation_map: float32 [t, h, w].
        mask: bool [t, h, w] or [T, H, W].
        frame_slots: which frames each slot was fed by, for a mask per frame.

    Returns:
        In [0, 1]. A constant map predicts nothing: 0, or 1 where the mask is empty too.

    Raises:
        ValueError: map and mask do not fit, or the map is not finite.
    """
    mask = checked_mask(mask)
    prediction = _above_otsu(_on_mask(activation_map, mask, frame_slots))
    return _iou(prediction, mask)


def false_positive_area(
    activation_map: FloatArray, mask: BoolArray, *, frame_slots: FrameSlots | None = None
) -> float:
    """Share of the pixels called object in the slots (or frames) where it is absent.

    The threshold is the one Otsu threshold of the whole volume.

    Args:
        activation_map: float32 [t, h, w].
        mask: bool [t, h, w] or [T, H, W].
        frame_slots: which frames each slot was fed by, for a mask per frame.

    Returns:
        In [0, 1]; NaN where the object is never absent.

    Raises:
        ValueError: map and mask do not fit, or the map is not finite.
    """
    mask = checked_mask(mask)
    prediction = _above_otsu(_on_mask(activation_map, mask, frame_slots))
    absent = ~mask.any(axis=(1, 2))
    return float(prediction[absent].mean()) if absent.any() else float("nan")


def object_iou(
    maps: FloatArray, mask: BoolArray, *, frame_slots: FrameSlots | None = None
) -> WordScore:
    """Obj-IoU of one noun: `volume_iou` of each sub-token, then first, mean and best.

    Args:
        maps: float32 [K, t, h, w], the maps of its sub-tokens in order.
        mask: bool [t, h, w] or [T, H, W].
        frame_slots: which frames each slot was fed by, for a mask per frame.

    Returns:
        In [0, 1]; all NaN where the mask is empty, for such a word is not counted.

    Raises:
        ValueError: maps and mask do not fit, or a map is not finite.
    """
    mask = checked_mask(mask)
    scores = [volume_iou(one, mask, frame_slots=frame_slots) for one in _sub_tokens(maps)]
    return WordScore.of(scores if mask.any() else [float("nan")])


def object_threshold(
    maps: FloatArray, shape: tuple[int, int, int], *, frame_slots: FrameSlots | None = None
) -> WordScore:
    """Otsu threshold of each sub-token of a noun, on the grid of its mask; first, mean, largest.

    Args:
        maps: float32 [K, t, h, w].
        shape: (T, H, W) of the mask.
        frame_slots: which frames each slot was fed by, for a mask per frame.

    Raises:
        ValueError: maps and shape do not fit, or a map is not finite.
    """
    resized = (resize_map(one, shape, frame_slots=frame_slots) for one in _sub_tokens(maps))
    return WordScore.of([otsu_threshold(one) for one in resized])


def function_iou(maps: FloatArray, threshold: float) -> WordScore:
    """Func-IoU of one function word: share of its cells below the threshold of the nouns.

    Args:
        maps: float32 [K, t, h, w], the maps of its sub-tokens in order.
        threshold: mean over the answer's nouns of their Otsu thresholds.

    Returns:
        In [0, 1], strictly below: a cell at the threshold counts as hot.

    Raises:
        ValueError: the maps are not finite [K, t, h, w], or the threshold is not finite.
    """
    if not np.isfinite(threshold):
        raise ValueError(f"threshold must be finite, not {threshold}")
    # As float64: a plain float would be rounded to the float32 of the map before it is compared.
    exact = np.float64(threshold)
    return WordScore.of([float((one < exact).mean()) for one in _sub_tokens(maps)])


def f1_iou(object_mean: float, function_mean: float) -> float:
    """Harmonic mean of the two data-set means; 0 where both are 0, NaN where one is NaN."""
    total = object_mean + function_mean
    return 2 * object_mean * function_mean / total if total else 0.0


def pointing_hit(
    activation_map: FloatArray, mask: BoolArray, *, frame_slots: FrameSlots | None = None
) -> bool:
    """Pointing game: whether the largest value lies on the object.

    Source: Zhang et al., Top-down Neural Attention by Excitation Backprop, ECCV 2016. Differs: no
    tolerance around the object.

    Args:
        activation_map: float32 [t, h, w].
        mask: bool [t, h, w] or [T, H, W].
        frame_slots: which frames each slot was fed by, for a mask per frame.

    Returns:
        Of several largest values the first in (slot, row, column) order counts. False for a
        constant map, which points nowhere, and for an empty mask.

    Raises:
        ValueError: map and mask do not fit, or the map is not finite.
    """
    mask = checked_mask(mask)
    values = _on_mask(activation_map, mask, frame_slots)
    return bool(values.max() > values.min() and mask.ravel()[values.argmax()])


def auc(
    activation_map: FloatArray, mask: BoolArray, *, frame_slots: FrameSlots | None = None
) -> float:
    """Area under the ROC curve: how often a cell of the object outranks a cell beside it.

    Args:
        activation_map: float32 [t, h, w].
        mask: bool [t, h, w] or [T, H, W].
        frame_slots: which frames each slot was fed by, for a mask per frame.

    Returns:
        In [0, 1]; ties count half, so that a constant map gives 0.5. NaN where the mask is empty or
        full, for there is no pair.

    Raises:
        ValueError: map and mask do not fit, or the map is not finite.
    """
    from scipy.stats import rankdata  # slow to import, seldom needed

    mask = checked_mask(mask)
    ranks = rankdata(_on_mask(activation_map, mask, frame_slots).ravel())
    inside = mask.ravel()
    positive = int(inside.sum())
    negative = inside.size - positive
    if not positive or not negative:
        return float("nan")
    return float((ranks[inside].sum() - positive * (positive + 1) / 2) / (positive * negative))


def energy_inside(
    activation_map: FloatArray, mask: BoolArray, *, frame_slots: FrameSlots | None = None
) -> float:
    """Share of the map's sum that lies on the object.

    Source: energy-based pointing game, Wang et al., Score-CAM, CVPRW 2020, arXiv:1910.01279.

    Args:
        activation_map: float32 [t, h, w], >= 0.
        mask: bool [t, h, w] or [T, H, W].
        frame_slots: which frames each slot was fed by, for a mask per frame.

    Returns:
        In [0, 1]; 0 for a map of zeros, which has nothing inside.

    Raises:
        ValueError: map and mask do not fit, or the map is negative somewhere or not finite.
    """
    mask = checked_mask(mask)
    return _energy_share(_on_mask(activation_map, mask, frame_slots), mask)


def temporal_energy(activation_map: FloatArray, slots: BoolArray) -> float:
    """Share of the map's sum that lies in the true slots.

    Args:
        activation_map: float32 [t, h, w], >= 0.
        slots: bool [t], the slots in which the event takes place.

    Returns:
        In [0, 1]; 0 for a map of zeros.

    Raises:
        ValueError: map and slots do not fit, or the map is negative somewhere or not finite.
    """
    cells = checked_map(activation_map)
    inside = checked_mask(slots, cells.shape[:1])
    return _energy_share(cells, np.broadcast_to(inside[:, None, None], cells.shape))


def _on_mask(
    activation_map: NDArray[Any], mask: BoolArray, frame_slots: FrameSlots | None
) -> RealArray:
    return resize_map(activation_map, volume_shape(mask), frame_slots=frame_slots)


def _sub_tokens(maps: FloatArray) -> list[RealArray]:
    if np.ndim(maps) != 4 or not len(maps):
        raise ValueError(
            f"maps must be [K, t, h, w] of one sub-token or more, not {np.shape(maps)}"
        )
    return [checked_map(one) for one in maps]


def _above_otsu(values: RealArray) -> BoolArray:
    return np.asarray(values > otsu_threshold(values))


def _iou(prediction: BoolArray, mask: BoolArray) -> float:
    union = int((prediction | mask).sum())
    return int((prediction & mask).sum()) / union if union else 1.0


def _energy_share(values: RealArray, inside: BoolArray) -> float:
    if values.min() < 0:
        raise ValueError("a map with energy must not be negative")
    # Scaled before it is summed: the sum of huge values would leave float64's range.
    scaled = values.astype(np.float64) / (float(values.max()) or 1.0)
    within, beside = float(scaled[inside].sum()), float(scaled[~inside].sum())
    return within / (within + beside) if within + beside else 0.0
