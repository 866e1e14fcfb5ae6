import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motion_cases import WHOLE, layout_of, motion_of, panned

from tam_video.tam import motion
from tam_video.tam.motion import GridFlow, grid_flow, scene_cuts
from tam_video.types import View

CROP, PADDED = View(0.25, 0.1, 0.75, 0.9), View(-0.1, -0.3, 1.1, 1.3)


@pytest.mark.parametrize("view", [WHOLE, CROP, PADDED], ids=["whole", "crop", "padded"])
@pytest.mark.parametrize("step", [(0, 6), (8, -5), (-16, 12)])
def test_flow_of_a_pan_is_right_within_half_a_cell(view, step):
    flow = grid_flow(panned(step), layout_of(3, view=view))

    cell = 192 * (view.bottom - view.top) / 12, 256 * (view.right - view.left) / 16
    true = np.divide(step, cell)
    inside = flow.in_picture
    error = np.abs(flow.forward[:, inside] - true).max(axis=-1)
    back = np.abs(flow.backward[:, inside] + true).max(axis=-1)
    assert (error < 0.5).mean() > 0.98
    assert (back < 0.5).mean() > 0.98
    assert np.median(error) < 0.05


def test_a_still_clip_does_not_move():
    flow = grid_flow(panned((0, 0)), layout_of(3))

    np.testing.assert_allclose(flow.forward, 0, atol=1e-3)
    np.testing.assert_allclose(flow.backward, 0, atol=1e-3)


def test_large_pictures_give_the_flow_of_small_ones():
    small = panned((6, 9))
    large = np.stack([cv2.resize(each, (768, 576)) for each in small])

    flow = grid_flow(large, layout_of(3))

    np.testing.assert_allclose(
        flow.forward[:, 1:-1, 1:-1], np.broadcast_to((6 / 16, 9 / 16), (2, 10, 14, 2)), atol=0.1
    )


def test_padding_has_no_flow_and_is_marked():
    flow = grid_flow(panned((0, 8)), layout_of(3, grid=(8, 8), view=View(0, -0.5, 1, 1.5)))

    assert flow.in_picture[2:6].all()
    assert not flow.in_picture[[0, 1, 6, 7]].any()
    assert (flow.forward[:, ~flow.in_picture] == 0).all()


def test_slots_of_two_frames_move_by_two_steps():
    flow = grid_flow(panned((0, 6), count=6), layout_of(3, frames_per_slot=2))

    assert np.median(flow.forward[..., 1]) == pytest.approx(12 / 16, abs=0.05)


@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.integers(1, 70))
@settings(deadline=None, max_examples=15)
def test_any_grid_and_picture_gives_finite_flow_and_cuts(num_slots, height, width, side):
    frames = np.random.default_rng(side).integers(0, 256, (num_slots, side, 7, 3)).astype(np.uint8)
    layout = layout_of(num_slots, grid=(height, width))

    flow = grid_flow(frames, layout)

    assert flow.shape == layout.shape
    assert np.isfinite(flow.forward).all()
    assert scene_cuts(frames, layout).shape == (num_slots - 1,)


def test_a_cut_is_detected_and_a_pan_is_not():
    first = panned((2, 5), count=4)
    second = 255 - panned((-3, 2), count=4, seed=5) // 2
    frames = np.concatenate([first, second])

    cuts = scene_cuts(frames, layout_of(8))

    assert cuts.tolist() == [False, False, False, True, False, False, False]


def test_a_clip_of_two_scenes_and_two_slots_is_cut():
    frames = np.stack([panned((0, 0), count=1)[0], np.full((192, 256, 3), 255, np.uint8)])

    assert scene_cuts(frames, layout_of(2)).tolist() == [True]


def test_a_cut_inside_a_slot_counts_before_it():
    first, second = panned((1, 1), count=3), 255 - panned((1, 1), count=3, seed=5) // 2
    frames = np.concatenate([first, second])

    cuts = scene_cuts(frames, layout_of(3, frames_per_slot=2))

    assert cuts.tolist() == [True, False]


def test_flicker_of_a_flat_picture_is_no_cut():
    frames = np.stack([np.full((48, 64, 3), 127 + k % 2, np.uint8) for k in range(6)])

    assert not scene_cuts(frames, layout_of(6)).any()


