import math
from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.filters import threshold_otsu
from sklearn.metrics import jaccard_score, roc_auc_score

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

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))
# Few levels, so that ties are common; eighths, so that sums are exact.
LEVELS = st.integers(0, 8).map(lambda level: level / 8)
ANY = st.floats(-(2.0**100), 2.0**100, width=32)
MASKED = [volume_iou, pointing_hit, auc, energy_inside]


@st.composite
def cases(draw, elements=LEVELS):
    shape = draw(SHAPES)
    return draw(hnp.arrays(np.float32, shape, elements=elements)), draw(hnp.arrays(bool, shape))


def slow_otsu(values):
    """Every cut in exact fractions: the lowest of those with the largest variance."""
    numbers = [Fraction(float(value)) for value in np.ravel(values)]
    best, chosen = Fraction(0), numbers[0]
    for cut in sorted(set(numbers))[:-1]:
        lower = [number for number in numbers if number <= cut]
        upper = [number for number in numbers if number > cut]
        gap = sum(upper) / len(upper) - sum(lower) / len(lower)
        variance = len(lower) * len(upper) * gap**2
        if variance > best:
            best, chosen = variance, cut
    return float(chosen)


def slow_iou(cells, mask):
    threshold = slow_otsu(cells)
    both = either = 0
    for value, inside in zip(cells.ravel(), mask.ravel(), strict=True):
        both += bool(value > threshold and inside)
        either += bool(value > threshold or inside)
    return both / either if either else 1.0


def slow_hit(cells, mask):
    flat = [float(value) for value in cells.ravel()]
    largest = [bool(m) for v, m in zip(flat, mask.ravel(), strict=True) if v == max(flat)]
    return sum(largest) / len(largest) if len(set(flat)) > 1 else 0.0


def slow_auc(cells, mask):
    pairs = [(a > b) + (a == b) / 2 for a in cells[mask] for b in cells[~mask]]
    return sum(map(float, pairs)) / len(pairs) if pairs else math.nan


def slow_energy(cells, mask):
    total = sum(float(value) for value in cells.ravel())
    inside = sum(float(v) for v, m in zip(cells.ravel(), mask.ravel(), strict=True) if m)
    return inside / total if total else 0.0


SLOW = {
    volume_iou: slow_iou,
    pointing_hit: slow_hit,
    auc: slow_auc,
    energy_inside: slow_energy,
}


@given(st.sampled_from(MASKED), cases())
@settings(deadline=None, max_examples=60)
def test_metric_equals_reference_implementation(metric, case):
    np.testing.assert_allclose(metric(*case), SLOW[metric](*case), rtol=1e-12)


@given(hnp.arrays(np.float32, st.integers(1, 12), elements=st.one_of(LEVELS, ANY)))
@settings(deadline=None, max_examples=30)
def test_otsu_parts_as_well_as_any_cut(values):
    threshold = otsu_threshold(values)

    assert threshold in values
    assert values.min() <= threshold
    assert threshold < values.max() or values.min() == values.max()

    def variance(cut):
        lower = [Fraction(float(v)) for v in values if v <= cut]
        upper = [Fraction(float(v)) for v in values if v > cut]
        if not upper:
            return Fraction(0)
        gap = sum(upper) / len(upper) - sum(lower) / len(lower)
        return len(lower) * len(upper) * gap**2

    assert variance(threshold) >= variance(slow_otsu(values)) * Fraction(1 - 1e-9)


@given(hnp.arrays(np.uint8, st.integers(2, 40), elements=st.integers(0, 40)))
@settings(deadline=None, max_examples=30)
def test_otsu_equals_reference_implementation_on_whole_numbers(values):
    assert otsu_threshold(values) == slow_otsu(values)


@pytest.mark.parametrize("seed", range(5))
def test_otsu_equals_scikit_image_and_opencv_on_bytes(seed):
    rng = np.random.default_rng(seed)
    picture = np.concatenate([rng.normal(60, 25, 900), rng.normal(150, 30, 700)])
    picture = picture.clip(0, 255).astype(np.uint8).reshape(40, 40)

    got = otsu_threshold(picture)

    assert got == threshold_otsu(picture)
    assert got == cv2.threshold(picture, 0, 255, cv2.THRESH_OTSU)[0]


