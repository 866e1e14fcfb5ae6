import cv2
import numpy as np
import pytest

from tam_video.datasets.cells import cell_masks
from tam_video.datasets.worlds import make_world
from tam_video.types import View, VisualLayout

INDICES = np.array([0, 8, 16, 24, 32, 47])
SLOTS = ((0, 1), (2, 3), (3, 4, 5))


class Boxes:
    """One 8 x 8 box in a picture of 24 x 16 that moves right by 4 pixels per frame."""

    def masks(self, frame):
        mask = np.zeros((1, 16, 24), bool)
        mask[0, 4:12, 4 * frame : 4 * frame + 8] = True
        return mask


def slow_cells(clip, layout, indices):
    """The share of each object in each cell, from 40 x 40 points of the cell."""
    points, slots = (np.arange(40) + 0.5) / 40, []
    for fed in layout.frame_slots:
        seen = sum(clip.masks(int(indices[k])) for k in fed) > 0
        height, width = seen.shape[1:]
        cells = np.zeros((len(seen), layout.h, layout.w))
        for row in range(layout.h):
            for column in range(layout.w):
                left, top, right, bottom = layout.cell_box(row, column, width=width, height=height)
                ys = np.floor(top + points * (bottom - top)).astype(int)
                xs = np.floor(left + points * (right - left)).astype(int)
                ys, xs = ys[(ys >= 0) & (ys < height)], xs[(xs >= 0) & (xs < width)]
                cells[:, row, column] = seen[:, ys][:, :, xs].sum((1, 2)) / 1600
        slots.append(cells)
    return np.stack(slots, axis=1)


@pytest.mark.parametrize(
    "view", [View(), View(0.2, 0.1, 0.9, 0.8), View(-0.25, 0.0, 1.25, 1.0)], ids=str
)
def test_a_cell_is_an_objects_when_half_of_it_is(view):
    layout = VisualLayout(2, 4, 5, ((0,), (1, 2)), view=view)
    indices = np.array([0, 2, 3])
    shares = slow_cells(Boxes(), layout, indices)
    result = cell_masks(Boxes(), layout, indices)
    assert result.shape == (1, 2, 4, 5)
    assert result.any()
    sure = abs(shares - 0.5) > 0.03
    assert np.array_equal(result[sure], shares[sure] > 0.5)


def test_half_a_cell_is_enough_and_frames_of_a_slot_are_joined():
    layout = VisualLayout(2, 1, 3, ((0,), (0, 1)))
    result = cell_masks(Boxes(), layout, np.array([0, 2]))
    assert result[0].tolist() == [[[True, False, False]], [[True, True, False]]]


def test_padding_belongs_to_no_object():
    layout = VisualLayout(1, 1, 3, ((0,),), view=View(0.0, 0.0, 1.0, 2.0))
    assert not cell_masks(Boxes(), layout, np.array([0])).any()


@pytest.mark.parametrize("world", ["base", "occlusion"])
def test_the_grid_of_the_whole_picture_is_the_area_average(world):
    clip, layout = make_world(world, 1), VisualLayout(3, 14, 14, SLOTS)
    result = cell_masks(clip, layout, INDICES)
    for slot, fed in enumerate(SLOTS):
        seen = np.logical_or.reduce([clip.masks(int(INDICES[k])) for k in fed])
        for number, mask in enumerate(seen.astype(np.float32)):
            average = cv2.resize(mask, (14, 14), interpolation=cv2.INTER_AREA)
            assert np.array_equal(result[number, slot], average >= 0.5)
