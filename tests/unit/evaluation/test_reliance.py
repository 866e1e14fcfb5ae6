import csv
import io
import json
import math
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.datasets.shapes import COLORS, SHAPES
from tam_video.datasets.worlds import make_world
from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.reliance import (
    COLUMNS,
    RELIANCE,
    calibration,
    false_auc,
    flag_figure,
    word_interval,
    word_table,
)
from tam_video.evaluation.reliance_clip import injected_error_caption, lost_share
from tam_video.evaluation.reliance_settings import RelianceSettings
from tam_video.evaluation.report import make_report
from tam_video.metrics.statistics import mean_interval

SETTINGS = RelianceSettings(worlds=("base", "pan"), clips=3)


def word(reliance, *, false=None, blanked=0.5, hidden=None, probability=0.9, content=1.0):
    record = (reliance, probability, blanked, hidden, content, false)
    return dict(zip(COLUMNS, record, strict=True))


def rows():
    """False names have reliance 0.2, true ones 0.7; each clip has one of both, and a stray word."""
    result = []
    for world in SETTINGS.worlds:
        for number in range(SETTINGS.clips):
            values = {
                "caption/0/red": word(0.7, false=0.0, blanked=0.8, hidden=0.6),
                "caption/1/star": word(0.2, false=1.0, blanked=0.1, probability=0.95),
                "caption/2/and": word(0.5, blanked=0.2, content=0.0),
                "caption/3/it": word(None),
                "presence/0/ring": word(0.3, false=0.0, blanked=0.3, hidden=0.1),
                "planted/0/blue": word(0.6, false=1.0),
                "presence": {"yes": 1.0},
                "bait": {"yes": None if number else 0.0},
            }
            result.append(ClipRow(world, number, number, "A red star.", values, {}))
    return result


@pytest.fixture(scope="module")
def report():
    return make_report(rows(), SETTINGS, RELIANCE)


def slow_auc(low, high):
    pairs = [(a, b) for a in low for b in high]
    return sum(1.0 if a < b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)


VALUES = st.lists(st.integers(0, 4).map(lambda k: k / 4), min_size=1, max_size=6)


@given(VALUES, VALUES)
@settings(deadline=None, max_examples=40)
def test_auc_of_false_names_equals_reference_implementation(low, high):
    table = [list(word(value, false=1.0).values()) for value in low]
    table += [list(word(value, false=0.0).values()) for value in high]
    words = np.array([[math.nan if v is None else v for v in line] for line in table])
    assert false_auc(words, "reliance") == pytest.approx(slow_auc(low, high))


@given(VALUES, VALUES, st.sampled_from([0.1, 0.25, 0.6, 1.0]))
@settings(deadline=None, max_examples=30)
def test_flags_equals_reference_implementation(low, high, threshold):
    row = ClipRow("base", 0, 0, "", {}, {})
    named = [(value, 1.0) for value in low] + [(value, 0.0) for value in high]
    for number, (value, false) in enumerate(named):
        row.values[f"caption/{number}/x"] = word(value, false=false)
    figure = flag_figure([word_table(row, ("caption",))], threshold)
    flagged = [false for value, false in named if value < threshold]
    assert (figure.num_words, figure.num_false) == (len(named), len(low))
    assert figure.recall.mean == pytest.approx(sum(v < threshold for v in low) / len(low))
    assert figure.false_alarms.mean == pytest.approx(sum(v < threshold for v in high) / len(high))
    if flagged:
        assert figure.precision.mean == pytest.approx(sum(flagged) / len(flagged))
    else:
        assert figure.precision.n == 0


def test_groups_have_their_words_and_words_without_evidence_are_left_out(report):
    flags = report.overall.flags
    assert {name: (each.num_words, each.num_false) for name, each in flags.items()} == {
        "caption": (12, 6),
        "presence": (6, 0),
        "said": (18, 6),
        "planted": (6, 6),
    }
    assert flags["caption"].auc["reliance"].mean == 1
    assert flags["caption"].auc["probability"].mean == 0
    assert flags["said"].precision.mean == 0.5
    assert flags["said"].recall.mean == 1
    assert flags["planted"].recall.mean == 0
    assert flags["presence"].auc["reliance"].n == 0
    assert report.overall.correlations["all words"].mean == pytest.approx(0.8)
    assert report.overall.answers == {
        "presence": {"yes": 6, "no": 0, "neither": 0},
        "bait": {"yes": 0, "no": 2, "neither": 4},
    }


