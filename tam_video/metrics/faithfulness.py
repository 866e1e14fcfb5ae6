"""Measure the faithfulness of maps: hide video cells, and measure how the answer changes.

A keep-mask is bool [t, h, w] over the cells of the map: True cells show the video, False ones are
filled. A score is s_k = mean over the explained tokens of p(y_t | video_k, prompt, y_<t), teacher
forced; a `Scorer` runs the model on masked videos. Values that are not finite, shapes that do not
fit and arguments out of range are a ValueError.

Source: Petsiuk et al., RISE, BMVC 2018, arXiv:1806.07421 (insertion, deletion); Park et al., TRAK,
ICML 2023, arXiv:2303.14186 (linear datamodeling score); Chen et al., EAGLE, arXiv:2509.22496
(minimal correction).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tam_video.metrics.grids import checked_map, checked_mask, finite_values
from tam_video.types import BoolArray, Float64Array, FloatArray, IntArray

OrderKind: TypeAlias = Literal["joint", "spatial", "slot"]
MaskMode: TypeAlias = Literal["deletion", "insertion"]
Scorer: TypeAlias = Callable[[BoolArray], Float64Array]
"""Runs the model on videos with keep-masks, bool [B, t, h, w], and returns the scores, float64 [B].

It defines what fills the hidden cells: blank, or the blurred video.
"""


def curve_auc(scores: Float64Array) -> float:
    """Compute the area under a deletion or insertion curve, (sum s - s_0/2 - s_n/2) / n.

    Args:
        scores: float64 [n + 1], s_0 before the first step to s_n after the last, n >= 1.

    Returns:
        In the range of the scores. Low is better for deletion, high for insertion.
    """
    curve = finite_values(scores, "scores").astype(np.float64)
    if curve.ndim != 1 or len(curve) < 2:
        raise ValueError(f"scores must be [n + 1] with n >= 1, not {list(curve.shape)}")
    return float((curve.sum() - curve[0] / 2 - curve[-1] / 2) / (len(curve) - 1))


def cell_order(activation_map: FloatArray, *, kind: OrderKind = "joint") -> IntArray:
    """Sort units (groups of cells that are hidden together) from most to least relevant.

    A unit is a single cell ("joint"), one cell position in all slots ("spatial") or a whole slot
    ("slot"); the last two are ranked by their sums. Equal units are in row-major order, so that
    every run hides the same cells.

    Args:
        activation_map: float32 [t, h, w].
        kind: what a unit is.

    Returns:
        int64 [U, C]: U units in order, each with the C flat indices of its cells: [t*h*w, 1],
        [h*w, t] or [t, h*w].
    """
    cells = checked_map(activation_map).astype(np.float64)
    slots, positions = len(cells), cells[0].size
    indices = np.arange(cells.size, dtype=np.int64).reshape(slots, positions)
    if kind == "joint":
        units, relevance = indices.reshape(-1, 1), cells.ravel()
    elif kind == "spatial":
        units, relevance = indices.T, cells.reshape(slots, positions).sum(axis=0)
    elif kind == "slot":
        units, relevance = indices, cells.reshape(slots, positions).sum(axis=1)
    else:
        raise ValueError(f"kind must be 'joint', 'spatial' or 'slot', not {kind!r}")
    return units[np.argsort(-relevance, kind="stable")]


def masked_steps(
    order: IntArray, shape: tuple[int, int, int], *, steps: int, mode: MaskMode
) -> BoolArray:
    """Compute which cells are visible after each step of a deletion or insertion curve.

    In step k of n the first floor(k * U / n) units of the order are hidden ("deletion") or shown
    ("insertion"). Where n is larger than U some steps are equal, so that every method and every
    kind of unit has the same number of steps.

    Args:
        order: int64 [U, C], from `cell_order`; it contains every cell once.
        shape: (t, h, w) of the map.
        steps: n >= 1.
        mode: "deletion" goes from all cells to none, "insertion" from none to all.

    Returns:
        bool [n + 1, t, h, w], True where a cell shows the video.
    """
    if mode not in ("deletion", "insertion"):
        raise ValueError(f"mode must be 'deletion' or 'insertion', not {mode!r}")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    num_cells = int(np.prod(shape))
    indices = np.asarray(order)
    if indices.ndim != 2 or not np.array_equal(np.sort(indices, axis=None), np.arange(num_cells)):
        raise ValueError(f"order must be [units, cells] with each of the {num_cells} cells once")
    rank = np.empty(num_cells, np.int64)
    rank[indices] = np.arange(len(indices))[:, None]
    reached = np.arange(steps + 1) * len(indices) // steps
    changed = rank < reached[:, None]
    return (changed if mode == "insertion" else ~changed).reshape(steps + 1, *shape)


def random_keep_masks(
    num_masks: int, shape: tuple[int, int, int], *, keep_share: float = 0.5, seed: int = 0
) -> BoolArray:
    """Sample random masks of visible cells, all with the same number of visible cells.

    Args:
        num_masks: m >= 1.
        shape: (t, h, w), two cells or more.
        keep_share: share of the cells that are kept, in (0, 1), rounded to at least one cell and
            at most all but one.
        seed: seed of the draws.

    Returns:
        bool [m, t, h, w].
    """
    num_cells = int(np.prod(shape))
    if num_masks < 1 or not 0 < keep_share < 1 or num_cells < 2:
        raise ValueError("pass num_masks >= 1, 0 < keep_share < 1 and a shape with 2 or more cells")
    num_kept = min(max(round(keep_share * num_cells), 1), num_cells - 1)
    template = np.broadcast_to(np.arange(num_cells) < num_kept, (num_masks, num_cells))
    shuffled = np.random.default_rng(seed).permuted(template, axis=1)
    return shuffled.reshape(num_masks, *shape)


def rank_correlation(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Compute the Spearman correlation of two arrays of equal shape. Ties get their mean rank.

    Returns:
        In [-1, 1]; NaN where either is constant, because it has no order.
    """
    from scipy.stats import spearmanr  # slow to import, seldom needed

    a, b = finite_values(first, "first"), finite_values(second, "second")
    if a.shape != b.shape:
        raise ValueError(f"shapes must agree, but are {list(a.shape)} and {list(b.shape)}")
    if a.min() == a.max() or b.min() == b.max():
        return float("nan")
    return float(np.clip(spearmanr(a.ravel(), b.ravel()).statistic, -1, 1))


