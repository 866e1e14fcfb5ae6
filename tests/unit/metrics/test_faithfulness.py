import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn import metrics as sklearn_metrics

from tam_video.metrics.faithfulness import (
    average_minimal_correction,
    cell_order,
    correction_success_rate,
    curve_auc,
    flip_area,
    linear_datamodeling_score,
    masked_steps,
    measure,
    random_keep_masks,
    rank_correlation,
)

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
KINDS = st.sampled_from(["joint", "spatial", "slot"])
MODES = st.sampled_from(["deletion", "insertion"])
# Few levels, so that ties are common; eighths, so that sums are exact.
LEVELS = st.integers(0, 8).map(lambda level: level / 8)
MAPS = SHAPES.flatmap(lambda shape: hnp.arrays(np.float32, shape, elements=LEVELS))
SCORES = hnp.arrays(np.float64, st.integers(2, 12), elements=st.floats(0, 1))


def insertion_deletion(cells, scorer, *, blurred_scorer, steps=20, kind="joint", batch_size=8):
    """Both curves as the evaluation measures them."""
    order = cell_order(cells, kind=kind)
    return tuple(
        measure(
            each,
            masked_steps(order, cells.shape, steps=steps, mode=mode),
            batch_size=batch_size,
        )
        for mode, each in (("insertion", blurred_scorer), ("deletion", scorer))
    )


def slow_order(cells, kind):
    slots, rows, columns = cells.shape
    units = {}
    for slot in range(slots):
        for row in range(rows):
            for column in range(columns):
                number = (slot * rows + row) * columns + column
                unit = {"joint": number, "spatial": row * columns + column, "slot": slot}[kind]
                units.setdefault(unit, []).append(number)
    flat = [float(value) for value in cells.ravel()]
    chosen = sorted(units, key=lambda unit: (-sum(flat[n] for n in units[unit]), unit))
    return [units[unit] for unit in chosen]