def test_otsu_is_what_fine_histograms_tend_to():
    values = np.random.default_rng(0).beta(0.4, 2, 4000)

    expected = threshold_otsu(values, nbins=20_000)

    np.testing.assert_allclose(otsu_threshold(values), expected, atol=2e-3)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.0, np.finfo(np.float32).max])
def test_otsu_of_a_constant_lets_nothing_pass(value):
    values = np.full(7, value, np.float32)

    assert otsu_threshold(values) == np.float32(value)
    assert not (values > otsu_threshold(values)).any()


def test_otsu_takes_the_lowest_of_equal_cuts():
    assert otsu_threshold(np.array([0.0, 0.1, 0.2])) == 0.0
    assert otsu_threshold(np.array([0.0, 1.0])) == 0.0
    # Cut after 0 and after 6 are as good; rounding alone would prefer the second.
    assert otsu_threshold(np.array([0.0, 0, 5, 5, 5, 6, 6, 6, 11, 11])) == 0.0


def test_otsu_of_the_largest_and_smallest_numbers():
    largest = float(np.finfo(np.float64).max)

    assert otsu_threshold(np.array([-largest, largest])) == -largest
    assert otsu_threshold(np.array([0.0, 5e-324])) == 0.0


@given(cases())
@settings(deadline=None, max_examples=15)
def test_volume_iou_equals_scikit_learn(case):
    cells, mask = case
    prediction = cells.ravel() > otsu_threshold(cells)

    expected = jaccard_score(mask.ravel(), prediction, zero_division=1.0)

    np.testing.assert_allclose(volume_iou(cells, mask), expected, rtol=1e-12)


@given(cases(ANY))
@settings(deadline=None, max_examples=15)
def test_auc_equals_scikit_learn(case):
    cells, mask = case
    if mask.any() and not mask.all():
        expected = roc_auc_score(mask.ravel(), cells.ravel())
        np.testing.assert_allclose(auc(cells, mask), expected, rtol=1e-12)


@given(st.sampled_from(MASKED), cases(st.floats(0, float(np.finfo(np.float32).max), width=32)))
@settings(deadline=None, max_examples=30)
def test_metric_is_a_share_or_nan(metric, case):
    got = metric(*case)

    assert math.isnan(got) or 0 <= got <= 1


@given(cases(), st.integers(-10, 10))
@settings(deadline=None, max_examples=20)
def test_metrics_do_not_depend_on_the_scale_of_the_map(case, power):
    cells, mask = case

    for metric in MASKED:
        got = metric(cells * np.float32(2.0**power), mask)
        np.testing.assert_allclose(got, metric(cells, mask), rtol=1e-12)


