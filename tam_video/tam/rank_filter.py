"""Denoise maps by a Gaussian over the sorted values in each window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from tam_video.tam.normalise import upper_half
from tam_video.types import Float64Array, FloatArray, PublishedProfile

_Values: TypeAlias = FloatArray | Float64Array

# A block and its intermediate arrays fit in a core's cache.
VALUES_PER_BLOCK = 1 << 17
# Compare and exchange: three columns of three, then their merge; sorts 9 values. Source: Floyd's 25
# comparators, in Knuth, The Art of Computer Programming 3, 5.3.4.
# fmt: off
_NETWORK_OF_9 = (
    (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8),
    (0, 3), (3, 6), (0, 3), (1, 4), (4, 7), (1, 4), (2, 5), (5, 8), (2, 5),
    (1, 3), (5, 7), (2, 6), (4, 6), (2, 4), (2, 3), (5, 6),
)
# fmt: on


def rank_gaussian_filter(
    maps: FloatArray | Float64Array,
    *,
    size: int = 3,
    profile: PublishedProfile = "published",
    values_per_block: int = VALUES_PER_BLOCK,
) -> FloatArray:
    """Denoise activation maps by a Gaussian over the sorted values in each window.

    The sorted values of a window are averaged with weights exp(-(rank - centre)^2 / (2 sigma^2)),
    where sigma is the window's coefficient of variation: the result is near the median where the
    values are similar, and near the mean where they differ. Borders are reflected, repeatedly where
    the window is larger than the map.

    Source: Li et al., ICCV 2025, arXiv:2506.23270, rank Gaussian filter; xmed-lab/TAM. Differs: a
    constant window. The public code has NaN there, which its cast to uint8 makes 0; "reference"
    gives that 0, and computes in the public code's order and precision, because whether a window
    counts as constant depends on the last bit of its mean.

    Args:
        maps: float32 [..., h, w], finite, >= 0, any scale. "reference" computes in float64 where
            they are float64, as the public code does.
        size: odd window side, in tokens.
        profile: "published" keeps constant windows, "reference" zeroes them.
        values_per_block: approximate number of window values in memory at a time, each of at most
            40 bytes; fastest where they fit in the CPU's cache.

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
    planes = filtered.reshape(-1, *maps.shape[-2:])
    for cells, windows in _sorted_windows(maps.reshape(planes.shape), size, values_per_block):
        planes[cells] = combine(windows)
    return filtered


def filter_large_objects(
    maps: FloatArray | Float64Array, *, min_cells: int, profile: PublishedProfile = "published"
) -> FloatArray:
    """Apply `rank_gaussian_filter` to the maps whose object has at least `min_cells` cells.

    Args:
        maps: float [M, t, h, w], as in `rank_gaussian_filter`.
        min_cells: least size by `object_cells`; 0 filters all maps.
        profile: as in `rank_gaussian_filter`.

    Returns:
        float32 [M, t, h, w]. The other maps are returned as they are.
    """
    if min_cells <= 0:
        return rank_gaussian_filter(maps, profile=profile)
    large = object_cells(maps) >= min_cells
    filtered = maps.astype(np.float32)
    filtered[large] = rank_gaussian_filter(maps[large], profile=profile)
    return filtered


def object_cells(maps: FloatArray | Float64Array) -> Float64Array:
    """Estimate the size of each map's object, without ground truth.

    The size is the mean number of cells of `upper_half` over the slots that have any.

    Args:
        maps: float [M, t, h, w], finite.

    Returns:
        float64 [M]; 0 for a constant map.
    """
    per_slot = upper_half(maps).sum(axis=(2, 3))
    slots = np.maximum((per_slot > 0).sum(axis=1), 1)
    return np.asarray(per_slot.sum(axis=1) / slots, np.float64)


