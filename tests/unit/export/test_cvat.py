import numpy as np
from constructed import make_explanation, moving_maps
from lxml import etree

from tam_video.export.exporting import export_explanation


def test_boxes_have_a_keyframe_at_both_ends_of_a_stretch_and_masks_at_its_start(tmp_path):
    export_explanation(make_explanation(moving_maps()), ["cvat", "cvat-masks"], tmp_path)
    told = {
        name: [
            (int(shape.get("frame")), int(shape.get("outside")))
            for shape in etree.parse(tmp_path / name).find("track")
        ]
        for name in ("cvat.xml", "cvat_masks.xml")
    }
    assert told["cvat.xml"] == [(3, 0), (6, 0), (7, 0), (11, 0), (12, 0), (15, 0), (16, 1)]
    assert told["cvat_masks.xml"] == [(3, 0), (7, 0), (12, 0), (16, 1)]


def test_labels_are_cut_to_what_cvat_takes(tmp_path):
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
