"""Keyframes and ranges of Label Studio, whose frames count from 1."""

from __future__ import annotations

import json

import pytest
from constructed import blobs, make_explanation

from tam_video.export.exporting import export_explanation


def test_boxes_have_keyframes_at_both_ends_and_are_off_after_a_run(tmp_path):
    # Four slots begin at the frames 0, 5, 12 and 18 of 24; nothing is hot in the third one.
    heat = blobs((4, 2, 4), [(0, 0, 0), (1, 1, 1), (3, 0, 3)])
    export_explanation(make_explanation(heat[None]), ["labelstudio"], tmp_path, keep="all")
    (task,) = json.loads((tmp_path / "labelstudio.json").read_text())
    (prediction,) = task["predictions"]
    box, *spans = prediction["result"]
    assert (box["value"]["framesCount"], box["value"]["duration"]) == (24, 2.4)
    assert box["value"]["labels"] == ["word0"]
    keyframes = box["value"]["sequence"]
    assert [(each["frame"], each["enabled"]) for each in keyframes] == [
        (1, True), (5, True), (6, True), (12, False), (19, True), (24, False)
    ]  # fmt: skip
    assert [each["time"] for each in keyframes] == [0.0, 0.4, 0.5, 1.1, 1.8, 2.3]
    # Percent of a picture of 90 x 60 pixels; the columns of cells meet at 22, 45 and 67.
    sides = [tuple(each[name] for name in ("x", "y", "width", "height")) for each in keyframes]
    wanted = [(0, 0, 2200 / 90, 50), (2200 / 90, 50, 2300 / 90, 50), (6700 / 90, 0, 2300 / 90, 50)]
    for index, side in enumerate(sides):
        assert side == pytest.approx(wanted[index // 2], abs=1e-5)
    ranges = [each["value"]["ranges"] for each in spans]
    assert ranges == [[{"start": 1, "end": 12}], [{"start": 19, "end": 24}]]
    assert [each["id"] for each in spans] == ["span-0-0", "span-0-1"]