def _sorted_windows(
    planes: _Values, size: int, values_per_block: int
) -> Iterator[tuple[tuple[slice, slice], Sequence[_Values]]]:
    """For each block, yield its slices and the sorted values of its windows: size * size arrays.

    The arrays hold the values of each window in order, the least first.
    """
    count, height, width = planes.shape
    border = size // 2
    padded = np.pad(planes, ((0, 0), (border, border), (border, border)), mode="reflect")
    rows_in_block = max(1, values_per_block // (width * size * size))
    num_planes, num_rows = max(1, rows_in_block // height), min(height, rows_in_block)
    for first, row in np.ndindex(-(-count // num_planes), -(-height // num_rows)):
        plane, top = first * num_planes, row * num_rows
        end, bottom = min(plane + num_planes, count), min(top + num_rows, height)
        windows = np.empty((size * size, end - plane, bottom - top, width), planes.dtype)
        for member, (down, right) in enumerate(np.ndindex(size, size)):
            windows[member] = padded[plane:end, top + down : bottom + down, right : right + width]
        yield (slice(plane, end), slice(top, bottom)), _sorted(windows)


def _sorted(windows: _Values) -> Sequence[_Values]:
    """Sort k arrays elementwise, the smallest values first. This overwrites `windows`."""
    if len(windows) != 9:
        windows.sort(axis=0)
        return list(windows)
    values, spare = list(windows), np.empty_like(windows[0])
    for low, high in _NETWORK_OF_9:
        np.minimum(values[low], values[high], out=spare)
        np.maximum(values[low], values[high], out=values[high])
        values[low], spare = spare, values[low]
    return values


def _combine(windows: Sequence[_Values]) -> FloatArray:
    """Compute the weighted mean of k sorted values. Equal values are returned unchanged.

    float64 keeps the variance of the smallest and largest float32 values finite.
    """
    ranks = [values.astype(np.float64, copy=False) for values in windows]
    mean = sum(ranks[1:], start=ranks[0]) / len(ranks)
    squares = [np.square(values - mean) for values in ranks]
    variance = sum(squares[1:], start=squares[0]) / len(ranks)
    with np.errstate(all="ignore"):
        power = np.exp(np.square(mean) / (-2 * variance))
    means = _weighted_mean(ranks, np.where(variance > 0, power, 0))
    return np.clip(means, ranks[0], ranks[-1]).astype(np.float32)


def _combine_as_published(windows: Sequence[_Values]) -> FloatArray:
    """Compute the means as the public code does, but with 0 instead of NaN: float32 [...].

    Mean and deviation are summed in the public code's order and precision: they decide which
    windows are constant. float64 is truncated to float32, not rounded: the public code truncates
    255 times the value, and a value just below a step must stay below it.
    """
    size = len(windows)
    with np.errstate(all="ignore"):
        mean = _pairwise_sum(windows) / size
        variance = _pairwise_sum([np.square(values - mean) for values in windows]) / size
        spread = (2 * np.square(np.sqrt(variance) / mean)).astype(np.float64)
        means = np.where(spread > 0, _weighted_mean(windows, np.exp(-1 / spread)), 0)
    rounded = means.astype(np.float32)
    if windows[0].dtype == np.float32:
        return rounded
    return np.where(rounded > means, np.nextafter(rounded, np.float32(0)), rounded)


def _weighted_mean(windows: Sequence[_Values], power: Float64Array) -> Float64Array:
    """Compute means of sorted values. The value at rank r from the middle has the weight q^(r^2).

    With `power` q = exp(-1 / (2 sigma^2)), q^(r^2) = q^((r-1)^2) q^(2r-1): a window needs one
    exponential, the rest are products.
    """
    centre = len(windows) // 2
    step, weight = np.square(power), np.ones_like(power)
    total, weights = windows[centre].astype(np.float64), np.ones_like(power)
    for rank in range(1, centre + 1):
        weight = weight * power
        power = power * step
        total += weight * np.add(windows[centre - rank], windows[centre + rank], dtype=np.float64)
        weights += 2 * weight
    return total / weights


def _pairwise_sum(values: Sequence[_Values]) -> _Values:
    """Sum k arrays with the same rounding as numpy when it sums a row of k values.

    Eight running sums are added in pairs, then the rest; above 128 values each half is summed
    separately.
    """
    count = len(values)
    if count < 8:
        return sum(values[1:], start=values[0])
    if count > 128:
        half = count // 2 - count // 2 % 8
        return _pairwise_sum(values[:half]) + _pairwise_sum(values[half:])
    whole = count - count % 8
    eight = list(values[:8])
    for start in range(8, whole, 8):
        eight = [a + b for a, b in zip(eight, values[start : start + 8], strict=True)]
    pairs = [a + b for a, b in zip(eight[0::2], eight[1::2], strict=True)]
    return sum(values[whole:], start=(pairs[0] + pairs[1]) + (pairs[2] + pairs[3]))
