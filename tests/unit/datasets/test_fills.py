"""Patterns of objects and clutter."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tam_video.datasets.fills import PATTERNS, Fill, Pattern, add_clutter


def plain_brightness(fill: Fill, x: float, y: float) -> float:
    """The brightness at one point, written out."""
    along = (math.cos(fill.turn) * x + math.sin(fill.turn) * y) / fill.period
    across = (math.cos(fill.turn) * y - math.sin(fill.turn) * x) / fill.period
    along, across = along - math.floor(along), across - math.floor(across)
    if fill.pattern == "stripes":
        is_dark = along < 0.5
    elif fill.pattern == "checks":
        is_dark = (along < 0.5) != (across < 0.5)
    else:
        is_dark = math.hypot(along - 0.5, across - 0.5) < 0.36
    return fill.dark if is_dark else 1.0


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_brightness_equals_that_of_each_point(pattern: Pattern) -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        fill = Fill(pattern, rng.uniform(0.1, 0.5), rng.uniform(0, np.pi), rng.uniform(0.2, 0.9))
        x, y = rng.uniform(-1, 1, (2, 6, 7))
        points = zip(x.ravel(), y.ravel(), strict=True)
        expected = [plain_brightness(fill, *point) for point in points]
        np.testing.assert_allclose(fill.brightness(x, y).ravel(), expected, rtol=1e-6)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_has_both_brightnesses_and_repeats(pattern: Pattern) -> None:
    fill = Fill(pattern, 0.25, 0.0, 0.6)
    y, x = (np.mgrid[:100, :100] + 0.5) / 100 - 0.5
    values = fill.brightness(x, y)
    assert values.dtype == np.float32
    assert set(np.unique(values)) == {np.float32(0.6), np.float32(1.0)}
    assert 0.35 < (values < 1).mean() < 0.65
    assert (values[:, 25:] != values[:, :-25]).mean() < 0.01  # rounding at edges
    assert (replace(fill, dark=1.0).brightness(x, y) == 1).all()


def test_clutter_keeps_its_picture_and_is_grey() -> None:
    picture = np.full((80, 120, 3), 90, np.uint8)
    before = picture.copy()
    cluttered = add_clutter(picture, 30, seed=4)
    np.testing.assert_array_equal(picture, before)
    np.testing.assert_array_equal(cluttered, add_clutter(picture, 30, seed=4))
    assert (cluttered != add_clutter(picture, 30, seed=5)).any()
    assert (np.ptp(cluttered, axis=2) == 0).all()
    assert 24 <= cluttered.min() < cluttered.max() <= 176
    assert 0.05 < (cluttered != picture).mean() < 0.9
    np.testing.assert_array_equal(add_clutter(picture, 0, seed=4), picture)