def test_one_slot_has_neither_pairs_nor_cuts():
    frames = panned((0, 0), count=1)

    assert grid_flow(frames, layout_of(1)).forward.shape == (0, 12, 16, 2)
    assert scene_cuts(frames, layout_of(1)).shape == (0,)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), "uint8"),
        (np.zeros((2, 8, 8), np.uint8), r"\[T, H, W, 3\]"),
        (np.zeros((1, 8, 8, 3), np.uint8), "outside"),
    ],
)
def test_wrong_arguments_are_refused(frames, message):
    with pytest.raises(ValueError, match=message):
        grid_flow(frames, layout_of(2))
    with pytest.raises(ValueError, match=message):
        scene_cuts(frames, layout_of(2))


@pytest.mark.parametrize("cuts", [np.zeros(2, bool), np.zeros(1)])
def test_cuts_that_do_not_fit_are_refused(cuts):
    with pytest.raises(ValueError, match="cuts"):
        motion_of((2, 3, 4), cuts=cuts)


@pytest.mark.parametrize(
    ("forward", "backward", "inside"),
    [
        (np.zeros((1, 2, 3)), np.zeros((1, 2, 3)), np.ones((2, 3), bool)),
        (np.zeros((1, 2, 3, 2)), np.zeros((2, 2, 3, 2)), np.ones((2, 3), bool)),
        (np.zeros((1, 2, 3, 3)), np.zeros((1, 2, 3, 3)), np.ones((2, 3), bool)),
        (np.zeros((1, 0, 3, 2)), np.zeros((1, 0, 3, 2)), np.ones((0, 3), bool)),
        (np.zeros((1, 2, 0, 2)), np.zeros((1, 2, 0, 2)), np.ones((2, 0), bool)),
        (np.zeros((1, 2, 3, 2)), np.zeros((1, 2, 3, 2)), np.ones((3, 2), bool)),
        (np.zeros((1, 2, 3, 2)), np.zeros((1, 2, 3, 2)), np.ones((2, 3))),
        (np.zeros((1, 2, 3, 2)), np.full((1, 2, 3, 2), np.inf), np.ones((2, 3), bool)),
        (np.full((1, 2, 3, 2), np.nan), np.zeros((1, 2, 3, 2)), np.ones((2, 3), bool)),
    ],
)
def test_flow_that_does_not_fit_is_refused(forward, backward, inside):
    with pytest.raises(ValueError, match=r"forward|in_picture|finite"):
        GridFlow(forward=forward, backward=backward, in_picture=inside)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((40, 64), (40, 64)), ((300, 512), (150, 256)), ((20, 40), (32, 40)), ((40, 10), (40, 32)),
     ((24, 512), (32, 256))],
)  # fmt: skip
def test_pictures_are_reduced_to_256_px_and_have_no_side_below_32(shape, size):
    frame = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)

    got = motion._grey_picture(frame)

    # Area averaging only where both sides shrink alike.
    way = cv2.INTER_LINEAR if 32 in size else cv2.INTER_AREA
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    np.testing.assert_array_equal(got, cv2.resize(grey, size[::-1], interpolation=way))


@pytest.mark.parametrize(
    ("view", "count", "length", "edges"),
    [
        ((0, 1), 3, 10, [(0, 3), (3, 7), (7, 10)]),
        ((-0.5, 1.5), 4, 10, [(0, 0), (0, 5), (5, 10), (9, 9)]),
        ((0.2, 0.6), 2, 20, [(4, 8), (8, 12)]),
        ((0, 1), 4, 2, [(0, 1), (0, 1), (1, 2), (1, 2)]),
    ],
)
def test_cells_lie_between_these_pixels(view, count, length, edges):
    got = motion._edges(*view, count=count, length=length)

    assert [tuple(edge) for edge in got.tolist()] == edges


