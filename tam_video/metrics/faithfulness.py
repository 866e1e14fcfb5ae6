"""Whether a map names what the model relied on: hide cells, and see what becomes of the answer.

Owns: which cells are hidden in which step, and what the measured scores come to. Running the model
on the masked video is a `Scorer`, which the model side brings along. The first half works on scores
that were measured already, the second half asks a scorer.

A keep-mask is bool [t, h, w] over the cells of the map: True cells show the video, False ones are
filled. A score is s_k = mean over the explained tokens of p(y_t | video_k, prompt, y_<t), teacher
forced.

Source: Petsiuk et al., RISE, BMVC 2018, arXiv:1806.07421 (insertion, deletion); Adebayo et al.,
Sanity Checks for Saliency Maps, NeurIPS 2018, arXiv:1810.03292; Park et al., TRAK, ICML 2023,
arXiv:2303.14186 (linear datamodeling score); Chen et al., EAGLE, arXiv:2509.22496 (minimal
correction).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tam_video.metrics.grids import BoolArray, checked_map, checked_mask, finite_values
from tam_video.types import Float64Array, FloatArray, IntArray

OrderKind: TypeAlias = Literal["joint", "spatial", "slot"]
MaskMode: TypeAlias = Literal["deletion", "insertion"]


def curve_auc(scores: Float64Array) -> float:
    """Area under a deletion or insertion curve, (sum s - s_0/2 - s_n/2) / n.

    Args:
        scores: float64 [n + 1], s_0 before the first step to s_n after the last, n >= 1.

    Returns:
        In the range of the scores. Low is good for deletion, high for insertion.

    Raises:
        ValueError: it is not a finite [n + 1] of two scores or more.
    """
    curve = finite_values(scores, "scores").astype(np.float64)
    if curve.ndim != 1 or len(curve) < 2:
        raise ValueError(f"scores must be [n + 1] with n >= 1, not {list(curve.shape)}")
    return float((curve.sum() - curve[0] / 2 - curve[-1] / 2) / (len(curve) - 1))


def cell_order(activation_map: FloatArray, *, kind: OrderKind = "joint") -> IntArray:
    """The units that are hidden together, the most relevant unit first.

    A unit is a single cell ("joint"), a place through all slots ("spatial") or a whole slot
    ("slot"); the last two are ranked by their sums. Of equal units the one with the lower number
    comes first, in row-major order, so that every run hides the same cells.

    Args:
        activation_map: float32 [t, h, w].
        kind: what a unit is.

    Returns:
        int64 [U, C]: U units in order, each the C flat numbers of its cells: [t*h*w, 1],
        [h*w, t] or [t, h*w].

    Raises:
        ValueError: the map is not a finite [t, h, w], or `kind` is unknown.
    """
    cells = checked_map(activation_map).astype(np.float64)
    slots, places = len(cells), cells[0].size
    numbers = np.arange(cells.size, dtype=np.int64).reshape(slots, places)
    if kind == "joint":
        units, relevance = numbers.reshape(-1, 1), cells.ravel()
    elif kind == "spatial":
        units, relevance = numbers.T, cells.reshape(slots, places).sum(axis=0)
    elif kind == "slot":
        units, relevance = numbers, cells.reshape(slots, places).sum(axis=1)
    else:
        raise ValueError(f"kind must be 'joint', 'spatial' or 'slot', not {kind!r}")
    return units[np.argsort(-relevance, kind="stable")]


def masked_steps(
    order: IntArray, shape: tuple[int, int, int], *, steps: int, mode: MaskMode
) -> BoolArray:
    """Keep-masks of a curve, from the untouched video on (or towards it).

    Step k of n has the first floor(k * U / n) units of the order hidden ("deletion") or shown
    ("insertion"). Where n is larger than U some steps are alike, so that every method and every
    kind of unit keeps the same number of steps.

    Args:
        order: int64 [U, C], as `cell_order` gives it; it names every cell once.
        shape: (t, h, w) of the map.
        steps: n >= 1.
        mode: "deletion" goes from all cells to none, "insertion" from none to all.

    Returns:
        bool [n + 1, t, h, w], True where a cell shows the video.

    Raises:
        ValueError: the order does not name every cell once, `steps` is below 1, or `mode` is
            unknown.
    """
    if mode not in ("deletion", "insertion"):
        raise ValueError(f"mode must be 'deletion' or 'insertion', not {mode!r}")
    if steps < 1:
        raise ValueError(f"steps must be 1 at least, not {steps}")
    num_cells = int(np.prod(shape))
    numbers = np.asarray(order)
    if numbers.ndim != 2 or not np.array_equal(np.sort(numbers, axis=None), np.arange(num_cells)):
        raise ValueError(f"order must be [U, C] and name each of {num_cells} cells once")
    place = np.empty(num_cells, np.int64)
    place[numbers] = np.arange(len(numbers))[:, None]
    reached = np.arange(steps + 1) * len(numbers) // steps
    taken = place < reached[:, None]
    return (taken if mode == "insertion" else ~taken).reshape(steps + 1, *shape)


def random_keep_masks(
    num_masks: int, shape: tuple[int, int, int], *, keep_share: float = 0.5, seed: int = 0
) -> BoolArray:
    """Random keep-masks for the linear datamodeling score, each with the same number of cells.

    Args:
        num_masks: m >= 1.
        shape: (t, h, w).
        keep_share: share of the cells that are kept, in (0, 1), rounded to one cell at least and
            all but one at most.
        seed: of the draws.

    Returns:
        bool [m, t, h, w].

    Raises:
        ValueError: `num_masks` is below 1, `keep_share` is not in (0, 1), or there are fewer than
            two cells.
    """
    num_cells = int(np.prod(shape))
    if num_masks < 1 or not 0 < keep_share < 1 or num_cells < 2:
        raise ValueError("random masks need m >= 1, a keep_share in (0, 1) and two cells or more")
    num_kept = min(max(round(keep_share * num_cells), 1), num_cells - 1)
    template = np.broadcast_to(np.arange(num_cells) < num_kept, (num_masks, num_cells))
    shuffled = np.random.default_rng(seed).permuted(template, axis=1)
    return shuffled.reshape(num_masks, *shape)


def rank_correlation(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Spearman correlation of two arrays of one shape; ties share their mean rank.

    Returns:
        In [-1, 1]; NaN where either is constant, for it has no order.

    Raises:
        ValueError: the shapes differ, or a value is not finite.
    """
    from scipy.stats import spearmanr  # slow to import, seldom needed

    ours, theirs = finite_values(first, "first"), finite_values(second, "second")
    if ours.shape != theirs.shape:
        raise ValueError(f"{list(ours.shape)} against {list(theirs.shape)}: shapes must agree")
    if ours.min() == ours.max() or theirs.min() == theirs.max():
        return float("nan")
    return float(np.clip(spearmanr(ours.ravel(), theirs.ravel()).statistic, -1, 1))


