import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import zoom

from tam_video.metrics.grids import resize_map

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5))
UNIT = st.floats(0, 1, width=32)


def slow_resize(plane, height, width):
    """Bilinear, pixel centres at (i + 0.5), the border repeated."""
    rows, columns = plane.shape
    made = np.empty((height, width))
    for y in range(height):
        for x in range(width):
            row = min(max((y + 0.5) * rows / height - 0.5, 0), rows - 1)
            column = min(max((x + 0.5) * columns / width - 0.5, 0), columns - 1)
            top, left = int(row), int(column)
            low, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            down, along = row - top, column - left
            upper = (1 - along) * plane[top, left] + along * plane[top, right]
            lower = (1 - along) * plane[low, left] + along * plane[low, right]
            made[y, x] = (1 - down) * upper + down * lower
    return made


@given(st.data(), SHAPES, st.tuples(st.integers(1, 12), st.integers(1, 12)))
@settings(deadline=None, max_examples=30)
def test_resize_equals_reference_implementation(data, shape, size):
    cells = data.draw(hnp.arrays(np.float32, shape, elements=UNIT))

    got = resize_map(cells, (shape[0], *size))

    expected = [slow_resize(plane, *size) for plane in cells]
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_resize_agrees_with_scipy():
    cells = np.random.default_rng(0).random((2, 4, 5), dtype=np.float32)

    got = resize_map(cells, (2, 12, 20))

    expected = zoom(cells, (1, 3, 4), order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(got, expected, atol=1e-5)


@given(UNIT, SHAPES, st.tuples(st.integers(1, 40), st.integers(1, 40)))
@settings(deadline=None, max_examples=30)
def test_constant_map_stays_constant_to_the_bit(value, shape, size):
    got = resize_map(np.full(shape, value, np.float32), (shape[0], *size))

    np.testing.assert_array_equal(got, np.float32(value))


def test_same_shape_comes_back_unchanged():
    cells = np.random.default_rng(0).random((2, 3, 4), dtype=np.float32)

    np.testing.assert_array_equal(resize_map(cells, (2, 3, 4)), cells)


@given(st.data(), SHAPES)
@settings(deadline=None, max_examples=30)
def test_frames_show_the_slots_that_they_fed(data, shape):
    cells = data.draw(hnp.arrays(np.float32, shape, elements=UNIT))
    num_frames = data.draw(st.integers(1, 5))
    slots = st.lists(st.integers(0, shape[0] - 1), min_size=1, max_size=shape[0], unique=True)
    fed = [data.draw(slots) for _ in range(num_frames)]
    frame_slots = [[f for f in range(num_frames) if k in fed[f]] for k in range(shape[0])]

    got = resize_map(cells, (num_frames, *shape[1:]), frame_slots=frame_slots)

    expected = [np.mean([cells[k] for k in of_frame], axis=0) for of_frame in fed]
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert got.min() >= cells.min()
    assert got.max() <= cells.max()


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.int64, bool])
def test_other_numbers_become_float64(dtype):
    assert resize_map(np.ones((1, 2, 2), dtype), (1, 4, 4)).dtype == np.float64


@pytest.mark.parametrize(
    ("cells", "shape", "frame_slots", "message"),
    [
        (np.zeros((2, 2)), (1, 2, 2), None, r"\[t, h, w\]"),
        (np.zeros((0, 2, 2)), (1, 2, 2), None, "empty"),
        (np.full((1, 2, 2), np.nan), (1, 2, 2), None, "finite"),
        (np.full((1, 2, 2), np.inf), (1, 2, 2), None, "finite"),
        (np.zeros((1, 2, 2)), (1, 0, 2), None, "pixel"),
        (np.zeros((1, 2, 2)), (2, 2), None, "unpack"),
        (np.zeros((2, 2, 2)), (4, 2, 2), None, "frame_slots"),
        (np.zeros((2, 2, 2)), (2, 2, 2), [[0, 1]], "all 2 slots"),
        (np.zeros((1, 2, 2)), (2, 2, 2), [[0, 2]], "contains frame 2"),
        (np.zeros((1, 2, 2)), (2, 2, 2), [[0]], "must occur in frame_slots"),
    ],
)
def test_wrong_arguments_are_refused(cells, shape, frame_slots, message):
    with pytest.raises(ValueError, match=message):
        resize_map(cells, shape, frame_slots=frame_slots)
