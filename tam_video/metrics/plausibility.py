"""Measure how well maps agree with annotated objects: overlap, pointing, ranking and energy.

A map is float32 [t, h, w], finite; `maps` are float32 [K, t, h, w], those of a word's sub-tokens in
order. A mask is bool, [t, h, w] on the cells of the map or [t, H, W] on finer pixels; then the map
is resized to it by `resize_map`. All else is a ValueError. A plausible map is not necessarily
faithful: it may lie on the object although the model looked elsewhere.

Source: Li et al., Token Activation Map, ICCV 2025, arXiv:2506.23270, section on metrics, and the
public evaluation of xmed-lab/TAM `eval.py`. Differs: maps stay real numbers (there uint8), one
threshold per volume (there one picture), first and mean sub-token beside the best one. The scores
of whole answers are computed in `answers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tam_video.metrics.grids import (
    RealArray,
    checked_map,
    checked_mask,
    finite_values,
    intersection_over_union,
    resize_map,
    volume_shape,
)
from tam_video.types import BoolArray, FloatArray

_TIED = 1e-12


@dataclass(frozen=True, slots=True)
class WordScore:
    """The score of a word, summarised from its sub-tokens in three ways.

    Attributes:
        first: of the first sub-token, which is often misplaced.
        mean: mean over the sub-tokens.
        best: the largest one. It favours words of many sub-tokens; report it beside the others.
    """

    first: float
    mean: float
    best: float

    @classmethod
    def of(cls, values: Sequence[float]) -> WordScore:
        """Summarise one value per sub-token of a word, given in the order of the sub-tokens."""
        return cls(float(values[0]), float(np.mean(values)), float(max(values)))


def otsu_threshold(values: NDArray[Any]) -> float:
    """Compute the threshold that separates two classes with the largest between-class variance.

    Exact: every distinct value is a candidate, without a histogram. On integers it is the threshold
    of `cv2.threshold` and `skimage.filters.threshold_otsu`; on real numbers it is the limit of
    theirs for finer bins.

    Source: Otsu, A Threshold Selection Method from Gray-Level Histograms, IEEE SMC 1979.

    Args:
        values: real numbers of any shape, finite, a whole volume.

    Returns:
        The largest value of the lower class, so that `values > threshold` is the upper class. Of
        candidates with the same variance (to 1e-12 of it) the lowest. A constant c gives c itself:
        no value lies above.
    """
    levels, counts = np.unique(finite_values(values, "values"), return_counts=True)
    # Halves: the difference of the largest and the least number of a type would overflow.
    distance = levels.astype(np.float64) / 2 - float(levels[0]) / 2
    if distance[-1] == 0:
        return float(levels[0])
    distance /= distance[-1]
    below = np.cumsum(counts)[:-1].astype(np.float64)
    total = float(counts.sum())
    deviation = np.cumsum(counts * (distance - (counts * distance).sum() / total))[:-1]
    variance = deviation**2 / (below * (total - below))
    return float(levels[np.argmax(variance >= variance.max() * (1 - _TIED))])


def volume_iou(activation_map: FloatArray, mask: BoolArray) -> float:
    """Compute the vIoU: the IoU of the mask and the volume where the map exceeds its threshold.

    The result is in [0, 1]. The threshold is Otsu's. A constant map predicts nothing: the result is
    0, or 1 if the mask is empty too.
    """
    values, mask = _on_mask(activation_map, mask)
    return float(intersection_over_union(values > otsu_threshold(values), mask))


def object_iou(maps: FloatArray, mask: BoolArray) -> WordScore:
    """Compute the Obj-IoU of a noun from the `volume_iou` of each of its sub-tokens.

    All NaN where the mask is empty, because such a word is not counted.
    """
    scores = [volume_iou(one, mask) for one in _sub_tokens(maps)]
    return WordScore.of(scores if mask.any() else [float("nan")])


def object_threshold(maps: FloatArray, shape: tuple[int, int, int]) -> WordScore:
    """Resize a noun's maps to `shape`, (T, H, W), and summarise their Otsu thresholds."""
    return WordScore.of([otsu_threshold(resize_map(one, shape)) for one in _sub_tokens(maps)])


