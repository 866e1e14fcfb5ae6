"""Region and boundary overlap of masks: J, F and their mean, as DAVIS defines them.

The caller selects the frames (DAVIS leaves the first and the last out in its semi-supervised task).

Source: Perazzi et al., A Benchmark Dataset and Evaluation Methodology for Video Object
Segmentation, CVPR 2016; Pont-Tuset et al., The 2017 DAVIS Challenge, arXiv:1704.00675; boundary map
after Martin et al., PAMI 2004.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tam_video.metrics.grids import checked_mask, intersection_over_union
from tam_video.types import BoolArray, Float64Array

BOUNDARY_TOLERANCE = 0.008
"""Largest distance of matching boundary pixels, as a share of the diagonal."""


@dataclass(frozen=True, slots=True)
class SegmentationScore:
    """Means over the frames of one object.

    Attributes:
        j: region overlap in [0, 1].
        f: boundary overlap in [0, 1].
    """

    j: float
    f: float

    @property
    def j_and_f(self) -> float:
        """Mean of the two, J&F."""
        return (self.j + self.f) / 2


def region_similarity(prediction: BoolArray, mask: BoolArray) -> Float64Array:
    """Compute J of each frame: intersection over union, 1 where both are empty.

    Args:
        prediction: bool [T, H, W].
        mask: bool [T, H, W].

    Returns:
        float64 [T] in [0, 1].

    Raises:
        ValueError: the two are not bool [T, H, W] of one shape.
    """
    prediction, mask = _pair(prediction, mask)
    return intersection_over_union(prediction, mask, axis=(1, 2))


def boundary_similarity(prediction: BoolArray, mask: BoolArray) -> Float64Array:
    """Compute F of each frame: harmonic mean of the boundary precision and recall.

    A boundary pixel is one that differs from its right, lower or lower right neighbour. It is
    matched when a boundary pixel of the other mask lies within ceil(0.008 * diagonal) pixels. F is
    1 where neither has a boundary and 0 where only one has. An object that fills the frame has no
    boundary, like an empty mask; J distinguishes the two.

    Args:
        prediction: bool [T, H, W].
        mask: bool [T, H, W].

    Returns:
        float64 [T] in [0, 1].

    Raises:
        ValueError: the two are not bool [T, H, W] of one shape.
    """
    prediction, mask = _pair(prediction, mask)
    radius = math.ceil(BOUNDARY_TOLERANCE * math.hypot(*mask.shape[1:]))
    frames = zip(prediction, mask, strict=True)
    return np.array([_boundary_f(predicted, true, radius) for predicted, true in frames])


def j_and_f(prediction: BoolArray, mask: BoolArray) -> SegmentationScore:
    """Compute J, F and J&F of one object, each the mean over its frames.

    Args:
        prediction: bool [T, H, W].
        mask: bool [T, H, W].

    Raises:
        ValueError: the two are not bool [T, H, W] of one shape.
    """
    return SegmentationScore(
        j=float(region_similarity(prediction, mask).mean()),
        f=float(boundary_similarity(prediction, mask).mean()),
    )


def _pair(prediction: BoolArray, mask: BoolArray) -> tuple[BoolArray, BoolArray]:
    prediction, mask = checked_mask(prediction), checked_mask(mask)
    if prediction.ndim != 3 or not prediction.size:
        raise ValueError(f"prediction must be [T, H, W], not {list(prediction.shape)}")
    return prediction, checked_mask(mask, prediction.shape)


def _boundary(mask: BoolArray) -> BoolArray:
    """Bool [H, W]: where a pixel differs from its right, lower or lower right neighbour."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    edge: BoolArray = (mask ^ padded[:-1, 1:]) | (mask ^ padded[1:, :-1]) | (mask ^ padded[1:, 1:])
    return edge


def _boundary_f(prediction: BoolArray, mask: BoolArray, radius: int) -> float:
    predicted, true = _boundary(prediction), _boundary(mask)
    if not (predicted.any() and true.any()):
        return float(predicted.any() == true.any())
    precision = (predicted & _dilate(true, radius)).sum() / predicted.sum()
    recall = (true & _dilate(predicted, radius)).sum() / true.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def _dilate(boundary: BoolArray, radius: int) -> BoolArray:
    """Bool [H, W]: pixels within `radius` of a boundary pixel."""
    import cv2

    offsets = np.arange(-radius, radius + 1)
    disk = (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.uint8)
    return np.asarray(cv2.dilate(boundary.astype(np.uint8), disk), bool)
