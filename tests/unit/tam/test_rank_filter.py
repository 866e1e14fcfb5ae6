import numpy as np
import pytest
import reference_steps
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tam_video.tam import rank_filter, rank_gaussian_filter
from tam_video.tam.rank_filter import filter_large_objects, object_cells

ANY = st.floats(0, float(np.finfo(np.float32).max), width=32)
UNIT = st.one_of(st.sampled_from([0.0, 1.0, 0.5]), st.floats(2.0**-10, 1, width=32))
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))
SIZES = st.sampled_from([1, 3, 5, 9])


@given(st.data(), SHAPES, SIZES)
@settings(deadline=None, max_examples=30)
def test_filter_equals_reference_implementation(data, shape, size):
    maps = data.draw(hnp.arrays(np.float32, shape, elements=UNIT))

    got = rank_gaussian_filter(maps, size=size)

    expected = [reference_steps.slow_filter(plane, size=size) for plane in maps]
    np.testing.assert_allclose(got, expected, atol=2e-6)


@given(st.data(), SHAPES)
@settings(deadline=None, max_examples=30)
def test_reference_equals_published_order_to_the_bit(data, shape):
    maps = data.draw(hnp.arrays(np.float32, shape, elements=UNIT))

    got = rank_gaussian_filter(maps, profile="reference")

    published = reference_steps.published_weighted_mean
    expected = [reference_steps.slow_filter(plane, weighted_mean=published) for plane in maps]
    np.testing.assert_allclose(got, np.nan_to_num(expected), rtol=1e-6, atol=0)


@pytest.mark.parametrize("value", np.linspace(0.01, 1, 34).astype(np.float32))
def test_reference_agrees_on_which_constant_windows_vanish(value):
    plane = np.full((3, 4), value)

    got = rank_gaussian_filter(plane, profile="reference")

    expected = reference_steps.slow_filter(
        plane, weighted_mean=reference_steps.published_weighted_mean
    )
    np.testing.assert_array_equal(got, np.nan_to_num(expected))


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=ANY), SIZES)
@settings(deadline=None, max_examples=30)
def test_no_finite_map_gives_nan_or_leaves_its_range(maps, size):
    got = rank_gaussian_filter(maps, size=size)

    assert (got >= maps.min()).all()
    assert (got <= maps.max()).all()
    assert np.isfinite(rank_gaussian_filter(maps, size=size, profile="reference")).all()


@given(ANY, SHAPES, SIZES)
@settings(deadline=None, max_examples=30)
def test_constant_map_comes_back_unchanged(value, shape, size):
    maps = np.full(shape, value, dtype=np.float32)

    np.testing.assert_array_equal(rank_gaussian_filter(maps, size=size), maps)


@given(hnp.arrays(np.float32, (4, 5), elements=UNIT), st.integers(-40, 40))
@settings(deadline=None, max_examples=30)
def test_filter_scales_with_its_input(maps, power):
    factor = np.float32(2.0**power)

    got = rank_gaussian_filter(maps * factor)

    np.testing.assert_allclose(got, rank_gaussian_filter(maps) * factor, rtol=1e-6)


def test_lone_spike_is_removed_and_flat_object_kept():
    maps = np.zeros((2, 9, 9), np.float32)
    maps[0, 4, 4] = 1
    maps[1, 2:7, 2:7] = 0.7

    got = rank_gaussian_filter(maps)

    assert got[0].max() < 0.2
    np.testing.assert_array_equal(got[1, 3:6, 3:6], np.float32(0.7))


def test_reference_value_just_below_a_byte_step_stays_below_it():
    got = rank_gaussian_filter(np.array([[1 - 2.0**-40, 1 - 2.0**-41]]), profile="reference")

    assert got.dtype == np.float32
    assert (got * 255).astype(np.uint8).tolist() == [[254, 254]]


def test_planes_do_not_mix():
    maps = np.random.default_rng(0).random((2, 3, 5, 6), dtype=np.float32)

    got = rank_gaussian_filter(maps)

    np.testing.assert_array_equal(got[1, 2], rank_gaussian_filter(maps[1, 2]))