def function_iou(maps: FloatArray, threshold: float) -> WordScore:
    """Compute the Func-IoU of a function word: the share of cells below the nouns' threshold.

    Args:
        maps: float32 [K, t, h, w], the maps of its sub-tokens in order.
        threshold: mean over the answer's nouns of their Otsu thresholds.

    Returns:
        In [0, 1], strictly below: a cell at the threshold is not counted.
    """
    if not np.isfinite(threshold):
        raise ValueError(f"threshold must be finite, not {threshold}")
    # As float64: a plain float would be rounded to the float32 of the map before it is compared.
    exact = np.float64(threshold)
    return WordScore.of([float((one < exact).mean()) for one in _sub_tokens(maps)])


def f1_iou(object_mean: float, function_mean: float) -> float:
    """Compute the harmonic mean of Obj-IoU and Func-IoU: 0 if both are 0, NaN if one is NaN."""
    total = object_mean + function_mean
    return 2 * object_mean * function_mean / total if total else 0.0


def pointing_hit(activation_map: FloatArray, mask: BoolArray) -> float:
    """Compute the pointing game score: whether the map's largest value lies on the object.

    Source: Zhang et al., Top-down Neural Attention by Excitation Backprop, ECCV 2016. Differs: no
    tolerance around the object; ties count by their share on the object.

    Returns:
        1 or 0; where several cells or pixels have the largest value, the share of them that lies on
        the object. 0 for a constant map, which points nowhere, and for an empty mask.
    """
    values, mask = _on_mask(activation_map, mask)
    largest = values.max()
    return float(mask[values == largest].mean()) if largest > values.min() else 0.0


def auc(activation_map: FloatArray, mask: BoolArray) -> float:
    """Compute the area under the ROC curve: how often a cell in the mask outranks a cell outside.

    Returns:
        In [0, 1]; ties count half, so that a constant map gives 0.5. NaN where the mask is empty or
        full, because there is no pair.
    """
    from scipy.stats import rankdata  # slow to import, seldom needed

    values, mask = _on_mask(activation_map, mask)
    ranks, inside = rankdata(values.ravel()), mask.ravel()
    positive = int(inside.sum())
    negative = inside.size - positive
    if not positive or not negative:
        return float("nan")
    return float((ranks[inside].sum() - positive * (positive + 1) / 2) / (positive * negative))


def energy_inside(activation_map: FloatArray, mask: BoolArray) -> float:
    """Compute the share of the map's sum that lies on the object, or 0 for a map of zeros.

    A negative map is a ValueError.

    Source: energy-based pointing game, Wang et al., Score-CAM, CVPRW 2020, arXiv:1910.01279.
    """
    return _energy_share(*_on_mask(activation_map, mask))


def temporal_energy(activation_map: FloatArray, slots: BoolArray) -> float:
    """Compute the share of the map's sum that lies in the chosen `slots`, bool [t]."""
    cells = checked_map(activation_map)
    inside = checked_mask(slots, cells.shape[:1])
    return _energy_share(cells, np.broadcast_to(inside[:, None, None], cells.shape))


def _on_mask(activation_map: NDArray[Any], mask: BoolArray) -> tuple[RealArray, BoolArray]:
    mask = checked_mask(mask)
    return resize_map(activation_map, volume_shape(mask)), mask


def _sub_tokens(maps: FloatArray) -> list[RealArray]:
    if np.ndim(maps) != 4 or not len(maps):
        raise ValueError(f"maps must be non-empty [sub-tokens, t, h, w], not {np.shape(maps)}")
    return [checked_map(one) for one in maps]


def _energy_share(values: RealArray, inside: BoolArray) -> float:
    if values.min() < 0:
        raise ValueError("the energy of a map with negative values is not defined")
    # Scaled before it is summed: the sum of huge values would overflow float64.
    scaled = values.astype(np.float64) / (float(values.max()) or 1.0)
    within, beside = float(scaled[inside].sum()), float(scaled[~inside].sum())
    return within / (within + beside) if within + beside else 0.0