@given(st.sampled_from(MASKED), st.data(), SHAPES)
@settings(deadline=None, max_examples=30)
def test_finer_mask_is_met_by_the_resized_map(metric, data, shape):
    cells = data.draw(hnp.arrays(np.float32, shape, elements=LEVELS))
    fine = (shape[0], 3 * shape[1], 2 * shape[2])
    mask = data.draw(hnp.arrays(bool, fine))

    got = metric(cells, mask)

    resized = resize_map(cells, fine)
    np.testing.assert_allclose(got, metric(resized, mask), rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_constant_map(value):
    cells = np.full((2, 2, 2), value, np.float32)
    mask = np.zeros((2, 4, 4), bool)
    mask[0, :2, :2] = True

    assert volume_iou(cells, mask) == 0
    assert pointing_hit(cells, mask) == 0
    assert auc(cells, mask) == 0.5
    assert energy_inside(cells, mask) == pytest.approx(4 / 32 if value else 0)
    assert temporal_energy(cells, np.array([True, False])) == pytest.approx(0.5 if value else 0)


def test_empty_and_full_masks():
    cells = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    empty, full = np.zeros((2, 2, 2), bool), np.ones((2, 2, 2), bool)

    assert volume_iou(cells, empty) == 0
    assert volume_iou(np.zeros_like(cells), empty) == 1
    assert pointing_hit(cells, empty) == 0
    assert pointing_hit(cells, full) == 1
    assert math.isnan(auc(cells, empty))
    assert math.isnan(auc(cells, full))
    assert energy_inside(cells, empty) == 0
    assert energy_inside(cells, full) == 1
    assert object_iou(cells[None], full) == WordScore(0.5, 0.5, 0.5)
    assert np.isnan(object_iou(cells[None], empty).mean)


def test_one_threshold_serves_the_whole_volume():
    # The faint slot lies below the threshold of the volume; on its own it would have an object.
    cells = np.zeros((2, 3, 3), np.float32)
    cells[0, 1, 1], cells[1, 1, 1] = 1, 0.1
    mask = np.zeros((2, 3, 3), bool)
    mask[0, 1, 1] = True

    assert volume_iou(cells, mask) == 1


def test_equal_largest_cells_count_by_their_share_on_the_object():
    cells = np.array([[[0.0, 1.0, 1.0, 1.0]]])

    assert pointing_hit(cells, np.array([[[False, True, False, False]]])) == pytest.approx(1 / 3)
    assert pointing_hit(cells, np.array([[[True, True, True, True]]])) == 1
    assert pointing_hit(cells, np.array([[[True, False, False, False]]])) == 0


SIZES = st.tuples(st.integers(1, 23), st.integers(1, 23))
VALUES = st.floats(0, 1, width=32)


@given(st.data(), VALUES, SHAPES, SIZES, st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_constant_map_is_at_chance_after_any_resize(data, value, shape, size, per_slot):
    fine = (per_slot * shape[0], *size)
    mask = data.draw(hnp.arrays(bool, fine))
    mask.flat[0] = True
    # Each frame fed two slots, so that their mean is taken as well.
    frames = [range(per_slot * slot, per_slot * (slot + 1)) for slot in range(shape[0])]
    frame_slots = [[*frames[slot], *frames[slot - 1]] for slot in range(shape[0])]
    resized = resize_map(np.full(shape, value, np.float32), fine, frame_slots=frame_slots)

    got = auc(resized, mask)

    assert got == 0.5 or (math.isnan(got) and mask.all())
    assert pointing_hit(resized, mask) == 0


@given(st.data(), VALUES, VALUES, st.integers(2, 5), SIZES, st.integers(1, 3))
@settings(deadline=None, max_examples=60)
def test_ties_are_ties_after_any_resize(data, low, high, side, size, slots):
    """Pixels between equal cells of a map of two plateaus have one value to the bit."""
    cells = np.full((slots, side, side), np.float32(low))
    cells[:, :, side // 2 :] = np.float32(high)
    height, width = (side * max(1, length // 2) for length in size)

    resized = resize_map(cells, (slots, height, width))

    # Every row and slot is the same, and pixels beyond the outermost centres show their cell.
    np.testing.assert_array_equal(resized, np.broadcast_to(resized[:1, :1], resized.shape))
    edge = max(1, width // side // 2)
    assert (resized[..., :edge] == np.float32(low)).all()
    assert (resized[..., -edge:] == np.float32(high)).all()
    # The mirrored map has the mirrored values.
    mirrored = resize_map(cells[..., ::-1], (slots, height, width))
    np.testing.assert_array_equal(mirrored[..., ::-1], resized)


@pytest.mark.parametrize("seed", range(5))
def test_rounding_of_a_resize_breaks_no_tie(seed):
    """Half of a symmetric map is at chance; `cv2.resize` breaks the ties of mirrored pixels."""
    rng = np.random.default_rng(seed)
    half = rng.random((2, 5, 4), dtype=np.float32)
    cells = np.concatenate([half, half[..., ::-1]], axis=2)
    left = np.zeros((2, 61, 50), bool)
    left[..., :25] = True

    assert auc(cells, left) == 0.5
    assert pointing_hit(cells, left) == 0.5

    noisy = np.stack([cv2.resize(plane, (50, 61)) for plane in cells])
    assert auc(noisy, left) != 0.5


def test_means_of_slots_break_no_tie():
    cells = np.full((3, 2, 2), 0.3, np.float32)
    cells[:, 0, 0] = 0.1
    frame_slots = [[0, 1], [0, 1], [0]]  # three, two slots of equal cells
    mask = np.zeros((2, 2, 2), bool)
    mask[0, 1] = True
    frames = resize_map(cells, mask.shape, frame_slots=frame_slots)

    assert pointing_hit(frames, mask) == pytest.approx(2 / 6)


def test_the_public_resize_is_met_to_rounding():
    cells = np.random.default_rng(0).random((2, 5, 7), dtype=np.float32)

    got = resize_map(cells, (2, 31, 45))

    expected = [cv2.resize(plane, (45, 31), interpolation=cv2.INTER_LINEAR) for plane in cells]
    np.testing.assert_allclose(got, expected, atol=1e-6)


@given(cases(), st.data())
@settings(deadline=None, max_examples=15)
def test_temporal_energy_equals_reference_implementation(case, data):
    cells, _ = case
    slots = data.draw(hnp.arrays(bool, len(cells)))

    expected = slow_energy(cells, np.repeat(slots, cells[0].size).reshape(cells.shape))

    np.testing.assert_allclose(temporal_energy(cells, slots), expected, rtol=1e-12)


@given(st.data(), SHAPES, st.integers(1, 3))
@settings(deadline=None, max_examples=20)
def test_words_equals_reference_implementation(data, shape, count):
    maps = data.draw(hnp.arrays(np.float32, (count, *shape), elements=LEVELS))
    mask = data.draw(hnp.arrays(bool, shape))
    threshold = data.draw(LEVELS)

    def joined(values):
        return values[0], sum(values) / len(values), max(values)

    def parts(score):
        return score.first, score.mean, score.best

    overlap = joined([slow_iou(one, mask) if mask.any() else math.nan for one in maps])
    np.testing.assert_allclose(parts(object_iou(maps, mask)), overlap, rtol=1e-12)
    thresholds = joined([slow_otsu(one) for one in maps])
    np.testing.assert_allclose(parts(object_threshold(maps, shape)), thresholds, rtol=1e-12)
    cold = joined([sum(bool(v < threshold) for v in one.flat) / one.size for one in maps])
    np.testing.assert_allclose(parts(function_iou(maps, threshold)), cold, rtol=1e-12)


def test_function_words_count_cells_strictly_below():
    maps = np.array([0.0, 0.25, 0.5, 1.0], np.float32).reshape(1, 1, 2, 2)

    assert function_iou(maps, 0.5).mean == 0.5
    assert function_iou(np.zeros((1, 1, 2, 2), np.float32), 0.0).mean == 0
    # 0.1 as float32 is a little more than 0.1: not below.
    assert function_iou(np.full((1, 1, 1, 1), 0.1, np.float32), 0.1).mean == 0
    assert function_iou(np.full((1, 1, 1, 1), 0.1, np.float32), 0.1 + 1e-8).mean == 1


@pytest.mark.parametrize(
    ("overlap", "cold", "expected"),
    [(0.2737, 0.6844, 0.3910), (0.2123, 0.5193, 0.3014), (0, 0, 0), (0, 1, 0), (1, 1, 1)],
)
def test_f1_of_the_published_figures(overlap, cold, expected):
    assert f1_iou(overlap, cold) == pytest.approx(expected, abs=1e-4)
    assert math.isnan(f1_iou(math.nan, 0.5))


MAP = np.zeros((2, 3, 4), np.float32)
MASK = np.zeros((2, 3, 4), bool)


@pytest.mark.parametrize("metric", MASKED)
@pytest.mark.parametrize(
    ("cells", "mask", "message"),
    [
        (MAP[0], MASK, r"\[t, h, w\]"),
        (MAP, MASK[0], r"\[T, H, W\]"),
        (MAP, MASK[:1], "frame_slots"),
        (MAP, MASK.astype(np.uint8), "bool"),
        (MAP + np.nan, MASK, "finite"),
        (MAP - np.inf, MASK, "finite"),
    ],
)
def test_wrong_map_or_mask_is_refused(metric, cells, mask, message):
    with pytest.raises(ValueError, match=message):
        metric(cells, mask)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: otsu_threshold(np.zeros(0)), "empty"),
        (lambda: otsu_threshold(np.array([0, np.nan])), "finite"),
        (lambda: energy_inside(MAP - 1, MASK), "negative"),
        (lambda: temporal_energy(MAP - 1, np.ones(2, bool)), "negative"),
        (lambda: temporal_energy(MAP, np.ones(3, bool)), r"\[2\]"),
        (lambda: temporal_energy(MAP, np.ones(2)), "bool"),
        (lambda: object_iou(MAP, MASK), r"\[sub-tokens, t, h, w\]"),
        (lambda: object_iou(MAP[None][:0], MASK), r"\[sub-tokens, t, h, w\]"),
        (lambda: object_threshold(MAP, MAP.shape), r"\[sub-tokens, t, h, w\]"),
        (lambda: function_iou(MAP, 0.5), r"\[sub-tokens, t, h, w\]"),
        (lambda: function_iou(MAP[None], math.nan), "threshold"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