def linear_datamodeling_score(
    keep: BoolArray, attribution: FloatArray, log_probabilities: Float64Array
) -> float:
    """Compute the LDS: how well a map's sum over visible cells predicts an answer's probability.

    Args:
        keep: bool [m, t, h, w], random keep-masks.
        attribution: float32 [t, h, w], the map under evaluation.
        log_probabilities: float64 [m], log p(span | masked video), teacher forced.

    Returns:
        Spearman correlation in [-1, 1]; NaN where the sums or the probabilities are all equal.
    """
    cells = checked_map(attribution, "attribution").astype(np.float64)
    measured = finite_values(log_probabilities, "log_probabilities")
    kept = checked_mask(keep, (*measured.shape, *cells.shape))
    predicted = np.where(kept, cells, 0).sum(axis=(1, 2, 3))
    return rank_correlation(predicted, measured)


def flip_area(is_flipped: BoolArray, deleted_area: Float64Array) -> float:
    """Compute the smallest deleted area that flips a hallucinated answer to the correct answer.

    Args:
        is_flipped: bool [n + 1], whether the answer was right after each step.
        deleted_area: float64 [n + 1] in [0, 1], share of the cells that were hidden.

    Returns:
        In [0, 1]; 1 where the answer never flipped.
    """
    area = finite_values(deleted_area, "deleted_area")
    flipped = checked_mask(is_flipped, area.shape)
    if area.ndim != 1:
        raise ValueError(f"deleted_area must be [n + 1], not {list(area.shape)}")
    _check_areas(area)
    return float(area[flipped].min()) if flipped.any() else 1.0


def average_minimal_correction(flip_areas: Float64Array) -> float:
    """Compute the AMCR: the mean of `flip_areas`, float64 [n], over all hallucinated answers."""
    return float(_per_answer(flip_areas).mean())


def correction_success_rate(flip_areas: Float64Array, *, budget: float = 0.1) -> float:
    """Compute the CSR: the share of hallucinated answers whose flip area is at most `budget`.

    Args:
        flip_areas: float64 [n] in [0, 1], from `flip_area`.
        budget: largest deleted area that counts, in [0, 1). With 1 an answer that never flipped
            would count as a success.
    """
    if not 0 <= budget < 1:
        raise ValueError(f"budget must be in [0, 1), not {budget}")
    return float((_per_answer(flip_areas) <= budget).mean())


def measure(scorer: Scorer, keep: BoolArray, *, batch_size: int = 8) -> Float64Array:
    """Score each mask of visible cells, bool [n, t, h, w], and return float64 [n]."""
    masks = checked_mask(keep)
    if masks.ndim != 4 or not masks.size:
        raise ValueError(f"keep must be [n, t, h, w], not {list(masks.shape)}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    batches = [masks[start : start + batch_size] for start in range(0, len(masks), batch_size)]
    return np.concatenate([_batch_scores(scorer, batch) for batch in batches])


def _batch_scores(scorer: Scorer, batch: BoolArray) -> Float64Array:
    scores = finite_values(scorer(batch), "a scorer's scores").astype(np.float64)
    if scores.shape != (len(batch),):
        raise ValueError(
            f"a scorer must return scores of shape [{len(batch)}], not {list(scores.shape)}"
        )
    return scores


def _per_answer(flip_areas: Float64Array) -> Float64Array:
    areas = finite_values(flip_areas, "flip_areas").astype(np.float64)
    if areas.ndim != 1:
        raise ValueError(f"flip_areas must be [n], not {list(areas.shape)}")
    _check_areas(areas)
    return areas


def _check_areas(areas: NDArray[Any]) -> None:
    if areas.min() < 0 or areas.max() > 1:
        raise ValueError("an area must be a share of the cells between 0 and 1")
