import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tam_video.evaluation.plots import bar_chart, curve_chart
from tam_video.metrics.statistics import UNDEFINED as NONE
from tam_video.metrics.statistics import Interval, mean_interval

SVG = "{http://www.w3.org/2000/svg}"


def bars(root):
    return [rect for rect in root.iter(f"{SVG}rect") if rect.get("height") == "16"]


def test_bars_are_to_scale_and_described_in_text():
    figures = {"tam": Interval(0.4, 0.3, 0.5, 90, 90), "<logit>": Interval(0.2, 0.1, 0.3, 90, 90)}
    root = ET.fromstring(bar_chart("vIoU", {**figures, "none": NONE}))
    long, short = (float(bar.get("width")) for bar in bars(root))
    assert long == pytest.approx(2 * short, abs=0.2)
    assert root.find(f"{SVG}title").text == "vIoU"
    assert "<logit> 0.200 [0.100, 0.300]" in root.find(f"{SVG}desc").text
    assert root.get("role") == "img"
    assert {"title", "about"} == {root.find(f"{SVG}{tag}").get("id") for tag in ("title", "desc")}


@pytest.mark.parametrize("mean", [-0.4, 0.0, 1.0, 1e-7, 123.4])
def test_everything_lies_inside_the_picture(mean):
    figures = {"tam": Interval(mean, mean - 0.1, mean + 0.1, 3, 3), "none": NONE}
    root = ET.fromstring(bar_chart("any", figures))
    width = float(root.get("width"))
    for bar in bars(root):
        assert 0 <= float(bar.get("x")) <= float(bar.get("x")) + float(bar.get("width")) <= width


def test_chart_without_any_value_is_drawn():
    assert not bars(ET.fromstring(bar_chart("any", {"tam": NONE})))


def test_single_clip_has_a_bar_without_an_interval():
    root = ET.fromstring(bar_chart("any", {"tam": mean_interval([0.5])}))
    assert len(bars(root)) == 1


def test_curves_run_from_the_left_to_the_right_end():
    curves = {"tam": np.array([0.9, 0.4, 0.1]), "zero": np.zeros(5)}
    root = ET.fromstring(curve_chart("Deletion", curves))
    lines = [line.get("points").split() for line in root.iter(f"{SVG}polyline")]
    assert [len(points) for points in lines] == [3, 5]
    ends = {(points[0].split(",")[0], points[-1].split(",")[0]) for points in lines}
    assert len(ends) == 1
    heights = [float(point.split(",")[1]) for point in lines[0]]
    assert heights == sorted(heights)
