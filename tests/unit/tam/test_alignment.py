import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motion_cases import flow_of, motion_of, slow_neighbour, uniform

from tam_video.tam.motion import SlotMotion
from tam_video.tam.temporal import aligned_neighbours


@given(
    st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.booleans()
)
@settings(deadline=None, max_examples=40)
def test_neighbours_equals_reference_implementation(seed, slots, height, width, is_checked):
    rng = np.random.default_rng(seed)
    maps = rng.random((2, slots, height, width), dtype=np.float32)
    shape = (slots - 1, height, width, 2)
    forward, backward = rng.integers(-9, 10, (2, *shape)).astype(np.float32) / 8
    flow = flow_of(forward, backward, rng.random((height, width)) < 0.8)
    cuts = rng.random(slots - 1) < 0.2
    limit = 0.93 if is_checked else None

    values, present = aligned_neighbours(maps, SlotMotion(flow, cuts), 2, tolerance_cells=limit)

    for offset in range(-2, 3):
        for slot, *cell in np.ndindex(slots, height, width):
            for m in range(2):
                expected = (
                    maps[(m, slot, *cell)]
                    if offset == 0
                    else slow_neighbour(
                        lambda k, m=m: maps[m, k],
                        flow,
                        cuts,
                        slot=slot,
                        cell=tuple(cell),
                        distance=offset,
                        limit=limit,
                    )
                )
                assert present[(offset + 2, slot, *cell)] == (expected is not None)
                if expected is not None:
                    assert values[(offset + 2, m, slot, *cell)] == pytest.approx(expected, abs=1e-5)


def moving(shape, step):
    return motion_of(shape, uniform(shape, step))


def test_a_moving_spot_stands_still_among_its_neighbours():
    maps = np.zeros((1, 4, 3, 8), np.float32)
    for slot in range(4):
        maps[0, slot, 1, 2 * slot] = 1

    values, present = aligned_neighbours(maps, moving((4, 3, 8), (0, 2)), 3)

    for slot in range(4):
        seen = present[:, slot, 1, 2 * slot]
        assert seen.sum() == 4
        assert (values[seen, 0, slot, 1, 2 * slot] == 1).all()


def test_what_leaves_the_picture_is_missing_and_no_zero_gets_in():
    maps = np.ones((1, 2, 3, 4), np.float32)

    values, present = aligned_neighbours(maps, moving((2, 3, 4), (0, 1.4)), 1)

    assert present[2, 0].tolist() == [[True, True, True, False]] * 3
    assert present[0, 1].tolist() == [[False, True, True, True]] * 3
    assert (values[:, 0][present] == 1).all()


def test_nothing_crosses_a_cut():
    maps = np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1)

    _, present = aligned_neighbours(
        maps, motion_of((4, 1, 1), cuts=np.array([False, True, False])), 3
    )

    assert present[:, :, 0, 0].T.tolist() == [
        [False, False, False, True, True, False, False],
        [False, False, True, True, False, False, False],
        [False, False, False, True, True, False, False],
        [False, False, True, True, False, False, False],
    ]


def test_what_is_covered_in_the_other_slot_is_missing_when_ways_are_checked():
    # Cells 0 and 1 both go to cell 1, whose content came from cell 0.
    forward = np.array([[[[0, 1], [0, 0], [0, 0]]]])
    backward = np.array([[[[0, 0], [0, -1], [0, 0]]]])
    maps = np.zeros((1, 2, 1, 3), np.float32)

    motion = motion_of((2, 1, 3), flow_of(forward, backward))

    _, trusted = aligned_neighbours(maps, motion, 1, tolerance_cells=None)
    _, checked = aligned_neighbours(maps, motion, 1, tolerance_cells=0.5)

    assert trusted[2, 0, 0].tolist() == [True, True, True]
    assert checked[2, 0, 0].tolist() == [True, False, True]


def test_picture_and_padding_do_not_see_each_other():
    inside = np.array([[True, True, False, False]])
    maps = np.array([[[[1, 1, 0, 0]], [[1, 1, 0, 0]]]], np.float32)
    flow = flow_of(np.array([[[[0, 0.5], [0, 0.5], [0, 0], [0, 0]]]]), inside=inside)

    values, present = aligned_neighbours(maps, motion_of((2, 1, 4), flow), 1)

    assert present[2, 0].all()
    assert values[2, 0, 0, 0].tolist() == [1, 1, 0, 0]


def test_far_flow_is_missing_and_harmless():
    maps = np.ones((1, 2, 2, 2), np.float32)

    values, present = aligned_neighbours(
        maps, moving((2, 2, 2), (1e30, -1e30)), 1, tolerance_cells=None
    )

    assert not present[[0, 2]].any()
    assert np.isfinite(values).all()


@pytest.mark.parametrize(
    ("shape", "radius", "options"),
    [
        ((2, 3, 4), 1, {}),
        ((1, 2, 3, 0), 1, {}),
        ((1, 3, 3, 4), 1, {}),
        ((1, 2, 3, 4), -1, {}),
        ((1, 2, 3, 4), 1, {"tolerance_cells": 0.0}),
    ],
)
def test_wrong_arguments_are_refused(shape, radius, options):
    with pytest.raises(ValueError, match=r"maps|radius|tolerance"):
        aligned_neighbours(np.zeros(shape, np.float32), motion_of((2, 3, 4)), radius, **options)
