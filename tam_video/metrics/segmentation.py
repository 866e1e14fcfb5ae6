"""Region and boundary overlap of masks: J, F and their mean, as DAVIS defines them.

A prediction and a mask are bool [T, H, W] of one shape; all else is a ValueError. The caller
selects the frames (DAVIS leaves the first and the last out in its semi-supervised task).

Source: Perazzi et al., A Benchmark Dataset and Evaluation Methodology for Video Object
Segmentation, CVPR 2016; Pont-Tuset et al., The 2017 DAVIS Challenge, arXiv:1704.00675; boundary map
after Martin et al., PAMI 2004.
"""

from __future__ import annotations

import math

import numpy as np

from tam_video.metrics.grids import checked_mask, intersection_over_union
from tam_video.types import BoolArray, Float64Array

BOUNDARY_TOLERANCE = 0.008
"""Largest distance of matching boundary pixels, as a share of the diagonal."""


def region_similarity(prediction: BoolArray, mask: BoolArray) -> Float64Array:
    """Compute J, the IoU of two masks, for each frame: float64 [T]. J is 1 if both are empty."""
    prediction, mask = _pair(prediction, mask)
    return intersection_over_union(prediction, mask, axis=(1, 2))


def boundary_similarity(prediction: BoolArray, mask: BoolArray) -> Float64Array:
    """Compute F, the harmonic mean of boundary precision and recall, of each frame: float64 [T].

    A boundary pixel is one that differs from its right, lower or lower right neighbour. It is
    matched when a boundary pixel of the other mask lies within ceil(0.008 * diagonal) pixels. F is
    1 where neither has a boundary and 0 where only one has. An object that fills the frame has no
    boundary, like an empty mask; J distinguishes the two.
    """
    prediction, mask = _pair(prediction, mask)
    radius = math.ceil(BOUNDARY_TOLERANCE * math.hypot(*mask.shape[1:]))
    frames = zip(prediction, mask, strict=True)
    return np.array([_boundary_f(predicted, true, radius) for predicted, true in frames])


def j_and_f(prediction: BoolArray, mask: BoolArray) -> float:
    """Compute J&F of one object: average J and F over the frames, then average the two means."""
    j = region_similarity(prediction, mask).mean()
    return float(j + boundary_similarity(prediction, mask).mean()) / 2


def _pair(prediction: BoolArray, mask: BoolArray) -> tuple[BoolArray, BoolArray]:
    prediction, mask = checked_mask(prediction), checked_mask(mask)
    if prediction.ndim != 3 or not prediction.size:
        raise ValueError(f"prediction must be [T, H, W], not {list(prediction.shape)}")
    return prediction, checked_mask(mask, prediction.shape)


def _boundary(mask: BoolArray) -> BoolArray:
    """Return which pixels differ from their right, lower or lower right neighbour: bool [H, W]."""
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
    """Return which pixels lie within `radius` of a boundary pixel: bool [H, W]."""
    import cv2

    offsets = np.arange(-radius, radius + 1)
    disk = (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.uint8)
    return np.asarray(cv2.dilate(boundary.astype(np.uint8), disk), bool)
