import csv
import io
import json
import math

import numpy as np
import pytest

from tam_video.evaluation import report as report_module
from tam_video.evaluation.aggregate import Samples, Series, measured_rows
from tam_video.evaluation.comparison import SHAPES, compare
from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.settings import ShapesSettings
from tam_video.evaluation.tables import Table, cell, heading, table_text
from tam_video.metrics.statistics import (
    UNDEFINED,
    Interval,
    clipped,
    difference_interval,
    mean_interval,
)

SETTINGS = ShapesSettings(
    methods=("logit", "tam"),
    metrics=("viou", "f1_iou", "tiou", "insertion"),
    worlds=("base", "pan"),
    clips=4,
)


def make_report(rows, settings):
    return report_module.make_report(rows, settings, SHAPES)


def rows():
    rng = np.random.default_rng(0)
    result = []
    for world in SETTINGS.worlds:
        for number in range(SETTINGS.clips):
            values = {}
            for method in SETTINGS.methods:
                draw = rng.random(4).round(6).tolist()
                names = ("viou", "obj_iou", "func_iou", "insertion")
                values[method] = {**dict(zip(names, draw, strict=True)), "tiou": None}
            costs = {method: {"passes": 2 * number, "seconds": 0.5} for method in SETTINGS.methods}
            curves = {"tam": {"insertion": [0.0, number / 4], "deletion": [1.0, 0.0]}}
            result.append(ClipRow(world, number, number, "", values, costs, curves))
    return result


def column(method, metric, world=None):
    return [r.values[method][metric] for r in rows() if world in (None, r.world)]


def test_means_are_over_clips_overall_and_per_world():
    report = make_report(rows(), SETTINGS)
    assert report.overall.methods["tam"]["viou"] == mean_interval(column("tam", "viou"))
    assert report.worlds["pan"].methods["tam"]["viou"] == mean_interval(
        column("tam", "viou", "pan")
    )
    assert report.context["costs"]["tam"] == {"passes": 3.0, "seconds": 0.5}
    np.testing.assert_allclose(report.overall.curves["insertion"]["tam"], [0, 0.375])
    assert set(report.overall.curves) == {"insertion"}


def test_order_in_which_clips_were_finished_changes_nothing():
    assert make_report(rows()[::-1], SETTINGS).to_json() == make_report(rows(), SETTINGS).to_json()


def test_differences_are_paired_and_taken_from_tam():
    paired = make_report(rows(), SETTINGS).overall.paired
    assert list(paired["viou"]) == ["tam - logit"]
    expected = difference_interval(column("tam", "viou"), column("logit", "viou"))
    assert paired["viou"]["tam - logit"] == expected


def test_f1_is_that_of_the_two_means_not_the_mean_of_f1():
    objects, functions = column("tam", "obj_iou"), column("tam", "func_iou")
    o, f = np.mean(objects), np.mean(functions)
    result = make_report(rows(), SETTINGS).overall
    assert result.methods["tam"]["f1_iou"].mean == pytest.approx(2 * o * f / (o + f))
    ours, other = (result.methods[name]["f1_iou"].mean for name in ("tam", "logit"))
    difference = result.paired["f1_iou"]["tam - logit"]
    assert difference.mean == pytest.approx(ours - other)
    assert difference.low < difference.mean < difference.high


def test_f1_of_clips_without_one_part_leaves_them_out():
    parts = [(0.2, 0.5), (None, 0.9), (0.4, None)]
    clips = [
        ClipRow("base", k, k, "", {"tam": {"obj_iou": o, "func_iou": f}}, {})
        for k, (o, f) in enumerate(parts)
    ]
    f1 = Samples(clips).mean(Series("tam", "f1_iou"))
    assert (f1.n, f1.mean) == (1, pytest.approx(2 * 0.2 * 0.5 / 0.7))
    assert Samples(clips[1:]).mean(Series("tam", "f1_iou")).n == 0


def test_rows_name_clip_method_source_and_metric():
    clip = ClipRow(
        "pan",
        3,
        3,
        "",
        {"tam": {"viou": None}, "logit": {"blank:auc": 0.5}},
        {},
        counts={"tam": {"viou": 0}, "logit": {"blank:auc": 7}},
    )
    first, second = measured_rows(clip)
    assert first[:4] == (("pan", 3), "tam", "", "viou")
    assert math.isnan(first.value)
    assert second == (("pan", 3), "logit", "blank", "auc", 0.5, 7)


