"""Metrics of maps: plausibility, faithfulness and stability, with confidence intervals.

Pure functions, numpy in and out. Each defines its value for constant maps and empty masks.
"""

from __future__ import annotations

from tam_video.metrics.answers import AnswerIou, Noun, answer_iou
from tam_video.metrics.faithfulness import (
    Scorer,
    average_minimal_correction,
    cell_order,
    correction_success_rate,
    curve_auc,
    flip_area,
    linear_datamodeling_score,
    masked_steps,
    measure,
    random_keep_masks,
    randomisation_cascade,
    rank_correlation,
)
from tam_video.metrics.grids import resize_map
from tam_video.metrics.plausibility import (
    WordScore,
    auc,
    energy_inside,
    f1_iou,
    function_iou,
    object_iou,
    object_threshold,
    otsu_threshold,
    pointing_hit,
    temporal_energy,
    volume_iou,
)
from tam_video.metrics.segmentation import (
    SegmentationScore,
    boundary_similarity,
    j_and_f,
    region_similarity,
)
from tam_video.metrics.spans import (
    intersection_over_prediction,
    otsu_span,
    slot_energy,
    temporal_auc,
    temporal_coherence,
    temporal_iou,
)
from tam_video.metrics.statistics import Interval, difference_interval, mean_interval

__all__ = [
    "AnswerIou",
    "Interval",
    "Noun",
    "Scorer",
    "SegmentationScore",
    "WordScore",
    "answer_iou",
    "auc",
    "average_minimal_correction",
    "boundary_similarity",
    "cell_order",
    "correction_success_rate",
    "curve_auc",
    "difference_interval",
    "energy_inside",
    "f1_iou",
    "flip_area",
    "function_iou",
    "intersection_over_prediction",
    "j_and_f",
    "linear_datamodeling_score",
    "masked_steps",
    "mean_interval",
    "measure",
    "object_iou",
    "object_threshold",
    "otsu_span",
    "otsu_threshold",
    "pointing_hit",
    "random_keep_masks",
    "randomisation_cascade",
    "rank_correlation",
    "region_similarity",
    "resize_map",
    "slot_energy",
    "temporal_auc",
    "temporal_coherence",
    "temporal_energy",
    "temporal_iou",
    "volume_iou",
]
