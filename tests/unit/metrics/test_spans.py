import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from skimage.filters import threshold_otsu
from skimage.measure import label

from tam_video.metrics.plausibility import otsu_threshold
from tam_video.metrics.spans import (
    intersection_over_prediction,
    otsu_span,
    slot_energy,
    temporal_coherence,
    temporal_iou,
)

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
MAPS = hnp.arrays(np.float32, SHAPES, elements=st.floats(0, 1, width=32))
CURVES = hnp.arrays(np.float64, st.integers(1, 12), elements=st.integers(0, 4).map(float))
SPANS = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda ends: tuple(sorted(ends)))


def slow_span(curve):
    threshold = otsu_threshold(curve)
    best = (0, 0)
    for start in range(len(curve)):
        end = start
        while end < len(curve) and curve[end] > threshold:
            end += 1
        if end - start > best[1] - best[0]:
            best = (start, end)
    return best


def slow_overlap(predicted, true):
    """Counted in whole units, for spans of whole units."""
    ours, theirs = set(range(*predicted)), set(range(*true))
    both, either = len(ours & theirs), len(ours | theirs)
    share = both / len(ours) if ours else float(not theirs)
    return both / either if either else 1.0, share


def slow_coherence(cells):
    correlations = []
    for before, after in pairwise(cells.astype(np.float64).reshape(len(cells), -1)):
        if len(set(before)) > 1 and len(set(after)) > 1:
            ours, theirs = before - before.mean(), after - after.mean()
            norm = math.sqrt(sum(ours**2)) * math.sqrt(sum(theirs**2))
            correlations.append(sum(a * b for a, b in zip(ours, theirs, strict=True)) / norm)
    return sum(correlations) / len(correlations) if correlations else math.nan


@given(MAPS)
@settings(deadline=None, max_examples=15)
def test_energy_equals_reference_implementation(cells):
    expected = [sum(float(value) for value in plane.ravel()) for plane in cells]

    np.testing.assert_allclose(slot_energy(cells), expected, rtol=1e-12)


@given(CURVES)
@settings(deadline=None, max_examples=30)
def test_span_equals_reference_implementation(curve):
    assert otsu_span(curve) == slow_span(curve)


def test_span_agrees_with_scikit_image():
    rng = np.random.default_rng(0)
    for _ in range(30):
        curve = rng.integers(0, 50, 12)
        if curve.min() == curve.max():
            continue
        runs = label(curve[None] > threshold_otsu(curve))[0]
        sizes = np.bincount(runs)[1:]
        start, end = otsu_span(curve)
        assert end - start == sizes.max()
        assert (runs[start:end] == sizes.argmax() + 1).all()


def test_longest_run_wins_over_the_hottest_and_the_first_of_equals_wins():
    assert otsu_span(np.array([9.0, 0, 5, 5, 0, 5, 5])) == (2, 4)


@pytest.mark.parametrize("value", [0.0, 0.1, 7.0])
def test_constant_curve_names_no_moment(value):
    assert otsu_span(np.full(5, value)) == (0, 0)


@given(SPANS, SPANS)
@settings(deadline=None, max_examples=40)
def test_overlaps_equals_reference_implementation(predicted, true):
    iou, share = slow_overlap(predicted, true)

    np.testing.assert_allclose(temporal_iou(predicted, true), iou, rtol=1e-12)
    np.testing.assert_allclose(intersection_over_prediction(predicted, true), share, rtol=1e-12)


@given(*[st.tuples(st.floats(0, 99), st.floats(0, 99)).map(lambda e: tuple(sorted(e)))] * 2)
@settings(deadline=None, max_examples=20)
def test_overlaps_are_shares_and_iou_is_symmetric(predicted, true):
    assert 0 <= temporal_iou(predicted, true) <= 1
    assert temporal_iou(predicted, true) == temporal_iou(true, predicted)
    assert 0 <= intersection_over_prediction(predicted, true) <= 1
    assert temporal_iou(predicted, predicted) == 1


def test_empty_spans():
    assert temporal_iou((3, 3), (0, 5)) == 0
    assert temporal_iou((3, 3), (8, 8)) == 1
    assert intersection_over_prediction((3, 3), (0, 5)) == 0
    assert intersection_over_prediction((0, 5), (3, 3)) == 0
    assert intersection_over_prediction((3, 3), (3, 3)) == 1


@given(MAPS)
@settings(deadline=None, max_examples=20)
def test_coherence_equals_reference_implementation(cells):
    # Coarse steps: the twin squares values that would vanish if they were tiny.
    coarse = np.round(cells * 8) / 8

    np.testing.assert_allclose(temporal_coherence(coarse), slow_coherence(coarse), atol=1e-12)


def test_coherence_agrees_with_scipy():
    cells = np.random.default_rng(0).random((5, 3, 4), dtype=np.float32)

    expected = [stats.pearsonr(a.ravel(), b.ravel()).statistic for a, b in pairwise(cells)]

    np.testing.assert_allclose(temporal_coherence(cells), np.mean(expected), rtol=1e-6)


@given(
    hnp.arrays(
        np.float32, (3, 2, 3), elements=st.floats(0, float(np.finfo(np.float32).max), width=32)
    )
)
@settings(deadline=None, max_examples=20)
def test_coherence_of_any_range_is_a_correlation_or_nan(cells):
    got = temporal_coherence(cells)

    assert math.isnan(got) or -1 <= got <= 1


def test_coherence_of_steady_opposite_and_constant_maps():
    plane = np.arange(6, dtype=np.float32).reshape(2, 3)

    assert temporal_coherence(np.stack([plane, plane, 2 * plane + 1])) == pytest.approx(1)
    assert temporal_coherence(np.stack([plane, 5 - plane])) == pytest.approx(-1)
    assert temporal_coherence(np.stack([plane, plane, np.ones((2, 3))])) == pytest.approx(1)
    assert math.isnan(temporal_coherence(np.ones((3, 2, 2), np.float32)))
    assert math.isnan(temporal_coherence(np.stack([plane, np.ones((2, 3))])))
    assert math.isnan(temporal_coherence(plane[None]))


BROKEN = np.full((2, 2, 2), np.nan)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: slot_energy(np.zeros((2, 2))), r"\[t, h, w\]"),
        (lambda: slot_energy(BROKEN), "finite"),
        (lambda: temporal_coherence(np.zeros((2, 2))), r"\[t, h, w\]"),
        (lambda: temporal_coherence(BROKEN), "finite"),
        (lambda: otsu_span(np.zeros((2, 2))), r"\[t\]"),
        (lambda: otsu_span(np.zeros(0)), "empty"),
        (lambda: otsu_span(np.array([math.nan])), "finite"),
        (lambda: temporal_iou((2, 1), (0, 1)), "start <= end"),
        (lambda: temporal_iou((0, 1), (0, math.inf)), "start <= end"),
        (lambda: intersection_over_prediction((0, math.nan), (0, 1)), "start <= end"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