def test_undefined_is_null_in_json_and_empty_in_csv():
    report = make_report(rows(), SETTINGS)
    document = json.loads(report.to_json())
    assert document["methods"]["tam"]["tiou"] == UNDEFINED.as_dict()
    assert set(document) == {"settings", "methods", "paired", "clips", "worlds", "costs"}
    lines = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert len(lines) == 3 * 2 * 4
    (line,) = [row for row in lines if (row["world"], row["method"]) == ("all", "tam")][2:3]
    assert (line["metric"], line["mean"], line["n"]) == ("tiou", "", "0")


def test_no_clip_gives_a_report_without_values():
    report = make_report([], SETTINGS)
    assert report.overall.methods["tam"]["viou"].n == 0
    assert report.context["costs"]["tam"] == {"passes": None, "seconds": None}
    json.loads(report.to_json())
    report.to_text(width=100)


def test_cells_mark_few_clips_and_show_the_number_where_some_are_undefined():
    assert cell(Interval(0.5, 0.25, 1.0, 40, 40)) == "0.500 [0.250, 1.000]"
    assert cell(Interval(0.5, 0.25, 1.0, 40, 40), 40) == "0.500 [0.250, 1.000]"
    assert cell(Interval(0.5, 0.25, 1.0, 40, 40), 50) == "0.500 [0.250, 1.000] n=40"
    assert cell(Interval(0.5, 0.25, 1.0, 40, 9), 50) == "0.500 [0.250, 1.000]† n=40"
    assert cell(mean_interval([0.5])) == "0.500 [-, -]†"
    assert cell(UNDEFINED, 3) == "-"


def test_table_of_all_worlds_and_each_with_a_footnote():
    text = make_report(rows(), SETTINGS).to_text(width=100)
    for part in (
        "all worlds: mean",
        "over 8 clips",
        "base: mean",
        "pan: mean",
        "│ logit",
        "\n† fewer",
    ):
        assert part in text
    assert max(map(len, text.splitlines())) <= 100


def test_table_that_is_too_wide_is_split():
    table = Table("title", ["method", "a", "b"], [["tam", "x" * 20, "y" * 20]])
    narrow, wide = (table_text(table, width=width) for width in (40, 60))
    assert narrow.count("title") == 2
    assert wide.count("title") == 1
    assert max(map(len, narrow.splitlines())) <= 40


def test_headings_point_in_the_good_direction():
    assert [heading(name) for name in ("viou", "deletion", "coherence")] == [
        "vIoU ↑",
        "Deletion AUC ↓",
        "Temporal coherence",
    ]


def counted_rows():
    """Three items of two sources; the values of a clip are means of some words."""
    record = [("a", 0.2, 1, 0.5, 2), ("a", 0.8, 3, None, 0), ("b", None, 0, 1.0, 6)]
    return [
        ClipRow(
            world="base",
            number=number,
            seed=number,
            answer="",
            values={m: {"obj_iou": o, "func_iou": f} for m in ("logit", "tam")},
            costs={},
            source=source,
            counts={m: {"obj_iou": o_words, "func_iou": f_words} for m in ("logit", "tam")},
        )
        for number, (source, o, o_words, f, f_words) in enumerate(record)
    ]


def test_means_are_over_words_where_words_are_counted():
    settings = SETTINGS.model_copy(update={"metrics": ("obj_iou", "func_iou", "f1_iou")})
    settings = settings.model_copy(update={"worlds": ("base",)})
    result = compare(counted_rows(), settings)
    objects, functions = (0.2 + 3 * 0.8) / 4, (2 * 0.5 + 6 * 1.0) / 8
    figures = result.methods["tam"]
    assert figures["obj_iou"].mean == pytest.approx(objects)
    assert figures["func_iou"].mean == pytest.approx(functions)
    f1 = 2 * objects * functions / (objects + functions)
    assert figures["f1_iou"].mean == pytest.approx(f1)
    assert (figures["obj_iou"].n, figures["f1_iou"].n) == (2, 3)
    assert result.paired["f1_iou"]["tam - logit"].mean == 0.0


def test_items_of_one_source_are_drawn_together():
    settings = SETTINGS.model_copy(update={"metrics": ("viou",), "worlds": ("base",)})
    rows = [
        ClipRow(
            "base", k, k, "", {m: {"viou": k / 10} for m in ("logit", "tam")}, {}, source=str(k % 2)
        )
        for k in range(10)
    ]
    result = make_report(rows, settings).overall.methods["tam"]["viou"]
    expected = mean_interval([k / 10 for k in range(10)], clusters=[str(k % 2) for k in range(10)])
    assert result == clipped(expected, 0, 1)  # vIoU lies in [0, 1]
    assert (result.n, result.sources) == (10, 2)
