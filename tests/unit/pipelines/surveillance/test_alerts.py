"""Lines of alerts: whole, once, and not too many."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from constructed import make_explanation, make_info, moving_maps

from tam_video.errors import ExportError
from tam_video.pipelines.surveillance.alerts import AlertLog, Sighting, alert_line, read_alerts

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def sighting(seconds=1.0, moment=None, **given):
    base = {"camera": "yard", "question": "fire", "source": "abc"}
    return Sighting(**{**base, **given}, seconds=seconds, moment=moment)


def line(identity="a1", seen=None, explanation=None):
    return alert_line(
        identity,
        seen or sighting(),
        explanation or make_explanation(moving_maps(2)),
        window=(0.0, 2.4),
        details={"question": {"name": "fire", "text": "Fire?"}, "run": "runs/x"},
    )


def book(tmp_path, cooldown=10.0):
    made = AlertLog(tmp_path / "alerts.jsonl", cooldown)
    made.load()
    return made


def test_a_second_run_knows_the_alerts_of_the_first(tmp_path):
    book(tmp_path).append(line())
    again = book(tmp_path)
    assert again.has("a1")
    assert not again.has("a2")
    assert again.is_cooling(sighting(5.0))


def test_cooldown_is_of_one_camera_question_and_clock(tmp_path):
    found = book(tmp_path)
    assert not found.is_cooling(sighting())
    found.append(line())
    assert found.is_cooling(sighting(10.5))
    assert not found.is_cooling(sighting(11.5))
    for other in ({"camera": "door"}, {"question": "smoke"}, {"source": "def"}):
        assert not found.is_cooling(sighting(2.0, **other))


def test_cooldown_by_the_time_of_day_goes_on_in_the_next_file(tmp_path):
    found = book(tmp_path)
    found.append(line(seen=sighting(moment=NOON)))
    soon, late = NOON + timedelta(seconds=9), NOON + timedelta(seconds=11)
    assert found.is_cooling(sighting(source="def", moment=soon))
    assert not found.is_cooling(sighting(source="def", moment=late))


def test_a_torn_line_is_cut_off_and_damaged_ones_are_left_out(tmp_path):
    book(tmp_path).append(line())
    path = tmp_path / "alerts.jsonl"
    with path.open("a") as file:
        file.write('{"id": 1}\nno json\n{"id": "half')
    book(tmp_path).append(line("a2"))
    assert [alert["id"] for alert in read_alerts(path)] == ["a1", "a2"]
    assert path.read_text().endswith("}\n")


def test_times_count_from_the_first_frame_and_boxes_are_pixels():
    info = make_info(start_seconds=100.0)
    alert = line(explanation=make_explanation(moving_maps(2), info=info))
    start, end = alert["span_seconds"]
    assert 0 <= start < end <= 2.4
    word = alert["words"][0]
    assert word["word"] == "word0"
    assert word["spans_seconds"] == [[start, end]]
    assert [box["seconds"][0] for box in word["boxes"]] == sorted(
        box["seconds"][0] for box in word["boxes"]
    )
    assert word["boxes"][0]["box"] == [15, 0, 45, 20]
    json.dumps(alert, allow_nan=False)


def test_an_answer_that_looked_nowhere_is_told_with_its_window():
    alert = line(explanation=make_explanation(np.zeros((1, 2, 2, 2), np.float32)))
    assert alert["words"] == []
    assert alert["span_seconds"] == [0.0, 2.4]


def test_a_link_in_the_place_of_the_file_is_refused(tmp_path):
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "alerts.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ExportError):
        book(tmp_path)