def test_calibration_bins_hold_every_word_once(report):
    bins = report.overall.calibration
    assert [each.num_words for each in bins] == [0, 12, 6, 6, 0]
    assert bins[1].reliance == pytest.approx(0.25)
    assert bins[1].blanked == pytest.approx(0.2)
    assert bins[0].reliance is None
    expected = (12 * 0.05 + 6 * 0.3 + 6 * 0.1) / 24
    assert report.overall.calibration_error == pytest.approx(expected, abs=1e-4)
    edge = np.array([[1.0, 1, 1, math.nan, 1, math.nan]])
    assert calibration([edge])[-1].num_words == 1


def test_clips_are_resampled_whole():
    tables = [np.full((2, 6), value) for value in (0.2, 0.4, 0.6)]
    interval = word_interval(tables, lambda words: float(words.mean()), bounds=(0, 1))
    expected = mean_interval([0.2, 0.4, 0.6])
    assert (interval.mean, interval.n) == (pytest.approx(0.4), 3)
    assert interval.high == pytest.approx(expected.high)
    assert word_interval([], lambda words: 1.0, bounds=(0, 1)).n == 0


def test_no_clip_gives_a_report_without_figures():
    report = make_report([], SETTINGS, RELIANCE)
    assert report.overall.calibration_error is None
    assert "calibration, error -" in report.to_text()
    json.dumps(report.as_dict(), allow_nan=False)


def test_report_does_not_depend_on_the_order_of_the_clips(report):
    assert make_report(rows()[::-1], SETTINGS, RELIANCE).as_dict() == report.as_dict()


def test_files_are_read_by_their_readers(report):
    lines = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert {line["world"] for line in lines} == {"all", "base", "pan"}
    (auc,) = [
        line
        for line in lines
        if (line["world"], line["group"], line["figure"]) == ("all", "caption", "auc of reliance")
    ]
    assert float(auc["mean"]) == 1
    record = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert record["flags"]["presence"]["auc"]["reliance"]["mean"] is None
    assert record["calibration"][1]["num_words"] == 12
    assert "methods" not in record["settings"]
    for text in report.plots().values():
        ET.fromstring(text)


def test_tables_tell_all_worlds_and_each(report):
    text = report.to_text(width=100)
    for title in ("all worlds: calibration", "base: names flagged", "pan: Spearman"):
        assert title in text


@given(st.integers(0, 300), st.sampled_from(["base", "distractors", "pan"]))
@settings(deadline=None, max_examples=15)
def test_injected_error_caption_has_one_name_that_is_true_of_nothing(seed, world):
    clip = make_world(world, seed, split="dev")
    text = injected_error_caption(clip, np.random.default_rng(seed))
    words = text.casefold().replace(",", "").replace(".", "").split()
    names = [each for each in words if each in COLORS or each in SHAPES]
    true = {name for item in clip.objects for name in (item.color, item.shape)}
    assert len(names) == 2 * len(clip.objects)
    assert sum(name not in true for name in names) == 1
    assert text[0].isupper()
    for article, name in pairwise(words):
        if article in ("a", "an"):
            assert (article == "an") == (name[0] in "aeiou")


def test_lost_share_is_of_the_whole_word_and_a_gain_is_none():
    shown = np.log([0.5, 0.8])
    assert lost_share(shown, np.log([0.25, 0.4])) == pytest.approx(0.75)
    assert lost_share(shown, np.log([0.9, 0.9])) == 0
    assert lost_share(shown, np.array([-1e9, 0.0])) == 1


def test_the_threshold_changes_no_measured_value():
    one, two = (RelianceSettings(threshold=value).identity() for value in (0.3, 0.5))
    assert one == two
    assert one["evaluation"] == "reliance"
    with pytest.raises(Exception, match="threshold"):
        RelianceSettings.make({"threshold": 0.0})
