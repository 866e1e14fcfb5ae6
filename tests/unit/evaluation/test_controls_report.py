import csv
import io
import json
import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tam_video.evaluation.controls import CONTROL_EXPERIMENT
from tam_video.evaluation.controls_settings import ControlSettings, chance_of
from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.report import make_report
from tam_video.metrics.statistics import clipped, difference_interval, mean_interval

SETTINGS = ControlSettings(
    methods=("tam", "logit"),
    metrics=("auc", "coherence"),
    parts=("controls", "lds", "flips"),
    worlds=("base", "pan"),
    clips=6,
)
SEEN = (0.05, 0.1, 1.0, None)


def make_control_report(rows, settings):
    return make_report(rows, settings, CONTROL_EXPERIMENT)


def rows():
    """The true run is far above chance, the controls are chance."""
    rng = np.random.default_rng(0)
    result = []
    for world in SETTINGS.worlds:
        for number in range(SETTINGS.clips):
            values = {name: {} for name in SETTINGS.explained}
            for name, record in values.items():
                for source in SETTINGS.sources if name in SETTINGS.methods else ("true",):
                    chance = rng.normal(0.5, 0.01)
                    lift = 0.4 if source == "true" and name in SETTINGS.methods else 0
                    record[f"{source}:auc"] = round(chance + lift + rng.normal(0, 0.02), 6)
                    record[f"{chance_of(source)}:auc"] = round(chance, 6)
                    record[f"{source}:coherence"] = 0.9
                    if source != "true":
                        record[f"{source}:spearman"] = 0.1
                record["true:lds"] = 0.2 if number else None
                if SEEN[number % 4] is not None:
                    record["seen:area"] = SEEN[number % 4]
            costs = {"sources": {"seconds": 2.0}, "flips": {"seconds": float(number)}}
            result.append(ClipRow(world, number, number, "", values, costs))
    return result


@pytest.fixture(scope="module")
def report():
    return make_control_report(rows(), SETTINGS)


def column(method, key, world=None):
    record = [row.values[method].get(key) for row in rows() if world in (None, row.world)]
    return [math.nan if value is None else value for value in record]


def test_figures_are_means_and_paired_differences_over_clips(report):
    figure = report.overall.methods["tam"]["swapped"]["auc"]
    own, chance, true = (
        column("tam", key) for key in ("swapped:auc", "chance of swapped:auc", "true:auc")
    )
    assert figure.value == mean_interval(own)
    assert figure.chance == mean_interval(chance)
    assert figure.above_chance == difference_interval(own, chance)
    assert figure.below_true == difference_interval(true, own)
    world = report.worlds["pan"].methods["tam"]["true"]["auc"]
    assert world.value == mean_interval(column("tam", "true:auc", "pan"))
    assert report.context["seconds"] == {"flips": 2.5, "sources": 2.0}


def test_only_the_true_run_is_above_chance(report):
    for name in SETTINGS.methods:
        stars = {
            source: figures["auc"].is_above_chance
            for source, figures in report.overall.methods[name].items()
        }
        assert stars.pop("true")
        assert sum(stars.values()) <= 1  # one of forty may be, by chance
    assert not report.overall.methods["random"]["true"]["auc"].is_above_chance


def test_what_has_no_better_side_has_no_chance(report):
    figure = report.overall.methods["tam"]["true"]["coherence"]
    assert figure.chance.n == figure.above_chance.n == 0
    assert not figure.is_above_chance


def test_answers_that_never_turn_stay_in_the_denominators(report):
    figure = report.overall.flips["tam"]["seen"]
    areas = [area for area in column("tam", "seen:area") if not math.isnan(area)]
    assert figure.amcr == clipped(mean_interval(areas), 0, 1)
    assert figure.csr_10 == mean_interval([float(area <= 0.1) for area in areas], is_rate=True)
    assert figure.amcr.n == figure.csr_10.n == len(areas)
    assert 1.0 in areas
    assert report.overall.flips["tam"]["hallucinated"].amcr.n == 0


def test_order_in_which_clips_were_finished_changes_nothing(report):
    assert make_control_report(rows()[::-1], SETTINGS).to_json() == report.to_json()


def test_json_and_csv_tell_the_same(report):
    document = json.loads(report.to_json())
    figure = document["methods"]["tam"]["blank"]["auc"]
    assert set(figure) == {"value", "chance", "above_chance", "below_true"}
    assert document["lds"]["tam"]["n"] == 10
    assert document["flips"]["tam"]["missed"]["amcr"]["mean"] is None
    assert set(document["worlds"]) == {"base", "pan"}
    lines = list(csv.DictReader(io.StringIO(report.to_csv())))
    record = {(r["world"], r["method"], r["source"], r["metric"]): r for r in lines}
    assert len(record) == len(lines)
    line = record["all", "tam", "blank", "auc"]
    assert float(line["mean"]) == figure["value"]["mean"]
    assert float(line["chance"]) == figure["chance"]["mean"]
    assert float(line["above_chance_low"]) == figure["above_chance"]["low"]
    assert record["all", "tam", "seen", "csr_10"]["n"] == "10"
    assert record["all", "tam", "hallucinated", "amcr"]["mean"] == ""


def test_table_has_a_row_for_each_source_and_for_chance(report):
    result = {row[0]: row[1:] for row in report.overall.rows("auc", SETTINGS)}
    assert list(result) == [*SETTINGS.sources, "chance of true"]
    assert all(text.endswith("*") for text in result["true"])
    left = {row[0] for row in report.overall.rows("spearman", SETTINGS)}
    assert left == set(SETTINGS.sources) - {"true"}
    assert report.overall.chance_text("auc").startswith("noise 0.5, random 0.")
    text = report.to_text(width=100)
    for part in ("all worlds: AUC", "pan: AUC", "LDS", "right yes", "no such answer", "\n* above"):
        assert part in text


def test_plots_are_pictures_with_every_source(report):
    plots = report.plots()
    assert {"tam_auc.svg", "logit_spearman.svg", "lds.svg", "flips_seen.svg"} <= set(plots)
    for text in plots.values():
        ET.fromstring(text)
    for name in (*SETTINGS.sources, "chance of true", "random", "centre"):
        assert f">{name}<" in plots["tam_auc.svg"]


def test_method_of_any_name_gives_a_file_in_the_folder():
    settings = SETTINGS.model_copy(update={"methods": ("../a b",), "worlds": ("base",)})
    record = [ClipRow("base", 0, 0, "", {name: {} for name in settings.explained}, {})]
    plots = make_control_report(record, settings).plots()
    assert ".._a_b_auc.svg" in plots


def test_no_clip_gives_a_report_without_values():
    report = make_control_report([], SETTINGS)
    assert report.overall.methods["tam"]["true"]["auc"].value.n == 0
    json.loads(report.to_json())
    report.plots()
    report.to_text(width=100)
