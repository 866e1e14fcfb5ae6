import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.morphology import dilation, disk
from skimage.segmentation import find_boundaries
from sklearn.metrics import jaccard_score

from tam_video.metrics import segmentation
from tam_video.metrics.segmentation import boundary_similarity, j_and_f, region_similarity


@st.composite
def mask_pairs(draw, max_side=12, max_frames=3):
    shape = draw(
        st.tuples(st.integers(1, max_frames), st.integers(1, max_side), st.integers(1, max_side))
    )
    return draw(hnp.arrays(bool, shape)), draw(hnp.arrays(bool, shape))


def slow_region(prediction, mask):
    both = either = 0
    for ours, true in zip(prediction.ravel(), mask.ravel(), strict=True):
        both += bool(ours and true)
        either += bool(ours or true)
    return both / either if either else 1.0


def slow_boundary(mask):
    height, width = mask.shape
    pixels = set()
    for row in range(height):
        for column in range(width):
            for down, right in ((0, 1), (1, 0), (1, 1)):
                other = mask[min(row + down, height - 1), min(column + right, width - 1)]
                if other != mask[row, column]:
                    pixels.add((row, column))
    return pixels


def slow_boundary_f(prediction, mask):
    radius = math.ceil(0.008 * math.sqrt(mask.shape[0] ** 2 + mask.shape[1] ** 2))
    ours, true = slow_boundary(prediction), slow_boundary(mask)
    if not ours and not true:
        return 1.0
    if not ours or not true:
        return 0.0

    def matched(some, others):
        near = [any((r - y) ** 2 + (c - x) ** 2 <= radius**2 for y, x in others) for r, c in some]
        return sum(near) / len(some)

    precision, recall = matched(ours, true), matched(true, ours)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def skimage_boundary(mask):
    """The DAVIS boundary read off scikit-image's sub-pixel boundaries.

    Sub-pixel (2 row + 1, 2 column + 1) is a boundary when the four pixels around it differ; along
    the last row and column only two pixels are left to differ.
    """
    fine = find_boundaries(mask.astype(np.uint8), mode="subpixel")
    coarse = np.zeros_like(mask)
    coarse[:-1, :-1] = fine[1::2, 1::2]
    coarse[-1, :-1] = fine[-1, 1::2]
    coarse[:-1, -1] = fine[1::2, -1]
    return coarse


def skimage_boundary_f(prediction, mask, *, radius):
    ours, true = skimage_boundary(prediction), skimage_boundary(mask)
    precision = (ours & dilation(true, disk(radius))).sum() / ours.sum()
    recall = (true & dilation(ours, disk(radius))).sum() / true.sum()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@given(mask_pairs())
@settings(deadline=None, max_examples=30)
def test_region_similarity_equals_reference_implementation(pair):
    got = region_similarity(*pair)

    expected = [slow_region(ours, true) for ours, true in zip(*pair, strict=True)]
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@given(mask_pairs(max_frames=1))
@settings(deadline=None, max_examples=15)
def test_region_similarity_equals_scikit_learn(pair):
    prediction, mask = pair

    expected = jaccard_score(mask.ravel(), prediction.ravel(), zero_division=1.0)

    np.testing.assert_allclose(region_similarity(prediction, mask), [expected], rtol=1e-12)


@given(mask_pairs())
@settings(deadline=None, max_examples=20)
def test_boundary_similarity_equals_reference_implementation(pair):
    got = boundary_similarity(*pair)

    expected = [slow_boundary_f(ours, true) for ours, true in zip(*pair, strict=True)]
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@given(hnp.arrays(bool, st.tuples(st.integers(2, 9), st.integers(2, 9))))
@settings(deadline=None, max_examples=20)
def test_boundary_equals_that_of_scikit_image(mask):
    np.testing.assert_array_equal(segmentation._boundary(mask), skimage_boundary(mask))


@pytest.mark.parametrize("seed", range(3))
def test_boundary_similarity_of_blobs_equals_scikit_image(monkeypatch, seed):
    # A tolerance of 2 pixels on a small picture, so that the shape of the disk counts.
    monkeypatch.setattr(segmentation, "BOUNDARY_TOLERANCE", 0.04)
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:34, :30]
    first, second = (
        (rows - rng.integers(12, 22)) ** 2 + 3 * (columns - rng.integers(12, 18)) ** 2 < size
        for size in rng.integers(50, 200, 2)
    )

    got = boundary_similarity(first[None], second[None])

    np.testing.assert_allclose(got, [skimage_boundary_f(first, second, radius=2)], rtol=1e-12)
    assert 0 < got[0] < 1


@given(mask_pairs())
@settings(deadline=None, max_examples=20)
def test_scores_are_symmetric_shares_and_1_for_equal_masks(pair):
    prediction, mask = pair

    for score in (region_similarity, boundary_similarity):
        got = score(prediction, mask)
        assert got.shape == (len(mask),)
        assert ((got >= 0) & (got <= 1)).all()
        np.testing.assert_allclose(got, score(mask, prediction), rtol=1e-12)
        np.testing.assert_array_equal(score(mask, mask), 1)


def test_tolerance_is_0_008_of_the_diagonal_rounded_up():
    # Diagonal 250 px: 2 px. A line that is 2 px off matches, one that is 3 px off does not.
    mask = np.zeros((1, 150, 200), bool)
    mask[:, :, :100] = True

    for shift, expected in ((2, 1.0), (3, 0.0)):
        moved = np.zeros_like(mask)
        moved[:, :, : 100 + shift] = True
        assert boundary_similarity(moved, mask)[0] == expected


@pytest.mark.parametrize(
    ("prediction", "mask", "j", "f"),
    [
        ("empty", "empty", 1, 1),
        ("empty", "object", 0, 0),
        ("object", "empty", 0, 0),
        ("full", "full", 1, 1),
        ("full", "empty", 0, 1),
        ("full", "object", 0.25, 0),
    ],
)
def test_empty_and_full_masks(prediction, mask, j, f):
    pictures = {name: np.zeros((1, 4, 4), bool) for name in ("empty", "object", "full")}
    pictures["object"][:, 1:3, 1:3] = True
    pictures["full"][:] = True

    pair = pictures[prediction], pictures[mask]

    assert (region_similarity(*pair), boundary_similarity(*pair)) == (j, f)
    assert j_and_f(*pair) == (j + f) / 2


def test_means_are_taken_over_frames():
    mask = np.zeros((2, 4, 4), bool)
    mask[0, 1:3, 1:3] = True
    prediction = np.zeros_like(mask)

    assert region_similarity(prediction, mask).tolist() == [0, 1]
    assert j_and_f(prediction, mask) == 0.5


@pytest.mark.parametrize("score", [region_similarity, boundary_similarity, j_and_f])
@pytest.mark.parametrize(
    ("prediction", "mask", "message"),
    [
        (np.zeros((1, 3, 3)), np.zeros((1, 3, 3), bool), "bool"),
        (np.zeros((1, 3, 3), bool), np.zeros((1, 3, 3), np.uint8), "bool"),
        (np.zeros((3, 3), bool), np.zeros((3, 3), bool), r"\[T, H, W\]"),
        (np.zeros((0, 3, 3), bool), np.zeros((0, 3, 3), bool), r"\[T, H, W\]"),
        (np.zeros((1, 3, 3), bool), np.zeros((1, 3, 4), bool), r"\[1, 3, 3\]"),
    ],
)
def test_wrong_arguments_are_refused(score, prediction, mask, message):
    with pytest.raises(ValueError, match=message):
        score(prediction, mask)
