"""Reference implementation of the method, written from the description of the public code.

Logits of the whole vocabulary at every position, one token after the other, an iterative search for
the factor of the causal correction, and a filter that walks over pixels. Precision and order are
those of the "reference" profile, which it has to equal.

Source: Li et al., ICCV 2025, arXiv:2506.23270.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar

from tam_video.types import Float64Array, FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor


def full_logits(hidden: Tensor, weight: Tensor) -> FloatArray:
    """float32 [S, vocabulary] of states [S, d] and the output embedding [vocabulary, d]."""
    logits: FloatArray = (hidden @ weight.T).numpy()
    return logits


def slow_maps(
    logits: FloatArray,
    *,
    class_ids: IntArray,
    visual_positions: IntArray,
    text_positions: IntArray,
    token_strings: Sequence[str],
    num_prompt_tokens: int,
    grid: tuple[int, int, int],
) -> FloatArray:
    """float32 [M, t, h, w]: the map of every text token, one after the other.

    Arguments are those of `token_activation_maps`, with logits of the whole vocabulary. The NaN of
    constant windows comes out as 0, as the public code's cast to uint8 makes it.
    """
    raw: list[FloatArray] = []
    maps = np.zeros((len(class_ids), *grid), dtype=np.float32)
    for m, class_id in enumerate(class_ids):
        own = np.maximum(logits[visual_positions, class_id], 0)
        relevance = np.maximum(logits[text_positions, class_id], 0)
        raw.append(own)
        context = [k for k in range(m) if token_strings[k] != token_strings[m]]
        cells: FloatArray | Float64Array = own
        if context:
            cells = _corrected(own, [raw[k] for k in context], relevance[context])
        texts = relevance[:num_prompt_tokens] if m < num_prompt_tokens else relevance[:m]
        scaled = _joint_min_max(cells, texts)
        for slot, plane in enumerate(scaled.reshape(grid)):
            maps[m, slot] = np.nan_to_num(_filtered(plane), nan=0)
    return maps


def _corrected(
    own: FloatArray, others: Sequence[FloatArray], relevance: FloatArray
) -> Float64Array:
    """The map without its factor times the interference; the factor by Brent's search."""
    weights = relevance / (relevance.sum() + 1e-8)
    interference = np.zeros_like(own)
    for weight, other in zip(weights, others, strict=True):
        interference += weight * other
    if not interference.any():
        return own.astype(np.float64)
    fit = minimize_scalar(lambda factor: np.square(own - factor * interference).sum())
    corrected: Float64Array = np.maximum(own - np.float64(fit.x) * interference, 0)
    return corrected


def _joint_min_max(
    cells: FloatArray | Float64Array, texts: FloatArray
) -> FloatArray | Float64Array:
    both = np.concatenate([cells, texts.astype(cells.dtype)])
    low, high = both.min(), both.max()
    scaled: FloatArray | Float64Array = (
        (cells - low) / (high - low) if high > low else np.zeros_like(cells)
    )
    return scaled


def _filtered(plane: FloatArray | Float64Array, size: int = 3) -> FloatArray | Float64Array:
    """The rank Gaussian filter of one slot [h, w], pixel by pixel."""
    border = size // 2
    padded = np.pad(plane, border, mode="reflect")
    ranks = np.arange(size * size) - size * size // 2
    result = np.zeros_like(plane)
    for row in range(plane.shape[0]):
        for column in range(plane.shape[1]):
            window = np.sort(padded[row : row + size, column : column + size].flatten())
            mean = window.mean()
            if mean > 0:
                with np.errstate(all="ignore"):
                    sigma = window.std() / mean
                    kernel = np.exp(-(ranks**2) / (2 * sigma**2))
                    kernel = kernel / np.sum(kernel)
                    result[row, column] = np.sum(window * kernel)
    return result
