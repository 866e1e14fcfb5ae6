import math

import numpy as np
import pytest
import reference_steps
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from motion_cases import flow_of, slow_neighbour, uniform

from tam_video.tam import rank_gaussian_filter, rank_volume
from tam_video.tam.rank_volume import rank_volume_filter, separable_rank_filter

ANY = st.floats(0, float(np.finfo(np.float32).max), width=32)
UNIT = st.one_of(st.sampled_from([0.0, 1.0, 0.5]), st.floats(2.0**-10, 1, width=32))
SHAPES = st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
SIDES = st.sampled_from([1, 3, 5])


def slow_weighted_mean(pairs):
    """Mean of (value, count) by a Gaussian over the ranks of the counted values."""
    pairs = sorted((float(value), count) for value, count in pairs)
    mass = math.fsum(count for _, count in pairs)
    mean = math.fsum(value * count for value, count in pairs) / mass
    variance = math.fsum(count * (value - mean) ** 2 for value, count in pairs) / mass
    places, before = [], 0.0
    for _, count in pairs:
        places.append((before + count / 2 - mass / 2) ** 2)
        before += count
    # The nearest rank weighs 1: a factor that the normalisation takes away again.
    beyond = [place - min(places) for place in places]
    if variance == 0:
        return pairs[len(pairs) // 2][0]
    ratio = mean**2 / (2 * variance)
    weights = [
        count * math.exp(-place * ratio) for (_, count), place in zip(pairs, beyond, strict=True)
    ]
    found = math.fsum(w * value for w, (value, _) in zip(weights, pairs, strict=True))
    return found / math.fsum(weights)


def slow_volume_filter(planes, *, slots, size, slot_weight=1.0, flow=None, cuts=None):
    """[t, h, w], one window at a time; missing values are not in the window at all."""
    num_slots, height, width = planes.shape
    flow = uniform(planes.shape, (0, 0)) if flow is None else flow
    cuts = np.zeros(num_slots - 1, bool) if cuts is None else cuts
    filtered = np.zeros_like(planes)
    border = size // 2
    for slot, row, column in np.ndindex(planes.shape):
        pairs = []
        for distance in range(-(slots // 2), slots // 2 + 1):
            for dy in range(-border, border + 1):
                for dx in range(-border, border + 1):
                    cell = (
                        reference_steps.reflected(row + dy, height),
                        reference_steps.reflected(column + dx, width),
                    )
                    value = (
                        planes[(slot, *cell)]
                        if distance == 0
                        else slow_neighbour(
                            lambda k: planes[k],
                            flow,
                            cuts,
                            slot=slot,
                            cell=cell,
                            distance=distance,
                        )
                    )
                    if value is not None:
                        pairs.append((value, slot_weight ** abs(distance)))
        filtered[slot, row, column] = slow_weighted_mean(pairs)
    return filtered


@given(st.data(), SHAPES, SIDES, st.sampled_from([1, 3]), st.sampled_from([1.0, 0.5]))
@settings(deadline=None, max_examples=30)
def test_filter_equals_reference_implementation(data, shape, slots, size, slot_weight):
    maps = data.draw(hnp.arrays(np.float32, shape, elements=UNIT))
    cuts = data.draw(hnp.arrays(np.bool_, shape[1] - 1))

    got = rank_volume_filter(maps, slots=slots, size=size, slot_weight=slot_weight, cuts=cuts)

    options = {"slots": slots, "size": size, "slot_weight": slot_weight, "cuts": cuts}
    expected = [slow_volume_filter(planes, **options) for planes in maps]
    np.testing.assert_allclose(got, expected, atol=2e-6)


@given(st.integers(0, 10**6), SHAPES, st.sampled_from([1, 3]), st.sampled_from([1.0, 0.7]))
@settings(deadline=None, max_examples=15)
def test_aligned_filter_equals_reference_implementation(seed, shape, size, slot_weight):
    rng = np.random.default_rng(seed)
    maps = rng.random(shape, dtype=np.float32)
    forward, backward = rng.integers(-9, 10, (2, shape[1] - 1, *shape[2:], 2)) / 8
    flow = flow_of(forward, backward, rng.random(shape[2:]) < 0.8)

    got = rank_volume_filter(maps, slots=3, size=size, slot_weight=slot_weight, flow=flow)

    options = {"slots": 3, "size": size, "slot_weight": slot_weight, "flow": flow}
    expected = [slow_volume_filter(planes, **options) for planes in maps]
    np.testing.assert_allclose(got, expected, atol=1e-5)


@given(st.data(), SHAPES, SIDES)
@settings(deadline=None, max_examples=30)
def test_one_slot_is_the_filter_of_a_slot_exactly(data, shape, size):
    maps = data.draw(hnp.arrays(np.float32, shape, elements=UNIT))
    all_cut = np.ones(shape[1] - 1, dtype=bool)

    expected = rank_gaussian_filter(maps, size=size)

    np.testing.assert_array_equal(rank_volume_filter(maps, slots=1, size=size), expected)
    np.testing.assert_array_equal(rank_volume_filter(maps, size=size, cuts=all_cut), expected)
    np.testing.assert_array_equal(rank_volume_filter(maps[:, :1], size=size), expected[:, :1])


@given(ANY, SHAPES, SIDES, st.sampled_from([1.0, 0.3]))
@settings(deadline=None, max_examples=30)
def test_constant_maps_come_back_unchanged(value, shape, slots, slot_weight):
    maps = np.full(shape, value, dtype=np.float32)

    got = rank_volume_filter(maps, slots=slots, slot_weight=slot_weight)

    np.testing.assert_array_equal(got, maps)
    np.testing.assert_array_equal(separable_rank_filter(maps, slots=slots), maps)


@given(st.data(), SHAPES, st.floats(-3, 3, width=32), st.sampled_from([1.0, 1e-3]))
@settings(deadline=None, max_examples=30)
def test_no_finite_map_gives_nan_or_leaves_its_range(data, shape, step, slot_weight):
    maps = data.draw(hnp.arrays(np.float32, shape, elements=ANY))
    flow = uniform(shape[1:], (step, -step))

    for rank in (rank_volume_filter, separable_rank_filter):
        got = rank(maps, flow=flow, slot_weight=slot_weight)
        assert got.dtype == np.float32
        assert (got >= maps.min()).all()
        assert (got <= maps.max()).all()


@given(hnp.arrays(np.float32, (2, 3, 2, 3), elements=UNIT))
@settings(deadline=None, max_examples=20)
def test_weights_near_one_give_the_plain_filter_and_near_zero_one_slot_alone(maps):
    near_one = rank_volume_filter(maps, slot_weight=1 - 1e-15)
    near_zero = rank_volume_filter(maps, slot_weight=1e-12)

    np.testing.assert_allclose(near_one, rank_volume_filter(maps), atol=1e-6)
    np.testing.assert_allclose(near_zero, rank_gaussian_filter(maps), atol=1e-4)


def test_weights_do_not_ask_in_which_order_equal_values_come():
    maps = np.array([[0, 1, 1, 0], [1, 1, 1, 0], [1, 0, 1, 1]], np.float32).reshape(1, 3, 2, 2)

    got = rank_volume_filter(maps, slot_weight=0.5)

    turned = rank_volume_filter(maps[:, ::-1, ::-1, ::-1], slot_weight=0.5)
    np.testing.assert_allclose(turned[:, ::-1, ::-1, ::-1], got, atol=1e-6)


def test_separable_is_one_filter_after_the_other():
    maps = np.random.default_rng(0).random((2, 4, 5, 6), dtype=np.float32)

    got = separable_rank_filter(maps, slots=3, size=5)

    rows = rank_gaussian_filter(maps, size=5)
    expected = [slow_volume_filter(planes, slots=3, size=1) for planes in rows]
    np.testing.assert_allclose(got, expected, atol=2e-6)


def test_a_cut_leaks_nothing():
    maps = np.zeros((1, 6, 4, 5), np.float32)
    maps[0, 3:] = 1 + np.random.default_rng(0).random((3, 4, 5))
    cuts = np.array([False, False, True, False, False])

    leaky = rank_volume_filter(maps, slots=5)
    for rank in (rank_volume_filter, separable_rank_filter):
        got = rank(maps, slots=5, cuts=cuts)

        assert (got[:, :3] == 0).all()
        np.testing.assert_array_equal(got[:, 3:], rank(maps[:, 3:], slots=5))
    assert (leaky[:, 2] > 0).all()


def test_a_flash_of_one_slot_is_removed_and_a_lasting_object_kept():
    maps = np.zeros((2, 5, 9, 9), np.float32)
    maps[0, 2, 2:7, 2:7] = 1
    maps[1, :, 2:7, 2:7] = 0.7

    got = rank_volume_filter(maps)

    assert got[0].max() < 0.2
    np.testing.assert_array_equal(got[1, :, 3:6, 3:6], np.float32(0.7))


@pytest.mark.parametrize("bound", ["_VALUES_PER_BLOCK", "_NEIGHBOUR_VALUES"])
def test_blocks_leave_no_seam(monkeypatch, bound):
    maps = np.random.default_rng(0).random((3, 3, 5, 7), dtype=np.float32)
    flow = uniform((3, 5, 7), (0.4, 1.2))
    whole = rank_volume_filter(maps, flow=flow)

    monkeypatch.setattr(rank_volume, bound, 400)

    np.testing.assert_array_equal(rank_volume_filter(maps, flow=flow), whole)


def test_no_tokens_give_no_maps():
    assert rank_volume_filter(np.zeros((0, 2, 3, 4), np.float32)).shape == (0, 2, 3, 4)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2, 3, 3), {}),
        ((1, 2, 0, 3), {}),
        ((1, 2, 3, 3), {"slots": 2}),
        ((1, 2, 3, 3), {"slots": -1}),
        ((1, 2, 3, 3), {"size": 4}),
        ((1, 2, 3, 3), {"slot_weight": 0.0}),
        ((1, 2, 3, 3), {"slot_weight": 1.5}),
        ((1, 2, 3, 3), {"cuts": np.zeros(3, bool)}),
    ],
)
@pytest.mark.parametrize("rank", [rank_volume_filter, separable_rank_filter])
def test_wrong_arguments_are_refused(rank, shape, options):
    with pytest.raises(ValueError, match=r"maps|odd|slot_weight|cuts"):
        rank(np.zeros(shape, np.float32), **options)
