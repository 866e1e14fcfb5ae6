import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from motion_cases import flow_of, layout_of, motion_of, moving_square, texture, uniform

from tam_video.tam import temporal
from tam_video.tam.motion import SlotMotion, grid_flow, scene_cuts
from tam_video.tam.temporal import aligned_neighbours, temporal_gaussian

UNIT = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1, width=32))
SHAPES = st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3))


def slow_gaussian(series, *, sigma, cuts):
    """One cell over time."""
    smooth = []
    for s in range(len(series)):
        total = mass = 0.0
        for k in range(len(series)):
            if any(cuts[min(s, k) : max(s, k)]) or abs(s - k) > 3 * sigma:
                continue
            weight = math.exp(-(((s - k) / sigma) ** 2) / 2)
            total += weight * series[k]
            mass += weight
        smooth.append(total / mass)
    return smooth


def overlap(maps, truth):
    """IoU of the cells above a half, and share of the truth's energy that is left inside it."""
    above, true = maps > 0.5, truth > 0.5
    return (above & true).sum() / (above | true).sum(), maps[true].sum() / truth[true].sum()


def test_the_gaussian_follows_the_motion():
    frames, truth = moving_square()
    flow = grid_flow(frames, layout_of(6, grid=truth.shape[2:]))

    plain = overlap(temporal_gaussian(truth, motion_of(flow.shape), sigma_slots=1), truth)
    aligned = overlap(temporal_gaussian(truth, motion_of(flow.shape, flow), sigma_slots=1), truth)

    assert plain[1] < 0.5
    assert aligned[0] > 0.7
    assert aligned[1] > 0.75


def test_a_detected_cut_separates_two_scenes():
    first, maps = moving_square()
    frames = np.concatenate([first, np.stack([texture(7, *first.shape[1:3]) // 3 + 160] * 6)])
    maps = np.concatenate([maps, np.zeros_like(maps)], axis=1)
    layout = layout_of(12, grid=maps.shape[2:])
    motion = SlotMotion(grid_flow(frames, layout), scene_cuts(frames, layout))

    got = temporal_gaussian(maps, motion, sigma_slots=1)

    assert np.flatnonzero(motion.cuts).tolist() == [5]
    assert (got[:, 6:] == 0).all()


@given(st.data(), SHAPES, st.floats(0.1, 4))
@settings(deadline=None, max_examples=30)
def test_gaussian_equals_reference_implementation(data, shape, sigma):
    maps = data.draw(hnp.arrays(np.float32, shape, elements=UNIT))
    cuts = data.draw(hnp.arrays(np.bool_, shape[1] - 1))

    got = temporal_gaussian(maps, motion_of(shape[1:], cuts=cuts), sigma_slots=sigma)

    for m, row, column in np.ndindex(shape[0], *shape[2:]):
        expected = slow_gaussian(maps[m, :, row, column], sigma=sigma, cuts=cuts)
        np.testing.assert_allclose(got[m, :, row, column], expected, atol=1e-5)


@given(st.data(), SHAPES, st.floats(0, 3), st.floats(-2, 2, width=32))
@settings(deadline=None, max_examples=30)
def test_gaussian_stays_in_range_and_keeps_constants(data, shape, sigma, step):
    maps = data.draw(hnp.arrays(np.float32, shape, elements=UNIT))
    motion = motion_of(shape[1:], uniform(shape[1:], (step, step)))

    got = temporal_gaussian(maps, motion, sigma_slots=sigma)
    constant = temporal_gaussian(np.full_like(maps, 0.3), motion, sigma_slots=sigma)

    assert got.dtype == np.float32
    assert (got >= maps.min()).all()
    assert (got <= maps.max()).all()
    np.testing.assert_array_equal(constant, np.float32(0.3))


@pytest.mark.parametrize("sigma", [0, 1e-300, 0.3])
def test_a_gaussian_that_reaches_no_neighbour_changes_nothing(sigma):
    maps = np.random.default_rng(0).random((2, 4, 3, 3), dtype=np.float32)
    crossed = motion_of((4, 3, 3), uniform((4, 3, 3), (0, 1)))

    np.testing.assert_array_equal(temporal_gaussian(maps, crossed, sigma_slots=sigma), maps)


def test_one_slot_has_no_neighbour():
    maps = np.random.default_rng(0).random((2, 1, 3, 3), dtype=np.float32)

    np.testing.assert_array_equal(
        temporal_gaussian(maps, motion_of((1, 3, 3)), sigma_slots=2), maps
    )


def test_blocks_of_tokens_leave_no_seam(monkeypatch):
    maps = np.random.default_rng(0).random((3, 3, 5, 7), dtype=np.float32)
    motion = motion_of((3, 5, 7), uniform((3, 5, 7), (0.4, 1.2)))
    whole = temporal_gaussian(maps, motion, sigma_slots=1)

    monkeypatch.setattr(temporal, "_NEIGHBOUR_VALUES", 400)

    np.testing.assert_array_equal(temporal_gaussian(maps, motion, sigma_slots=1), whole)


@pytest.mark.parametrize(
    ("shape", "sigma"),
    [
        ((2, 3, 3), 1),
        ((1, 1, 2, 3, 3), 1),
        ((1, 2, 0, 3), 1),
        ((1, 2, 3, 3), -1),
        ((1, 2, 3, 3), math.nan),
        ((1, 2, 3, 3), math.inf),
        ((1, 3, 3, 3), 1),
    ],
)
def test_wrong_arguments_are_refused(shape, sigma):
    with pytest.raises(ValueError, match=r"maps|sigma"):
        temporal_gaussian(np.zeros(shape, np.float32), motion_of((2, 3, 3)), sigma_slots=sigma)


@pytest.mark.parametrize(("error", "is_lost"), [(0.5, False), (1.0, False), (1.25, True)])
def test_content_is_lost_where_the_two_ways_differ_by_more_than_a_cell(error, is_lost):
    shape = (2, 1, 5)
    flow = flow_of(np.zeros((1, 1, 5, 2)), np.broadcast_to(np.float32((0, error)), (1, 1, 5, 2)))
    motion = motion_of(shape, flow)
    maps = np.zeros((1, *shape), np.float32)
    maps[0, 1, 0, 2] = 1.0

    _, present = aligned_neighbours(maps, motion, 1)
    smooth = temporal_gaussian(maps, motion, sigma_slots=1)

    assert present[2, 0, 0, 2] == (not is_lost)
    weight = math.exp(-0.5)
    assert smooth[0, 0, 0, 2] == pytest.approx(0 if is_lost else weight / (1 + weight))


def test_blocks_hold_as_many_tokens_as_fit(monkeypatch):
    monkeypatch.setattr(temporal, "_NEIGHBOUR_VALUES", 100)
    shape = (5, 2, 1, 5)

    assert list(temporal.token_blocks(shape, 3)) == [slice(0, 3), slice(3, 6)]
    assert list(temporal.token_blocks(shape, 5)) == [slice(0, 2), slice(2, 4), slice(4, 6)]
    assert list(temporal.token_blocks(shape, 20)) == [slice(k, k + 1) for k in range(5)]