def linear_datamodeling_score(
    keep: BoolArray, attribution: FloatArray, log_probabilities: Float64Array
) -> float:
    """LDS: whether the summed attribution of what is kept predicts the answer's probability.

    Args:
        keep: bool [m, t, h, w], random keep-masks.
        attribution: float32 [t, h, w], the map that is judged.
        log_probabilities: float64 [m], log p(span | masked video), teacher forced.

    Returns:
        Spearman correlation in [-1, 1]; NaN where the sums or the probabilities are all alike.

    Raises:
        ValueError: the shapes do not fit, or a value is not finite.
    """
    cells = checked_map(attribution, "attribution").astype(np.float64)
    measured = finite_values(log_probabilities, "log_probabilities")
    kept = checked_mask(keep, (*measured.shape, *cells.shape))
    predicted = np.where(kept, cells, 0).sum(axis=(1, 2, 3))
    return rank_correlation(predicted, measured)


def randomisation_cascade(original: FloatArray, randomised: Sequence[FloatArray]) -> Float64Array:
    """Spearman correlation of a map with itself after each stage of weight randomisation.

    A map that shows what the model learned falls towards 0 as more layers are randomised. The same
    figure serves for blank, swapped and shuffled videos.

    Args:
        original: float32 [t, h, w].
        randomised: R maps of the same shape, one per stage.

    Returns:
        float64 [R] in [-1, 1]; NaN where a map is constant.

    Raises:
        ValueError: a map is not a finite [t, h, w] of the original's shape.
    """
    cells = checked_map(original, "original")
    stages = [rank_correlation(cells, checked_map(stage, "randomised")) for stage in randomised]
    return np.array(stages, np.float64)


