import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from motion_cases import layout_of, texture, uniform

from tam_video.tam import rank_gaussian_filter
from tam_video.tam.motion import grid_flow, scene_cuts
from tam_video.tam.rank_volume import rank_volume_filter, separable_rank_filter
from tam_video.tam.temporal import TemporalOptions, temporal_filter, temporal_gaussian

ANY = st.floats(0, float(np.finfo(np.float32).max), width=32)
UNIT = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1, width=32))
SHAPES = st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3))


def slow_gaussian(series, times, *, sigma, cuts):
    """One cell over time."""
    smooth = []
    for s in range(len(series)):
        total = mass = 0.0
        for k in range(len(series)):
            if any(cuts[min(s, k) : max(s, k)]) or abs(times[s] - times[k]) > 3 * sigma:
                continue
            weight = math.exp(-(((times[s] - times[k]) / sigma) ** 2) / 2)
            total += weight * series[k]
            mass += weight
        smooth.append(total / mass)
    return smooth


def moving_square(*, slots=6, step=3, grid=(12, 20), cell=16, side=3):
    """Frames of a patterned square before a still texture, and its cells as maps [1, t, h, w]."""
    height, width = grid[0] * cell, grid[1] * cell
    background, square = texture(1, height, width) // 2, 255 - texture(2, height, width) // 2
    frames = np.stack([background] * slots)
    maps = np.zeros((1, slots, *grid), np.float32)
    for slot in range(slots):
        row, column = 4, 1 + step * slot
        rows, columns = slice(row, row + side), slice(column, column + side)
        pixels = np.s_[row * cell : (row + side) * cell, column * cell : (column + side) * cell]
        frames[slot][pixels] = square[: side * cell, : side * cell]
        maps[0, slot, rows, columns] = 1
    return frames, maps


def overlap(maps, truth):
    """IoU of the cells above a half, and share of the truth's energy that is left inside it."""
    found, true = maps > 0.5, truth > 0.5
    return (found & true).sum() / (found | true).sum(), maps[true].sum() / truth[true].sum()


@pytest.mark.parametrize("rank", [rank_volume_filter, separable_rank_filter])
@pytest.mark.parametrize("slots", [3, 5])
def test_a_moving_square_is_erased_in_place_and_kept_along_its_motion(rank, slots):
    frames, truth = moving_square()
    rng = np.random.default_rng(0)
    noisy = truth + 0.1 * rng.random(truth.shape, dtype=np.float32)
    flow = grid_flow(frames, layout_of(6, grid=truth.shape[2:]), method="dis")

    plain_iou, plain_energy = overlap(rank(noisy, slots=slots), truth)
    aligned_iou, aligned_energy = overlap(rank(noisy, slots=slots, flow=flow), truth)
    lone_iou, _ = overlap(rank_gaussian_filter(noisy), truth)

    checked_iou, _ = overlap(rank(noisy, slots=slots, flow=flow, tolerance_cells=1), truth)

    assert checked_iou >= lone_iou
    assert plain_iou < 0.25
    assert plain_energy < 0.4
    assert aligned_iou >= lone_iou - 0.1
    assert aligned_iou > 2 * plain_iou
    assert aligned_energy > 1.5 * plain_energy


def test_a_gentle_weight_keeps_more_of_a_moving_square():
    _, truth = moving_square()

    plain = overlap(rank_volume_filter(truth), truth)
    gentle = overlap(rank_volume_filter(truth, slot_weight=0.2), truth)

    assert gentle[1] > 1.3 * plain[1]


def test_the_gaussian_follows_the_motion():
    frames, truth = moving_square()
    flow = grid_flow(frames, layout_of(6, grid=truth.shape[2:]))

    plain = overlap(temporal_gaussian(truth, sigma=1), truth)
    aligned = overlap(temporal_gaussian(truth, sigma=1, flow=flow), truth)

    assert plain[1] < 0.5
    assert aligned[0] > 0.7
    assert aligned[1] > 0.75