@pytest.mark.parametrize("profile", ["published", "reference"])
def test_blocks_leave_no_seam(profile):
    maps = np.random.default_rng(0).random((3, 5, 7), dtype=np.float32)
    whole = rank_gaussian_filter(maps, profile=profile)

    got = rank_gaussian_filter(maps, profile=profile, values_per_block=130)

    np.testing.assert_array_equal(got, whole)


def test_network_sorts_whatever_is_0_or_1():
    # Knuth's 0-1 principle: a network that sorts these sorts everything.
    cases = np.array(list(np.ndindex(*(2,) * 9)), dtype=np.float32).T

    got = np.array(rank_filter._sorted(cases.copy()))

    np.testing.assert_array_equal(got, np.sort(cases, axis=0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 7, 8, 9, 25, 127, 129, 289])
def test_pairwise_sums_are_numpys_to_the_bit(count, dtype):
    rows = np.random.default_rng(count).random((50, count)).astype(dtype)

    got = rank_filter._pairwise_sum(list(rows.T))

    np.testing.assert_array_equal(got, rows.sum(axis=1))


def test_input_is_left_alone():
    maps = np.random.default_rng(0).random((5, 7), dtype=np.float32)
    before = maps.copy()

    rank_gaussian_filter(maps, size=1)

    np.testing.assert_array_equal(maps, before)


def test_no_maps_give_no_maps():
    assert rank_gaussian_filter(np.zeros((0, 2, 3, 4), np.float32)).shape == (0, 2, 3, 4)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((3, 3), {"size": 2}, "odd"),
        ((3, 3), {"size": -1}, "odd"),
        ((3,), {}, r"\[\.\.\., h, w\]"),
        ((2, 0, 3), {}, r"\[\.\.\., h, w\]"),
        ((3, 3), {"profile": "paper"}, "profile"),
    ],
)
def test_wrong_arguments_are_refused(shape, options, message):
    with pytest.raises(ValueError, match=message):
        rank_gaussian_filter(np.zeros(shape, np.float32), **options)


def cells_plainly(heat: np.ndarray) -> float:
    """Count the cells of one map [t, h, w] at least halfway up, per slot that has any."""
    low, high = float(heat.min()), float(heat.max())
    counts = [sum(float(v) - low >= (high - low) / 2 for v in slot.flat) for slot in heat]
    present = [count for count in counts if count]
    return sum(present) / len(present) if high > low else 0.0


@given(st.integers(0, 1000), st.floats(0, 1), st.sampled_from([0.0, 1.0, 1e-30, 1e30]))
def test_size_of_objects_equals_its_definition(seed: int, share: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    maps = (rng.random((4, 3, 4, 5)) * (rng.random((4, 3, 4, 5)) < share) * scale).astype("f8")
    maps[0] = 0.25
    np.testing.assert_allclose(object_cells(maps), [cells_plainly(each) for each in maps])


def test_the_filter_keeps_small_objects_and_changes_large_ones() -> None:
    maps = np.random.default_rng(0).random((3, 2, 8, 8)).astype(np.float32) * 0.1
    maps[0, :, 2, 2:4] = 1  # 2 cells
    maps[1, 0, 2:6, 2:6] = 1  # 16 cells, in one of two slots
    filtered = rank_gaussian_filter(maps)
    for least, sizes in ((0, ()), (2, ()), (3, (0,)), (16, (0,)), (17, (0, 1))):
        expected = filtered.copy()
        expected[list(sizes)] = maps[list(sizes)]
        large = object_cells(maps)[2] >= least
        expected[2] = filtered[2] if large else maps[2]
        np.testing.assert_array_equal(filter_large_objects(maps, min_cells=least), expected)
    assert filtered[0].max() < 0.5


def test_no_maps_are_filtered_without_error() -> None:
    empty = np.zeros((0, 2, 3, 3), np.float32)
    assert filter_large_objects(empty, min_cells=4).shape == empty.shape