def flip_area(is_flipped: BoolArray, deleted_area: Float64Array) -> float:
    """Smallest deleted area that turns a hallucinated yes or no into the right answer.

    Args:
        is_flipped: bool [n + 1], whether the answer was right after each step.
        deleted_area: float64 [n + 1] in [0, 1], share of the cells that were hidden.

    Returns:
        In [0, 1]; 1 for an answer that never flipped.

    Raises:
        ValueError: the two are not [n + 1] of one length, or an area is not in [0, 1].
    """
    area = finite_values(deleted_area, "deleted_area")
    flipped = checked_mask(is_flipped, area.shape)
    if area.ndim != 1:
        raise ValueError(f"deleted_area must be [n + 1], not {list(area.shape)}")
    _check_areas(area)
    return float(area[flipped].min()) if flipped.any() else 1.0


def average_minimal_correction(flip_areas: Float64Array) -> float:
    """AMCR: mean flip area over ALL hallucinated answers, those that never flipped counting 1.

    Args:
        flip_areas: float64 [n] in [0, 1], as `flip_area` gives them.

    Raises:
        ValueError: it is not [n] of one answer or more, or an area is NaN or not in [0, 1].
    """
    return float(_per_answer(flip_areas).mean())


def correction_success_rate(flip_areas: Float64Array, *, budget: float = 0.1) -> float:
    """CSR: share of ALL hallucinated answers that flip within a budget; CSR@10 by default.

    Args:
        flip_areas: float64 [n] in [0, 1], as `flip_area` gives them.
        budget: largest deleted area that counts, in [0, 1). At 1 an answer that never flipped
            would count as a success.

    Raises:
        ValueError: it is not [n] of one answer or more, an area is NaN or not in [0, 1], or the
            budget is not in [0, 1).
    """
    if not 0 <= budget < 1:
        raise ValueError(f"budget must be in [0, 1), not {budget}")
    return float((_per_answer(flip_areas) <= budget).mean())


class Scorer(Protocol):
    """Runs the model on masked videos and reads the answer's probability.

    What fills the hidden cells (blank, or the blurred video) is the scorer's own affair.
    """

    def __call__(self, keep: BoolArray, /) -> Float64Array:
        """Score a batch of masked videos.

        Args:
            keep: bool [B, t, h, w], True where a cell shows the video.

        Returns:
            float64 [B]: for each, the mean over the explained tokens of their probability, teacher
            forced.
        """
        ...


def measure(scorer: Scorer, keep: BoolArray, *, batch_size: int = 8) -> Float64Array:
    """Scores of many keep-masks, asked batch by batch.

    Args:
        scorer: what scores them.
        keep: bool [n, t, h, w], one mask at least.
        batch_size: masks per call.

    Returns:
        float64 [n].

    Raises:
        ValueError: `keep` is not bool [n, t, h, w], `batch_size` is below 1, or the scorer returned
            something other than finite [B].
    """
    masks = checked_mask(keep)
    if masks.ndim != 4 or not masks.size:
        raise ValueError(f"keep must be [n, t, h, w], not {list(masks.shape)}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 at least, not {batch_size}")
    batches = [masks[start : start + batch_size] for start in range(0, len(masks), batch_size)]
    return np.concatenate([_asked(scorer, batch) for batch in batches])


def _asked(scorer: Scorer, batch: BoolArray) -> Float64Array:
    scores = finite_values(scorer(batch), "a scorer's scores").astype(np.float64)
    if scores.shape != (len(batch),):
        raise ValueError(f"a scorer must return [{len(batch)}], not {list(scores.shape)}")
    return scores


def _per_answer(flip_areas: Float64Array) -> Float64Array:
    areas = finite_values(flip_areas, "flip_areas").astype(np.float64)
    if areas.ndim != 1:
        raise ValueError(f"flip_areas must be [n], not {list(areas.shape)}")
    _check_areas(areas)
    return areas


def _check_areas(areas: NDArray[Any]) -> None:
    if areas.min() < 0 or areas.max() > 1:
        raise ValueError("an area is a share of the cells, in [0, 1]")