def test_flow_is_the_mean_over_the_pixels_of_a_cell_in_cells():
    frames = np.stack([np.full((40, 80, 3), 10 * k, np.uint8) for k in (1, 2, 5)])

    def pixel_flow(first, second):
        rows, columns = np.indices(first.shape, dtype=np.float32)
        return np.stack([columns * first[0, 0], rows * second[0, 0]], axis=-1)

    # Cells of 10 rows and 20 columns, in the lower half and the middle of the columns.
    layout = layout_of(3, grid=(2, 2), view=View(0.25, 0.5, 0.75, 1.0))
    got = grid_flow(frames, layout, pixel_flow=pixel_flow)

    rows, columns = np.array([24.5, 34.5]) / 10, np.array([29.5, 49.5]) / 20
    for pair, (first, second) in enumerate(((10, 20), (20, 50))):
        for way, (x, y) in ((got.forward, (first, second)), (got.backward, (second, first))):
            np.testing.assert_allclose(way[pair, :, :, 0], np.tile(rows[:, None], 2) * y, rtol=1e-5)
            np.testing.assert_allclose(way[pair, :, :, 1], np.tile(columns, (2, 1)) * x, rtol=1e-5)


def test_flow_that_is_not_finite_counts_as_none():
    def pixel_flow(first, second):
        return np.full((*first.shape, 2), [np.inf, np.nan], np.float32)

    assert not grid_flow(panned((0, 0)), layout_of(3), pixel_flow=pixel_flow).forward.any()


def changed(*counts):
    """Pictures of 32 x 32; from one to the next, the next so many pixels are inverted."""
    frames, start = [np.zeros((32 * 32, 3), np.uint8)], 0
    for count in counts:
        frame = frames[-1].copy()
        frame[start : start + count] ^= 255
        frames.append(frame)
        start = (start + count) % len(frame)
    return np.stack(frames).reshape(-1, 32, 32, 3)


@pytest.mark.parametrize(
    ("counts", "is_cut"),
    [
        ([409], False),  # two slots: the upper bound, 0.4 of 1024 pixels
        ([410], True),
        ([0, 0, 0, 204], False),  # a still clip: the lower bound, 0.2
        ([0, 0, 0, 205], True),
        # The median is 60 and the median deviation 20: 60 + 6 * 1.4826 * 20 = 237.9.
        ([40, 40, 60, 80, 237], False),
        ([40, 40, 60, 80, 238], True),
    ],
)
def test_a_cut_exceeds_the_median_by_six_deviations_within_bounds(counts, is_cut):
    cuts = scene_cuts(changed(*counts), layout_of(len(counts) + 1))

    assert cuts.tolist() == [False] * (len(counts) - 1) + [is_cut]


def test_frames_from_middle_to_middle_of_the_slots_are_compared():
    # Six frames in two slots of three: 1 to 4 are compared.
    def cuts(*counts):
        return scene_cuts(changed(*counts), layout_of(2, frames_per_slot=3)).tolist()

    assert cuts(1024, 0, 0, 0, 1024) == [False]
    for place in (1, 2, 3):
        assert cuts(*(1024 * (k == place) for k in range(5))) == [True]


def test_a_value_is_shared_by_the_two_bins_around_it():
    picture = np.zeros((32, 32, 3))
    picture[8:16, 24:] = (0.3, 0.55, 1.0)  # 1.5, 2.75 and 5 bins: the block in row 1, column 3

    got = motion._soft_histograms(picture).reshape(16, 6, 6, 6) * 16

    expected = np.zeros((16, 6, 6, 6))
    expected[:, 0, 0, 0] = 1
    expected[7] = 0
    expected[7, 1:3, 2:4, 5] = np.outer([0.5, 0.5], [0.25, 0.75])
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_only_the_part_under_the_grid_is_compared_for_cuts():
    frames = np.zeros((2, 40, 80, 3), np.uint8)
    frames[1, :20] = 255
    frames[1, 20:, :20] = 255
    frames[1, 20:, 60:] = 255

    assert not scene_cuts(frames, layout_of(2, view=View(0.25, 0.5, 0.75, 1.0))).any()
    assert scene_cuts(frames, layout_of(2)).all()


@pytest.mark.parametrize("shape", [(2, 8, 8, 4), (2, 0, 8, 3), (2, 8, 0, 3), (2, 8, 8, 3, 1)])
def test_frames_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="frames must be"):
        scene_cuts(np.zeros(shape, np.uint8), layout_of(2))
