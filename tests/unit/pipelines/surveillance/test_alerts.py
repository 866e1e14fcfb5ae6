"""The log of alerts: complete lines, no repetition, the cooldown."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from constructed import make_explanation, make_info, moving_maps

from tam_video.errors import ExportError
from tam_video.pipelines.surveillance.alerts import AlertLog, alert_line, read_alerts

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def sighting(seconds=1.0, moment=None, camera="yard", question="fire", source="abc"):
    return {
        "camera": camera,
        "question": {"name": question, "text": "Fire?"},
        "source": source,
        "seconds": seconds,
        "time": moment and moment.isoformat(),
    }


def line(identity="a1", explanation=None, **given):
    return alert_line(
        explanation or make_explanation(moving_maps(2)),
        window=(0.0, 2.4),
        id=identity,
        run="runs/x",
        **sighting(**given),
    )


def load(tmp_path, cooldown=10.0):
    log = AlertLog(tmp_path / "alerts.jsonl", cooldown)
    log.load()
    return log


def test_a_second_run_loads_the_alerts_of_the_first(tmp_path):
    load(tmp_path).append(line())
    again = load(tmp_path)
    assert again.has("a1")
    assert not again.has("a2")
    assert again.is_cooling(sighting(5.0))


def test_cooldown_is_per_camera_question_and_file(tmp_path):
    log = load(tmp_path)
    assert not log.is_cooling(sighting())
    log.append(line())
    assert log.is_cooling(sighting(10.5))
    assert not log.is_cooling(sighting(11.5))
    for other in ({"camera": "door"}, {"question": "smoke"}, {"source": "def"}):
        assert not log.is_cooling(sighting(2.0, **other))


def test_cooldown_by_time_of_day_continues_in_the_next_file(tmp_path):
    log = load(tmp_path)
    log.append(line(moment=NOON))
    soon, late = NOON + timedelta(seconds=9), NOON + timedelta(seconds=11)
    assert log.is_cooling(sighting(source="def", moment=soon))
    assert not log.is_cooling(sighting(source="def", moment=late))


def test_an_incomplete_line_is_removed_and_damaged_ones_are_skipped(tmp_path):
    load(tmp_path).append(line())
    path = tmp_path / "alerts.jsonl"
    with path.open("a") as file:
        file.write('{"id": 1}\nno json\n{"id": "half')
    load(tmp_path).append(line("a2"))
    assert [alert["id"] for alert in read_alerts(path)] == ["a1", "a2"]
    assert path.read_text().endswith("}\n")


def test_times_count_from_the_first_frame_and_boxes_are_in_pixels():
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


def test_an_answer_without_spans_is_listed_with_its_window():
    alert = line(explanation=make_explanation(np.zeros((1, 2, 2, 2), np.float32)))
    assert alert["words"] == []
    assert alert["span_seconds"] == [0.0, 2.4]


def test_a_symbolic_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "alerts.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ExportError):
        load(tmp_path)