def slow_masks(order, shape, steps, mode):
    masks = []
    for step in range(steps + 1):
        taken = {n for unit in order[: step * len(order) // steps] for n in unit}
        kept = [(n in taken) == (mode == "insertion") for n in range(math.prod(shape))]
        masks.append(np.array(kept).reshape(shape))
    return np.array(masks)


def slow_spearman(first, second):
    def ranks(values):
        below = [sum(other < value for other in values) for value in values]
        same = [sum(other == value for other in values) for value in values]
        return [b + (s + 1) / 2 for b, s in zip(below, same, strict=True)]

    ours, theirs = ranks(list(np.ravel(first))), ranks(list(np.ravel(second)))
    centre = sum(ours) / len(ours)
    product = sum((a - centre) * (b - centre) for a, b in zip(ours, theirs, strict=True))
    norm = sum((a - centre) ** 2 for a in ours) * sum((b - centre) ** 2 for b in theirs)
    return product / math.sqrt(norm) if norm else math.nan


class Additive:
    """A model whose probability is the summed worth of the cells that it sees."""

    def __init__(self, worth, floor=0.0):
        self.worth = worth
        self.floor = floor
        self.batches = []

    def __call__(self, keep, /):
        self.batches.append(len(keep))
        return self.floor + np.where(keep, self.worth, 0).sum(axis=(1, 2, 3))


@given(SCORES)
@settings(deadline=None, max_examples=30)
def test_curve_area_equals_reference_implementation_and_scikit_learn(scores):
    steps = len(scores) - 1

    got = curve_auc(scores)

    trapezia = [(scores[k] + scores[k + 1]) / 2 / steps for k in range(steps)]
    np.testing.assert_allclose(got, sum(trapezia), atol=1e-12)
    theirs = sklearn_metrics.auc(np.linspace(0, 1, steps + 1), scores)
    np.testing.assert_allclose(got, theirs, atol=1e-12)
    assert scores.min() - 1e-12 <= got <= scores.max() + 1e-12


def test_curve_area_of_known_curves():
    assert curve_auc(np.array([1.0, 1, 1])) == 1
    assert curve_auc(np.array([0.0, 1])) == 0.5
    assert curve_auc(np.array([1.0, 0, 0])) == 0.25


@given(MAPS, KINDS)
@settings(deadline=None, max_examples=40)
def test_order_equals_reference_implementation(cells, kind):
    got = cell_order(cells, kind=kind)

    assert got.dtype == np.int64
    assert got.tolist() == slow_order(cells, kind)


@pytest.mark.parametrize("kind", ["joint", "spatial", "slot"])
def test_order_of_a_constant_map_is_row_major(kind):
    got = cell_order(np.full((2, 2, 3), 0.3, np.float32), kind=kind)

    assert got[:, 0].tolist() == sorted(got[:, 0].tolist())


@given(MAPS, KINDS, MODES, st.integers(1, 30))
@settings(deadline=None, max_examples=40)
def test_masks_equals_reference_implementation(cells, kind, mode, steps):
    order = cell_order(cells, kind=kind)

    got = masked_steps(order, cells.shape, steps=steps, mode=mode)

    assert got.dtype == bool
    np.testing.assert_array_equal(got, slow_masks(order.tolist(), cells.shape, steps, mode))


@given(MAPS, KINDS, st.integers(1, 30))
@settings(deadline=None, max_examples=30)
def test_masks_go_one_way_from_all_to_none(cells, kind, steps):
    order = cell_order(cells, kind=kind)

    left = masked_steps(order, cells.shape, steps=steps, mode="deletion")

    assert left[0].all()
    assert not left[-1].any()
    assert (left[1:] <= left[:-1]).all()
    shown = masked_steps(order, cells.shape, steps=steps, mode="insertion")
    np.testing.assert_array_equal(shown, ~left)


def test_spatial_and_slot_masks_hide_columns_and_slots_whole():
    cells = np.random.default_rng(0).random((3, 2, 4), dtype=np.float32)

    places = masked_steps(cell_order(cells, kind="spatial"), (3, 2, 4), steps=8, mode="deletion")
    slots = masked_steps(cell_order(cells, kind="slot"), (3, 2, 4), steps=3, mode="deletion")

    assert (places == places[:, :1]).all()
    assert (slots == slots[:, :, :1, :1]).all()


@given(st.integers(1, 5), SHAPES, st.floats(0.01, 0.99), st.integers(0, 3))
@settings(deadline=None, max_examples=30)
def test_random_masks_keep_the_same_number_of_cells(num_masks, shape, keep_share, seed):
    if math.prod(shape) < 2:
        return
    got = random_keep_masks(num_masks, shape, keep_share=keep_share, seed=seed)

    assert got.shape == (num_masks, *shape)
    kept = got.sum(axis=(1, 2, 3))
    assert (kept == kept[0]).all()
    assert 0 < kept[0] < math.prod(shape)
    np.testing.assert_array_equal(
        got, random_keep_masks(num_masks, shape, keep_share=keep_share, seed=seed)
    )


def test_random_masks_keep_every_cell_about_as_often():
    got = random_keep_masks(2000, (2, 2, 3), keep_share=0.25)

    np.testing.assert_allclose(got.mean(axis=0), 0.25, atol=0.05)


@given(
    st.integers(1, 12).flatmap(lambda n: st.tuples(*[hnp.arrays(float, n, elements=LEVELS)] * 2))
)
@settings(deadline=None, max_examples=40)
def test_rank_correlation_equals_reference_implementation_and_scipy(pair):
    got = rank_correlation(*pair)

    np.testing.assert_allclose(got, slow_spearman(*pair), atol=1e-12)
    if not math.isnan(got):
        np.testing.assert_allclose(got, stats.spearmanr(*pair).statistic, atol=1e-12)


def test_rank_correlation_of_same_reversed_and_constant():
    values = np.array([0.1, 0.5, 0.2])

    assert rank_correlation(values, values**3) == 1
    assert rank_correlation(values, -values) == -1
    assert math.isnan(rank_correlation(values, np.ones(3)))


@given(st.data(), MAPS, st.integers(2, 10))
@settings(deadline=None, max_examples=30)
def test_datamodeling_score_equals_reference_implementation(data, cells, num_masks):
    keep = data.draw(hnp.arrays(bool, (num_masks, *cells.shape)))
    measured = data.draw(hnp.arrays(float, num_masks, elements=LEVELS))

    got = linear_datamodeling_score(keep, cells, measured)

    sums = [sum(float(v) for v, k in zip(cells.flat, mask.flat, strict=True) if k) for mask in keep]
    np.testing.assert_allclose(got, slow_spearman(sums, measured), atol=1e-12)


def test_datamodeling_score_knows_right_wrong_and_constant_maps():
    worth = np.random.default_rng(0).random((2, 3, 4))
    keep = random_keep_masks(60, worth.shape)
    measured = Additive(worth)(keep)

    assert linear_datamodeling_score(keep, worth, measured) == pytest.approx(1)
    assert linear_datamodeling_score(keep, -worth, measured) == pytest.approx(-1)
    flipped = worth[::-1, ::-1, ::-1]
    assert abs(linear_datamodeling_score(keep, flipped, measured)) < 0.6
    # Every mask keeps as many cells: a constant map predicts the same for all of them.
    assert math.isnan(linear_datamodeling_score(keep, np.full_like(worth, 0.25), measured))


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=10))
@settings(deadline=None, max_examples=30)
def test_flip_area_equals_reference_implementation(steps):
    flipped, areas = zip(*steps, strict=True)

    got = flip_area(np.array(flipped), np.array(areas))

    assert got == min([area for hit, area in steps if hit], default=1.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10), st.floats(0, 0.99))
@settings(deadline=None, max_examples=30)
def test_correction_figures_equals_reference_implementation(areas, budget):
    measured = np.array(areas)

    assert average_minimal_correction(measured) == pytest.approx(sum(areas) / len(areas))
    within = sum(area <= budget for area in areas) / len(areas)
    assert correction_success_rate(measured, budget=budget) == pytest.approx(within)


def test_answers_that_never_flip_stay_in_every_denominator():
    never = flip_area(np.array([False, False]), np.array([0.0, 1.0]))
    areas = np.array([0.1, 0.3, never, never])

    assert average_minimal_correction(areas) == pytest.approx(0.6)
    assert correction_success_rate(areas) == 0.25