def test_a_cut_found_in_the_frames_keeps_two_scenes_apart():
    first, maps = moving_square()
    frames = np.concatenate([first, np.stack([texture(7, *first.shape[1:3]) // 3 + 160] * 6)])
    maps = np.concatenate([maps, np.zeros_like(maps)], axis=1)
    layout = layout_of(12, grid=maps.shape[2:])
    options = TemporalOptions(rank_slots=5, is_aligned=True, gaussian_sigma=1)

    cuts = scene_cuts(frames, layout)
    got = temporal_filter(maps, options, flow=grid_flow(frames, layout), cuts=cuts)

    assert np.flatnonzero(cuts).tolist() == [5]
    assert (got[:, 6:] == 0).all()


@given(st.data(), SHAPES, st.floats(0.1, 4), st.booleans())
@settings(deadline=None, max_examples=30)
def test_gaussian_equals_reference_implementation(data, shape, sigma, in_seconds):
    maps = data.draw(hnp.arrays(np.float32, shape, elements=UNIT))
    cuts = data.draw(hnp.arrays(np.bool_, shape[1] - 1))
    steps = data.draw(hnp.arrays(np.int64, shape[1], elements=st.integers(0, 3)))
    seconds = 5 + np.cumsum(steps) * 0.37 if in_seconds else None

    got = temporal_gaussian(maps, sigma=sigma, slot_seconds=seconds, cuts=cuts)

    times = np.arange(shape[1]) if seconds is None else seconds
    for m, row, column in np.ndindex(shape[0], *shape[2:]):
        expected = slow_gaussian(maps[m, :, row, column], times, sigma=sigma, cuts=cuts)
        np.testing.assert_allclose(got[m, :, row, column], expected, atol=1e-5)


@given(st.data(), SHAPES, st.floats(0, 3), st.floats(-2, 2, width=32))
@settings(deadline=None, max_examples=30)
def test_gaussian_stays_in_range_and_keeps_constants(data, shape, sigma, step):
    maps = data.draw(hnp.arrays(np.float32, shape, elements=UNIT))
    flow = uniform(shape[1:], (step, step))

    got = temporal_gaussian(maps, sigma=sigma, flow=flow)
    constant = temporal_gaussian(np.full_like(maps, 0.3), sigma=sigma, flow=flow)

    assert got.dtype == np.float32
    assert (got >= maps.min()).all()
    assert (got <= maps.max()).all()
    np.testing.assert_array_equal(constant, np.float32(0.3))


def test_gaussian_of_zero_width_and_of_one_slot_changes_nothing():
    maps = np.random.default_rng(0).random((2, 4, 3, 3), dtype=np.float32)

    np.testing.assert_array_equal(temporal_gaussian(maps, sigma=0), maps)
    np.testing.assert_array_equal(temporal_gaussian(maps[:, :1], sigma=2), maps[:, :1])


@given(hnp.arrays(np.float32, SHAPES, elements=ANY))
@settings(deadline=None, max_examples=20)
def test_default_options_are_the_filter_of_each_slot(maps):
    got = temporal_filter(maps, TemporalOptions())

    np.testing.assert_array_equal(got, rank_gaussian_filter(maps))


def test_options_reach_the_filters():
    maps = np.random.default_rng(0).random((2, 4, 5, 6), dtype=np.float32)
    flow, cuts = uniform((4, 5, 6), (0, 0.7)), np.array([False, True, False])
    seconds = np.array([0.0, 0.5, 1.0, 3.0])
    options = TemporalOptions(
        rank_slots=3,
        rank_size=5,
        rank_form="separable",
        rank_slot_weight=0.5,
        is_aligned=True,
        flow_tolerance_cells=0.5,
        gaussian_sigma=0.8,
        gaussian_unit="seconds",
    )

    got = temporal_filter(maps, options, flow=flow, cuts=cuts, slot_seconds=seconds)

    along = {"flow": flow, "cuts": cuts, "tolerance_cells": 0.5}
    ranked = separable_rank_filter(maps, slots=3, size=5, slot_weight=0.5, **along)
    expected = temporal_gaussian(ranked, sigma=0.8, slot_seconds=seconds, **along)
    np.testing.assert_array_equal(got, expected)


def test_what_is_switched_off_is_not_used():
    maps = np.random.default_rng(0).random((2, 4, 5, 6), dtype=np.float32)
    flow, cuts = uniform((4, 5, 6), (0, 2)), np.ones(3, dtype=bool)
    options = TemporalOptions(rank_slots=3, breaks_at_cuts=False)

    got = temporal_filter(maps, options, flow=flow, cuts=cuts)

    np.testing.assert_array_equal(got, rank_volume_filter(maps))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank_slots": 3}, "cuts"),
        ({"rank_slots": 3, "is_aligned": True, "breaks_at_cuts": False}, "flow"),
        ({"gaussian_sigma": 1.0, "gaussian_unit": "seconds", "breaks_at_cuts": False}, "time"),
    ],
)
def test_what_the_options_need_must_be_given(options, message):
    with pytest.raises(ValueError, match=message):
        temporal_filter(np.zeros((1, 2, 3, 3), np.float32), TemporalOptions(**options))


def test_options_say_what_they_need():
    assert not TemporalOptions(is_aligned=True).needs_flow
    assert not TemporalOptions().needs_cuts
    assert TemporalOptions(is_aligned=True, gaussian_sigma=1).needs_flow
    assert TemporalOptions(rank_slots=3).needs_cuts
    assert not TemporalOptions(rank_slots=3, breaks_at_cuts=False).needs_cuts


@pytest.mark.parametrize(
    "options",
    [
        {"rank_slots": 2},
        {"rank_slots": 0},
        {"rank_size": 4},
        {"rank_form": "cube"},
        {"rank_slot_weight": 0.0},
        {"rank_slot_weight": 1.1},
        {"flow_method": "raft"},
        {"slot_picture": "last"},
        {"flow_long_side_px": 8},
        {"flow_tolerance_cells": 0.0},
        {"cut_measure": "edges"},
        {"cut_deviations": -1.0},
        {"gaussian_sigma": -1.0},
        {"gaussian_sigma": math.inf},
        {"gaussian_sigma": math.nan},
        {"gaussian_unit": "frames"},
        {"causal_scale": "token"},
        {"causal_shrinkage": -1.0},
        {"causal_cap": 0.0},
        {"causal_floor": 1.5},
        {"relevance_power": -0.5},
        {"overlap_measure": "dice"},
        {"overlap_threshold": 2.0},
        {"overlap_top_share": 0.0},
        {"subtoken_aggregate": "last"},
        {"layer_weights": (0.0, 0.0)},
        {"layer_weights": (1.0, -1.0)},
        {"layer_weights": (1.0, math.nan)},
        {"layer_unit": "cell"},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        TemporalOptions(**options)


def test_options_are_a_frozen_value():
    options = TemporalOptions(layer_weights=(0.5, 0.5))

    assert dataclasses.replace(options, rank_slots=3).layer_weights == (0.5, 0.5)
    assert hash(options) == hash(TemporalOptions(layer_weights=(0.5, 0.5)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.rank_slots = 3


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2, 3, 3), {"sigma": 1}),
        ((1, 2, 3, 3), {"sigma": -1}),
        ((1, 2, 3, 3), {"sigma": math.nan}),
        ((1, 2, 3, 3), {"sigma": 1, "slot_seconds": np.zeros(3)}),
        ((1, 2, 3, 3), {"sigma": 1, "slot_seconds": np.array([1.0, 0.0])}),
        ((1, 2, 3, 3), {"sigma": 1, "slot_seconds": np.array([0.0, np.nan])}),
    ],
)
def test_wrong_gaussians_are_refused(shape, options):
    with pytest.raises(ValueError, match=r"maps|sigma|slot_seconds"):
        temporal_gaussian(np.zeros(shape, np.float32), **options)
