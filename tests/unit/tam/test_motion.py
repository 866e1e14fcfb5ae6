import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motion_cases import WHOLE, layout_of, motion_of, panned

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
        (np.zeros((1, 2, 3, 2)), np.zeros((1, 2, 3, 2)), np.ones((3, 2), bool)),
        (np.full((1, 2, 3, 2), np.nan), np.zeros((1, 2, 3, 2)), np.ones((2, 3), bool)),
    ],
)
def test_flow_that_does_not_fit_is_refused(forward, backward, inside):
    with pytest.raises(ValueError, match=r"forward|in_picture|finite"):
        GridFlow(forward=forward, backward=backward, in_picture=inside)
