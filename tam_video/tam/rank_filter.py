"""Denoising of maps by a Gaussian over the ranks of each window.

Owns: the windows, their borders, and the bound on memory. Knows nothing of tokens or slots.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tam_video.types import Float64Array, FloatArray, PublishedProfile

_VALUES_PER_BLOCK = 1 << 21


def rank_gaussian_filter(
    maps: FloatArray | Float64Array, *, size: int = 3, profile: PublishedProfile = "published"
) -> FloatArray:
    """Denoise activation maps by a Gaussian over each window's ranks.

    The sorted values of a window are averaged with weights exp(-(rank - centre)^2 / (2 sigma^2)),
    sigma being the window's coefficient of variation: near the median where the window is even,
    nearer the mean where it is not. Borders are reflected, repeatedly where the window is larger
    than the map.

    Source: Li et al., ICCV 2025, arXiv:2506.23270, rank Gaussian filter; xmed-lab/TAM. Differs: a
    constant window. The public code has NaN there, which its cast to uint8 makes 0; "reference"
    gives that 0, and computes in the public code's order and precision, because whether a window
    counts as constant hangs on the last bit of its mean.

    Args:
        maps: float32 [..., h, w], finite, >= 0, any scale. "reference" works in float64 where they
            are float64, as the public code does.
        size: odd window side, in tokens.
        profile: "published" keeps constant windows, "reference" zeroes them.

    Returns:
        float32, same shape and scale, never NaN.

    Raises:
        ValueError: `size` is even or below 1, `maps` has no two axes, or the profile is unknown.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size must be odd and at least 1, not {size}")
    if maps.ndim < 2 or 0 in maps.shape[-2:]:
        raise ValueError(f"maps must be [..., h, w], not {list(maps.shape)}")
    if profile not in ("published", "reference"):
        raise ValueError(f"profile must be 'published' or 'reference', not {profile!r}")
    combine = _combine if profile == "published" else _combine_as_published
    if profile == "published" or maps.dtype != np.float64:
        maps = maps.astype(np.float32, copy=False)
    filtered = np.empty(maps.shape, dtype=np.float32)
    flat = filtered.reshape(-1)
    for cells, windows in _sorted_windows(maps, size):
        flat[cells] = combine(windows)
    return filtered


def _sorted_windows(
    maps: FloatArray | Float64Array, size: int
) -> Iterator[tuple[slice, FloatArray | Float64Array]]:
    """Blocks of whole rows: the cells they cover, and [n, size * size] values, sorted."""
    height, width = maps.shape[-2:]
    planes = maps.reshape(-1, height, width)
    border = size // 2
    padded = np.pad(planes, ((0, 0), (border, border), (border, border)), mode="reflect")
    windows = sliding_window_view(padded, (size, size), axis=(1, 2))
    rows_per_block = max(1, _VALUES_PER_BLOCK // (width * size * size))
    num_rows = len(planes) * height
    for start in range(0, num_rows, rows_per_block):
        rows = np.arange(start, min(start + rows_per_block, num_rows))
        block = windows[rows // height, rows % height].reshape(-1, size * size)
        block.sort(axis=1)
        yield slice(start * width, (start + len(rows)) * width), block


def _combine(windows: FloatArray | Float64Array) -> FloatArray:
    """float32 [n]: weighted means, ranks r and -r weighing q^(r^2) with q = exp(-1 / (2 sigma^2)).

    As q^(r^2) = q^((r-1)^2) q^(2r-1), one exponential serves a window, the rest are products.
    float64 keeps the variance of the smallest and largest float32 values finite.
    """
    ranks = np.ascontiguousarray(windows.T, dtype=np.float64)
    mean = ranks.mean(axis=0)
    variance = np.square(ranks - mean).mean(axis=0)
    centre = len(ranks) // 2
    with np.errstate(under="ignore"):
        square_mean = np.square(mean)
        ratio = np.divide(square_mean, 2 * variance, out=np.zeros_like(mean), where=variance > 0)
        odd_power = np.where(variance > 0, np.exp(-ratio), 0)
        step, weight = np.square(odd_power), np.ones_like(mean)
        total, weights = ranks[centre].copy(), np.ones_like(mean)
        for rank in range(1, centre + 1):
            weight = weight * odd_power
            odd_power = odd_power * step
            total += weight * (ranks[centre - rank] + ranks[centre + rank])
            weights += 2 * weight
    filtered: FloatArray = np.clip(total / weights, ranks[0], ranks[-1]).astype(np.float32)
    return filtered


def _combine_as_published(windows: FloatArray | Float64Array) -> FloatArray:
    """float32 [n]: the same mean in the order and precision of the public code, 0 for its NaN.

    float64 is cut to float32, not rounded: the public code truncates 255 times the value, and what
    lies just below a step must stay below it.
    """
    ranks = np.arange(windows.shape[1]) - windows.shape[1] // 2
    with np.errstate(all="ignore"):
        sigma = windows.std(axis=1, keepdims=True) / windows.mean(axis=1, keepdims=True)
        kernel = np.exp(-np.square(ranks) / (2 * np.square(sigma)))
        kernel = kernel / kernel.sum(axis=1, keepdims=True)
        values = (windows * kernel).sum(axis=1)
    values = np.where(np.isfinite(values), values, 0)
    rounded = values.astype(np.float32)
    if windows.dtype == np.float32:
        return rounded
    return np.where(rounded > values, np.nextafter(rounded, np.float32(0)), rounded)
