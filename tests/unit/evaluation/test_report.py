import csv
import io
import json
import math

import numpy as np
import pytest

from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.report import (
    cell,
    f1_interval,
    heading,
    make_report,
    table_rows,
    to_csv,
    to_json,
)
from tam_video.evaluation.settings import EvaluationSettings
from tam_video.metrics import Interval, bootstrap, paired_bootstrap

SETTINGS = EvaluationSettings(
    methods=("logit", "tam"),
    metrics=("viou", "f1_iou", "tiou", "insertion"),
    worlds=("base", "pan"),
    clips=4,
)


def rows():
    rng = np.random.default_rng(0)
    found = []
    for world in SETTINGS.worlds:
        for number in range(SETTINGS.clips):
            values = {}
            for method in SETTINGS.methods:
                draw = rng.random(4).round(6).tolist()
                names = ("viou", "obj_iou", "func_iou", "insertion")
                values[method] = {**dict(zip(names, draw, strict=True)), "tiou": None}
            costs = {method: {"passes": 2 * number, "seconds": 0.5} for method in SETTINGS.methods}
            curves = {"tam": {"insertion": [0.0, number / 4], "deletion": [1.0, 0.0]}}
            found.append(ClipRow(world, number, number, "", values, costs, curves))
    return found


def column(method, metric, world=None):
    return [r.values[method][metric] for r in rows() if world in (None, r.world)]


def test_means_are_over_clips_overall_and_per_world():
    report = make_report(rows(), SETTINGS)
    assert report.overall.methods["tam"]["viou"] == bootstrap(column("tam", "viou"))
    assert report.worlds["pan"].methods["tam"]["viou"] == bootstrap(column("tam", "viou", "pan"))
    assert report.costs["tam"] == {"passes": 3.0, "seconds": 0.5}
    np.testing.assert_allclose(report.curves["insertion"]["tam"], [0, 0.375])
    assert set(report.curves) == {"insertion"}


def test_order_in_which_clips_were_finished_changes_nothing():
    assert to_json(make_report(rows()[::-1], SETTINGS)) == to_json(make_report(rows(), SETTINGS))


def test_differences_are_paired_and_taken_from_tam():
    paired = make_report(rows(), SETTINGS).overall.paired
    assert list(paired["viou"]) == ["tam - logit"]
    expected = paired_bootstrap(column("tam", "viou"), column("logit", "viou"))
    assert paired["viou"]["tam - logit"] == expected


def test_f1_is_that_of_the_two_means_not_the_mean_of_f1():
    objects, functions = column("tam", "obj_iou"), column("tam", "func_iou")
    o, f = np.mean(objects), np.mean(functions)
    found = make_report(rows(), SETTINGS).overall
    assert found.methods["tam"]["f1_iou"].mean == pytest.approx(2 * o * f / (o + f))
    ours, other = (found.methods[name]["f1_iou"].mean for name in ("tam", "logit"))
    difference = found.paired["f1_iou"]["tam - logit"]
    assert difference.mean == pytest.approx(ours - other)
    assert difference.low < difference.mean < difference.high


def test_f1_of_clips_without_one_part_leaves_them_out():
    objects = np.array([0.2, math.nan, 0.4])
    functions = np.array([0.5, 0.9, math.nan])
    found = f1_interval(objects, functions)
    assert (found.n, found.mean) == (1, pytest.approx(2 * 0.2 * 0.5 / 0.7))
    assert f1_interval(objects[1:], functions[1:]).n == 0


def test_undefined_is_null_in_json_and_empty_in_csv():
    report = make_report(rows(), SETTINGS)
    document = json.loads(to_json(report))
    assert document["methods"]["tam"]["tiou"] == {"mean": None, "low": None, "high": None, "n": 0}
    assert set(document) == {"settings", "methods", "paired", "worlds", "costs"}
    lines = list(csv.DictReader(io.StringIO(to_csv(report))))
    assert len(lines) == 3 * 2 * 4
    (line,) = [row for row in lines if (row["world"], row["method"]) == ("all", "tam")][2:3]
    assert (line["metric"], line["mean"], line["n"]) == ("tiou", "", "0")


def test_no_clip_gives_a_report_without_values():
    report = make_report([], SETTINGS)
    assert report.overall.methods["tam"]["viou"].n == 0
    assert report.costs["tam"] == {"passes": None, "seconds": None}
    json.loads(to_json(report))


def test_table_rows_and_headings():
    (first, _) = table_rows(make_report(rows(), SETTINGS).overall, ["viou", "tiou"])
    assert first[0] == "logit"
    assert first[2] == "-"
    assert cell(Interval(0.5, 0.25, 1.0, 3)) == "0.500 [0.250, 1.000]"
    assert [heading(name) for name in ("viou", "deletion", "coherence")] == [
        "vIoU ↑",
        "Deletion AUC ↓",
        "Temporal coherence",
    ]
