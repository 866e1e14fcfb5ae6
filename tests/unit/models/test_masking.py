"""Which pixels a mask hides, against loops over pixels."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tam_video.models.masking import blank_frames, hide_cells, pixel_cells
from tam_video.types import View, VisualLayout

VIEWS = (
    View(),
    View(0.2, 0.0, 0.8, 1.0),  # centre crop
    View(0.0, 0.0, 1.6, 1.3),  # padded at the right and the bottom
    View(-0.3, -0.1, 1.3, 1.1),  # padded all around
)


def clip(num_frames: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(1, 255, (num_frames, height, width, 3), dtype=np.uint8)


def hidden_by_loops(
    layout: VisualLayout, keep: np.ndarray, num_frames: int, height: int, width: int
) -> np.ndarray:
    """bool [T, H, W]: pixels whose centre lies in the box of a cell that no slot keeps."""
    hidden = np.zeros((num_frames, height, width), dtype=bool)
    for frame, y, x in np.ndindex(hidden.shape):
        slots = [slot for slot, fed in enumerate(layout.frame_slots) if frame in fed]
        for row, column in product(range(layout.h), range(layout.w)):
            left, top, right, bottom = layout.cell_box(row, column, width=width, height=height)
            inside = left <= x + 0.5 < right and top <= y + 0.5 < bottom
            if inside and slots:
                hidden[frame, y, x] = not any(keep[slot, row, column] for slot in slots)
    return hidden


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("slots", [((0, 1), (2,)), ((0,), (2,)), ((0, 1), (1, 2))])
def test_the_pixels_of_hidden_cells_are_replaced_and_no_others(
    view: View, slots: tuple[tuple[int, ...], ...]
) -> None:
    layout = VisualLayout(2, 3, 4, slots, view)
    frames, blank = clip(3, 13, 17), np.zeros((3, 13, 17, 3), dtype=np.uint8)
    keep = np.random.default_rng(3).random(layout.shape) < 0.5
    result = hide_cells(frames, layout, keep, blank=blank)
    hidden = hidden_by_loops(layout, keep, 3, 13, 17)
    np.testing.assert_array_equal((result == 0).all(axis=-1), hidden)
    np.testing.assert_array_equal(result[~hidden], frames[~hidden])


def test_nothing_changes_where_all_is_kept_and_the_source_stays_as_it_was() -> None:
    layout = VisualLayout(1, 2, 2, ((0,),))
    frames = clip(1, 8, 8)
    before = frames.copy()
    blank = blank_frames(frames, "black")
    kept = hide_cells(frames, layout, np.ones(layout.shape, dtype=bool), blank=blank)
    np.testing.assert_array_equal(kept, frames)
    assert not hide_cells(frames, layout, np.zeros(layout.shape, dtype=bool), blank=blank).any()
    np.testing.assert_array_equal(frames, before)


def test_a_grid_finer_than_the_pixels_hides_what_has_a_centre() -> None:
    layout = VisualLayout(1, 1, 5, ((0,),))
    _, columns = pixel_cells(layout, width=3, height=2)
    assert columns.tolist() == [0, 2, 4]


def test_blanks() -> None:
    frames = clip(2, 20, 30)
    mean = blank_frames(frames, "mean")
    assert len(np.unique(mean.reshape(-1, 3), axis=0)) == 1
    np.testing.assert_allclose(mean[0, 0, 0], frames.mean(axis=(0, 1, 2)), atol=0.5)
    assert not blank_frames(frames, "black").any()
    blurred = blank_frames(frames, "blur")
    assert blurred.dtype == np.uint8
    assert blurred.std() < 0.2 * frames.std()
    np.testing.assert_allclose(blurred.mean(), frames.mean(), atol=3)


def test_a_blur_keeps_flat_frames_and_does_not_mix_frames() -> None:
    frames = np.stack([np.full((9, 7, 3), value, dtype=np.uint8) for value in (10, 200)])
    np.testing.assert_array_equal(blank_frames(frames, "blur"), frames)


def test_wrong_masks_and_blanks_are_refused() -> None:
    frames, layout = clip(1, 8, 8), VisualLayout(1, 2, 2, ((0,),))
    with pytest.raises(ValueError, match="blank"):
        blank_frames(frames, "pink")  # type: ignore[arg-type]
    for keep in (np.ones((1, 2, 3), dtype=bool), np.ones((1, 2, 2))):
        with pytest.raises(ValueError, match="keep"):
            hide_cells(frames, layout, keep, blank=frames)
