import math

import numpy as np
import pytest
import reference_steps
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from motion_cases import (
    flow_of,
    layout_of,
    motion_of,
    moving_square,
    slow_neighbour,
    uniform,
)

from benchmarks.variants import rank_volume
from tam_video.tam import rank_gaussian_filter, temporal
from tam_video.tam.motion import grid_flow

ANY = st.floats(0, float(np.finfo(np.float32).max), width=32)
UNIT = st.one_of(st.sampled_from([0.0, 1.0, 0.5]), st.floats(2.0**-10, 1, width=32))
SHAPES = st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
SIDES = st.sampled_from([1, 3, 5])


def rank_volume_filter(maps, *, flow=None, cuts=None, **options):
    """The filter along a flow of 0, or a given one."""
    return rank_volume.rank_volume_filter(maps, motion_of(maps.shape[1:], flow, cuts), **options)


def slow_weighted_mean(values):
    """Mean of sorted values by a Gaussian over their ranks."""
    values = sorted(map(float, values))
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / len(values)
    if variance == 0:
        return values[len(values) // 2]
    ranks = [(k - (len(values) - 1) / 2) ** 2 for k in range(len(values))]
    # The nearest rank weighs 1: a factor that the normalisation removes again.
    ratio = mean**2 / (2 * variance)
    weights = [math.exp(-(rank - min(ranks)) * ratio) for rank in ranks]
    return math.fsum(w * v for w, v in zip(weights, values, strict=True)) / math.fsum(weights)


def slow_volume_filter(planes, *, slots, size, flow=None, cuts=None):
    """[t, h, w], one window at a time; missing values are not in the window at all."""
    num_slots, height, width = planes.shape
    flow = uniform(planes.shape, (0, 0)) if flow is None else flow
    cuts = np.zeros(num_slots - 1, bool) if cuts is None else cuts
    filtered = np.zeros_like(planes)
    border = size // 2
    for slot, row, column in np.ndindex(planes.shape):
        values = []
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
                            limit=1.0,
                        )
                    )
                    if value is not None:
                        values.append(value)
        filtered[slot, row, column] = slow_weighted_mean(values)
    return filtered


@given(st.data(), SHAPES, SIDES, st.sampled_from([1, 3]))
@settings(deadline=None, max_examples=30)
def test_filter_equals_reference_implementation(data, shape, slots, size):
    maps = data.draw(hnp.arrays(np.float32, shape, elements=UNIT))
    cuts = data.draw(hnp.arrays(np.bool_, shape[1] - 1))

    got = rank_volume_filter(maps, slots=slots, size=size, cuts=cuts)

    options = {"slots": slots, "size": size, "cuts": cuts}
    expected = [slow_volume_filter(planes, **options) for planes in maps]
    np.testing.assert_allclose(got, expected, atol=2e-6)


@given(st.integers(0, 10**6), SHAPES, st.sampled_from([1, 3]))
@settings(deadline=None, max_examples=15)
def test_aligned_filter_equals_reference_implementation(seed, shape, size):
    rng = np.random.default_rng(seed)
    maps = rng.random(shape, dtype=np.float32)
    forward, backward = rng.integers(-9, 10, (2, shape[1] - 1, *shape[2:], 2)) / 8
    flow = flow_of(forward, backward, rng.random(shape[2:]) < 0.8)

    got = rank_volume_filter(maps, slots=3, size=size, flow=flow)

    options = {"slots": 3, "size": size, "flow": flow}
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


@given(ANY, SHAPES, SIDES)
@settings(deadline=None, max_examples=30)
def test_constant_maps_come_back_unchanged(value, shape, slots):
    maps = np.full(shape, value, dtype=np.float32)

    got = rank_volume_filter(maps, slots=slots)

    np.testing.assert_array_equal(got, maps)


@given(st.data(), SHAPES, st.floats(-3, 3, width=32))
@settings(deadline=None, max_examples=30)
def test_no_finite_map_gives_nan_or_leaves_its_range(data, shape, step):
    maps = data.draw(hnp.arrays(np.float32, shape, elements=ANY))
    flow = uniform(shape[1:], (step, -step))

    got = rank_volume_filter(maps, flow=flow)

    assert got.dtype == np.float32
    assert (got >= maps.min()).all()
    assert (got <= maps.max()).all()


def test_a_cut_leaks_nothing():
    maps = np.zeros((1, 6, 4, 5), np.float32)
    maps[0, 3:] = 1 + np.random.default_rng(0).random((3, 4, 5))
    cuts = np.array([False, False, True, False, False])

    leaky = rank_volume_filter(maps, slots=5)
    got = rank_volume_filter(maps, slots=5, cuts=cuts)

    assert (got[:, :3] == 0).all()
    np.testing.assert_array_equal(got[:, 3:], rank_volume_filter(maps[:, 3:], slots=5))
    assert (leaky[:, 2] > 0).all()


def test_a_flash_of_one_slot_is_removed_and_a_lasting_object_kept():
    maps = np.zeros((2, 5, 9, 9), np.float32)
    maps[0, 2, 2:7, 2:7] = 1
    maps[1, :, 2:7, 2:7] = 0.7

    got = rank_volume_filter(maps)

    assert got[0].max() < 0.2
    np.testing.assert_array_equal(got[1, :, 3:6, 3:6], np.float32(0.7))


@pytest.mark.parametrize(
    ("module", "bound"), [(rank_volume, "_VALUES_PER_BLOCK"), (temporal, "_NEIGHBOUR_VALUES")]
)
def test_blocks_leave_no_seam(monkeypatch, module, bound):
    maps = np.random.default_rng(0).random((3, 3, 5, 7), dtype=np.float32)
    flow = uniform((3, 5, 7), (0.4, 1.2))
    whole = rank_volume_filter(maps, flow=flow)

    monkeypatch.setattr(module, bound, 400)

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
    ],
)
def test_wrong_arguments_are_refused(shape, options):
    with pytest.raises(ValueError, match=r"maps|odd"):
        rank_volume.rank_volume_filter(np.zeros(shape, np.float32), motion_of((2, 3, 3)), **options)


def overlap(maps, truth):
    """IoU of the cells above a half, and share of the truth's energy that is left inside it."""
    above, true = maps > 0.5, truth > 0.5
    return (above & true).sum() / (above | true).sum(), maps[true].sum() / truth[true].sum()


@pytest.mark.parametrize("slots", [3, 5])
def test_a_moving_square_is_erased_in_place_and_kept_along_its_motion(slots):
    frames, truth = moving_square()
    rng = np.random.default_rng(0)
    noisy = truth + 0.1 * rng.random(truth.shape, dtype=np.float32)
    flow = grid_flow(frames, layout_of(6, grid=truth.shape[2:]))

    plain = overlap(rank_volume_filter(noisy, slots=slots), truth)
    aligned = overlap(
        rank_volume_filter(noisy, slots=slots, flow=flow, tolerance_cells=None), truth
    )
    checked = overlap(rank_volume_filter(noisy, slots=slots, flow=flow), truth)
    lone_iou, _ = overlap(rank_gaussian_filter(noisy), truth)

    assert checked[0] >= lone_iou
    assert plain[0] < 0.25
    assert plain[1] < 0.4
    assert aligned[0] >= lone_iou - 0.1
    assert aligned[0] > 2 * plain[0]
    assert aligned[1] > 1.5 * plain[1]
