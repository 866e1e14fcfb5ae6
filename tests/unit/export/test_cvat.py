import numpy as np
from constructed import make_explanation, moving_maps
from hypothesis import given
from hypothesis.extra import numpy as hnp
from lxml import etree

from tam_video.export.cvat import row_runs
from tam_video.export.exporting import export_explanation

EXAMPLE = [3, 5, 7, 7, 5, 9, 3, 11, 2, 11, 2, 12, 1, 12, 1, 26, 1, 12, 1, 12, 2, 11, 3, 9, 5, 7]
EXAMPLE += [7, 5, 3]
"""The mask of 13 x 15 pixels in CVAT's documentation of its XML format."""


def row_mask(runs, *, width, height):
    """The mask, bool [height, width], of the result of `row_runs`."""
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)


def slow_runs(mask):
    runs, value = [0], False
    for pixel in mask.ravel().tolist():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)))
def test_runs_are_those_of_a_reference_implementation_and_come_back(mask):
    runs = row_runs(mask)
    assert runs == slow_runs(mask)
    assert sum(runs) == mask.size
    height, width = mask.shape
    assert np.array_equal(row_mask(runs, width=width, height=height), mask)


def test_the_documented_example_is_reproduced():
    mask = row_mask(EXAMPLE, width=13, height=15)
    assert row_runs(mask) == EXAMPLE
    # A filled ellipse is in one piece in each row and column. Read column by column, or with the
    # foreground first, it is not.
    for axis in (0, 1):
        assert (np.abs(np.diff(mask.astype(int), axis=axis)).sum(axis=axis) <= 2).all()
    assert mask[7].all()


def test_a_mask_that_begins_with_foreground_has_an_empty_first_run():
    assert row_runs(np.array([[True, False]])) == [0, 1, 1]


def test_boxes_have_a_keyframe_at_both_ends_of_a_stretch_and_masks_at_its_start(tmp_path):
    export_explanation(make_explanation(moving_maps()), ["cvat", "cvat-masks"], tmp_path)
    keyframes = {
        name: [
            (int(shape.get("frame")), int(shape.get("outside")))
            for shape in etree.parse(tmp_path / name).find("track")
        ]
        for name in ("cvat.xml", "cvat_masks.xml")
    }
    assert keyframes["cvat.xml"] == [(3, 0), (6, 0), (7, 0), (11, 0), (12, 0), (15, 0), (16, 1)]
    assert keyframes["cvat_masks.xml"] == [(3, 0), (7, 0), (12, 0), (16, 1)]


def test_labels_are_cut_to_the_length_that_cvat_allows(tmp_path):
    words = ["x" * 70, "x" * 80, "short"]
    export_explanation(make_explanation(moving_maps(3), words=words), ["cvat"], tmp_path)
    root = etree.parse(tmp_path / "cvat.xml").getroot()
    assert [name.text for name in root.iterfind(".//label/name")] == ["x" * 64, "short"]
    assert [track.get("label") for track in root.iterfind("track")] == ["x" * 64] * 2 + ["short"]


def test_a_mask_is_cropped_to_its_box(tmp_path):
    maps = np.zeros((1, 1, 3, 3), np.float32)
    maps[0, 0, 1, 1], maps[0, 0, 2, 2] = 1.0, 0.9
    export_explanation(make_explanation(maps), ["cvat-masks"], tmp_path)
    (shape,) = etree.parse(tmp_path / "cvat_masks.xml").find("track")
    sides = [int(shape.get(side)) for side in ("left", "top", "width", "height")]
    assert sides == [30, 20, 60, 40]
    # Two rectangles of 30 x 20: 20 rows of half foreground, half background, then the reverse.
    assert shape.get("rle") == "0, " + "30, " * 39 + "60, " + "30, " * 38 + "30"