@given(st.data(), MAPS, KINDS, st.integers(1, 8), st.integers(1, 5))
@settings(deadline=None, max_examples=30)
def test_insertion_and_deletion_equals_reference_implementation(
    data, cells, kind, steps, batch_size
):
    worth = data.draw(hnp.arrays(np.float64, cells.shape, elements=LEVELS))
    blank, blurred = Additive(worth), Additive(worth, floor=0.25)

    insertion, deletion = insertion_deletion(
        cells, blank, blurred_scorer=blurred, steps=steps, kind=kind, batch_size=batch_size
    )

    order, total = slow_order(cells, kind), float(worth.sum())
    shown = [
        sum(float(worth.flat[n]) for unit in order[: k * len(order) // steps] for n in unit)
        for k in range(steps + 1)
    ]
    np.testing.assert_allclose(insertion, [0.25 + value for value in shown], atol=1e-12)
    np.testing.assert_allclose(deletion, [total - value for value in shown], atol=1e-12)
    assert max(blank.batches) <= batch_size
    assert sum(blank.batches) == sum(blurred.batches) == steps + 1


def test_no_map_beats_the_true_one():
    rng = np.random.default_rng(0)
    worth = rng.random((2, 3, 4))
    worth /= worth.sum()
    model = Additive(worth)

    def areas(cells):
        curves = insertion_deletion(cells, model, blurred_scorer=model, steps=24)
        return [curve_auc(curve) for curve in curves]

    best, least = areas(worth)
    for _ in range(10):
        insertion, deletion = areas(rng.random((2, 3, 4)))
        assert insertion < best
        assert deletion > least
    insertion, deletion = areas(-worth)
    assert insertion < 0.5 < deletion


MAP = np.zeros((2, 2, 2), np.float32)
KEEP = np.ones((3, 2, 2, 2), bool)
ORDER = np.arange(8)[:, None]


def broken(scores):
    return lambda keep: np.full(len(keep), scores) if np.isscalar(scores) else scores


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: curve_auc(np.ones(1)), "n >= 1"),
        (lambda: curve_auc(np.ones((2, 2))), r"\[n \+ 1\]"),
        (lambda: curve_auc(np.array([0, math.nan])), "finite"),
        (lambda: cell_order(MAP[0]), r"\[t, h, w\]"),
        (lambda: cell_order(MAP + np.nan), "finite"),
        (lambda: cell_order(MAP, kind="time"), "kind"),
        (lambda: masked_steps(ORDER, (2, 2, 2), steps=0, mode="deletion"), "steps"),
        (lambda: masked_steps(ORDER, (2, 2, 2), steps=1, mode="blur"), "mode"),
        (lambda: masked_steps(ORDER, (2, 2, 3), steps=1, mode="deletion"), "once"),
        (lambda: masked_steps(ORDER * 0, (2, 2, 2), steps=1, mode="deletion"), "once"),
        (lambda: masked_steps(ORDER[:, 0], (2, 2, 2), steps=1, mode="deletion"), "units, cells"),
        (lambda: random_keep_masks(0, (1, 1, 2)), "num_masks >= 1"),
        (lambda: random_keep_masks(1, (1, 1, 1)), "2 or more cells"),
        (lambda: random_keep_masks(1, (1, 1, 2), keep_share=1), "keep_share"),
        (lambda: rank_correlation(np.ones(2), np.ones(3)), "shapes"),
        (lambda: rank_correlation(np.ones(2), np.array([0, math.nan])), "finite"),
        (lambda: linear_datamodeling_score(KEEP[:2], MAP, np.zeros(3)), r"\[3, 2, 2, 2\]"),
        (lambda: linear_datamodeling_score(KEEP * 1.0, MAP, np.zeros(3)), "bool"),
        (lambda: linear_datamodeling_score(KEEP, MAP, np.full(3, -math.inf)), "finite"),
        (lambda: flip_area(np.array([True]), np.array([1.5])), "share"),
        (lambda: flip_area(np.array([1]), np.array([0.5])), "bool"),
        (lambda: flip_area(np.array([True]), np.array([0.5, 0.6])), r"\[2\]"),
        (lambda: flip_area(np.ones((1, 1), bool), np.zeros((1, 1))), r"\[n \+ 1\]"),
        (lambda: average_minimal_correction(np.array([0.5, math.nan])), "finite"),
        (lambda: average_minimal_correction(np.zeros(0)), "empty"),
        (lambda: average_minimal_correction(np.zeros((1, 1))), r"\[n\]"),
        (lambda: correction_success_rate(np.array([2.0])), "share"),
        (lambda: correction_success_rate(np.array([1.0]), budget=1), "budget"),
        (lambda: measure(broken(0.5), KEEP[0]), r"\[n, t, h, w\]"),
        (lambda: measure(broken(0.5), KEEP, batch_size=0), "batch_size"),
        (lambda: measure(broken(math.nan), KEEP), "finite"),
        (lambda: measure(broken(np.zeros((3, 1))), KEEP), r"must return scores of shape \[3\]"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
