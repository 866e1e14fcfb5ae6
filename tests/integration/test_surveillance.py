"""Surveillance with the embedded model: files, segments, streams; killed and resumed runs."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from damage import change_a_byte
from my_engine import ThreadEngine
from surveillance_workers import KilledWatchWork

from benchmarks.live_server import Drop, LiveServer, coded_frames, read_numbers
from benchmarks.long_video import QUESTION, make_long_video
from tam_video.batch import work as batch_work
from tam_video.batch.ledger import ResultLog
from tam_video.errors import ConfigError, OutputExistsError
from tam_video.export.document import read_explanation
from tam_video.models import load_model
from tam_video.pipelines.preset import read_preset
from tam_video.pipelines.surveillance import (
    Surveillance,
    SurveillanceOptions,
    pipeline,
    redaction,
    watch,
)
from tam_video.video.live import read_segment
from tam_video.video.live.segments import SegmentWriter
from tam_video.video.reader import open_video
from tam_video.video.writer import write_video

CHECKOUT = Path(__file__).parents[2]
SHARED_MEDIA = CHECKOUT / "../shared/media"
ALWAYS = {"name": "any", "ask": "What happens?", "always": True}
QUICK = {
    "run": {"num_frames": 4, "max_new_tokens": 8, "speed_preset": "ultrafast"},
    "alerts": {"cooldown_seconds": 0, "before_seconds": 1, "after_seconds": 1, "report": False},
}


@pytest.fixture(scope="module", autouse=True)
def _one_model():
    """Load the model once, and run workers as threads of this process."""
    model = load_model("tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "load_model_from_config", lambda _: model)
        patch.setattr(pipeline, "ENGINE", ThreadEngine)
        yield


@pytest.fixture(scope="module")
def yard(tmp_path_factory):
    """20 s of a static, noisy scene; a bright square crosses it from 8 s to 11 s."""
    path = tmp_path_factory.mktemp("yard") / "yard.mp4"
    rng = np.random.default_rng(0)

    def frames():
        for number in range(200):
            noise = rng.normal(50, 2, (96, 160, 1)).clip(0, 255).astype(np.uint8)
            rgb = np.repeat(noise, 3, axis=2)
            if 80 <= number < 110:
                left = 10 + (number - 80) * 4
                rgb[30:54, left : left + 24] = (230, 40, 40)
            yield (number / 10, rgb)

    write_video(path, frames(), width=160, height=96, speed_preset="ultrafast")
    return path


def made(inputs, output, **given):
    base = {"pipeline": "surveillance", "inputs": tuple(map(str, inputs)), "output": output}
    options = {**QUICK, "questions": [ALWAYS], **given}
    return Surveillance.from_options(SurveillanceOptions(**base, **options))


def alerts(output):
    path = output / "alerts.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def bytes_of(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".work" not in path.parts
    }


def test_the_preset_runs_on_the_samples(tmp_path):
    preset = CHECKOUT / "pipelines" / "surveillance.toml"
    options = read_preset(preset, overrides={"output": str(tmp_path / "out")})
    result = Surveillance.from_options(options).run()
    (alert,) = alerts(tmp_path / "out")
    assert alert["file"] == "shapes.mp4"
    assert alert["answer"] == "Yes, there is a purple triangle."
    assert alert["yes_probability"] > 0.9
    assert {word["word"] for word in alert["words"]} >= {"purple", "triangle"}
    assert set(alert["files"]) == {"annotated", "clip", "report"}
    for name in alert["files"].values():
        assert (tmp_path / "out" / name).is_file()
    assert result.opens == tmp_path / "out" / "index.html"
    assert result.num_failed == 0
    assert result.summary["num_files"] == 2


def test_only_windows_with_motion_are_explained_and_the_alert_is_on_time(yard, tmp_path):
    result = made([yard], tmp_path).run()
    (alert,) = alerts(tmp_path)
    assert alert["seconds"] == pytest.approx(8, abs=0.5)
    start, end = alert["window_seconds"]
    assert 6 < start < 8
    assert 11 < end < 13.5
    assert result.summary["active_seconds"] < 7
    boxes = [box for look in alert["moving"] for box in look["boxes"]]
    assert boxes
    assert all(top >= 20 and bottom <= 64 for _, top, _, bottom in boxes)


def test_the_clip_contains_the_event_with_time_before_and_after(yard, tmp_path):
    made([yard], tmp_path).run()
    (alert,) = alerts(tmp_path)
    start, end = alert["window_seconds"]
    run = tmp_path / alert["run"]
    with open_video(run / "event.mp4") as clip, open_video(run / "annotated.mp4") as drawn:
        assert clip.info.duration_seconds == pytest.approx(end - start + 2, abs=0.25)
        assert drawn.info.num_frames == clip.info.num_frames
        picture = clip.read([round((8.5 - start + 1) * 10)]).frames[0]
    assert picture[30:54, 40:50, 0].mean() > 180  # the square, half a second after it came
    explanation = read_explanation(run)
    assert explanation.info.path == run / "event.mp4"
    assert 1 <= explanation.pts_seconds[0] <= explanation.pts_seconds[-1] <= 1 + end - start


def test_a_second_start_does_nothing_and_force_repeats_all(yard, tmp_path, monkeypatch):
    made([yard], tmp_path).run()
    before = bytes_of(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(batch_work, "explain_frames", None)
        patch.setattr(redaction, "looks", None)
        result = made([yard], tmp_path).run()
    assert result.summary["num_resumed"] == 1
    assert bytes_of(tmp_path) == before
    result = made([yard], tmp_path).run(force=True)
    assert (result.summary["num_alerts"], result.summary["num_resumed"]) == (1, 0)
    assert len(alerts(tmp_path)) == 1


@pytest.mark.parametrize("damage", ["truncated", "changed"])
def test_a_damaged_alert_is_written_again(yard, tmp_path, damage):
    made([yard], tmp_path).run()
    (alert,) = alerts(tmp_path)
    clip = tmp_path / alert["files"]["clip"]
    before = clip.read_bytes()
    if damage == "truncated":
        clip.write_bytes(before[:100])
    else:
        change_a_byte(clip)
        assert made([yard], tmp_path).run().summary["num_resumed"] == 1
        assert clip.read_bytes() != before
    result = made([yard], tmp_path, verify=damage == "changed").run()
    assert (result.summary["num_resumed"], result.summary["num_alerts"]) == (0, 0)
    assert clip.read_bytes() == before
    assert alerts(tmp_path) == [alert]
    assert made([yard], tmp_path, verify=True).run().summary["num_resumed"] == 1


def test_start_and_end_limit_the_windows_and_a_window_without_frames_is_skipped(yard, tmp_path):
    part = {**QUICK["run"], "render": False, "start_seconds": 8.02, "end_seconds": 10.05}
    result = made([yard], tmp_path, run=part, window_seconds=2, motion={"enabled": False}).run()
    assert [alert["window_seconds"] for alert in alerts(tmp_path)] == [[8.02, 10.05]]
    hair = {**part, "start_seconds": 8.02, "end_seconds": 8.06}
    result = made([yard], tmp_path / "hair", run=hair).run()
    assert (result.num_failed, result.summary["num_windows"]) == (0, 0)


TWO_QUESTIONS = {
    "questions": [ALWAYS, {**ALWAYS, "name": "other", "ask": "Describe the video."}],
    "run": {**QUICK["run"], "render": False},
}


@pytest.fixture(scope="module")
def whole(yard, tmp_path_factory):
    """The alerts of a run that was not interrupted."""
    output = tmp_path_factory.mktemp("whole")
    made([yard], output, **TWO_QUESTIONS).run()
    return alerts(output)


def same_alerts(output, whole):
    folders = {path.name for path in (output / "runs").iterdir()}
    return alerts(output) == whole and folders == {Path(alert["run"]).name for alert in whole}


@pytest.mark.parametrize("step", ["write_event", "append"])
def test_a_worker_killed_at_any_step_is_replaced(yard, whole, tmp_path, monkeypatch, step):
    """Before the run folder is written, or after the line of the alert."""
    monkeypatch.setattr(pipeline, "ENGINE", "local")
    monkeypatch.setattr(pipeline, "WatchWork", KilledWatchWork)
    monkeypatch.setenv("KILL_STEP", step)
    monkeypatch.setenv("KILL_MARKER", str(tmp_path / "killed"))
    made([yard], tmp_path / "out", **TWO_QUESTIONS).run()
    assert (tmp_path / "killed").is_file()
    assert same_alerts(tmp_path / "out", whole)


def test_a_run_killed_before_a_ledger_line_is_resumed(yard, whole, tmp_path, monkeypatch):
    class KilledError(BaseException):
        pass

    def kill(*_, **__):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(ResultLog, "append", kill)
        with pytest.raises(KilledError):
            made([yard], tmp_path / "out", **TWO_QUESTIONS).run()
    made([yard], tmp_path / "out", **TWO_QUESTIONS).run()
    assert same_alerts(tmp_path / "out", whole)


def test_a_damaged_file_fails_alone_and_is_retried(yard, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "bad.mp4").write_bytes(b"this is no video")
    shutil.copy(yard, folder / "good.mp4")
    result = made([folder, tmp_path / "missing"], tmp_path / "out").run()
    assert result.num_failed == 2
    assert len(alerts(tmp_path / "out")) == 1
    (folder / "bad.mp4").write_bytes(yard.read_bytes() + b"\0\0\0\x08free")
    result = made([folder], tmp_path / "out").run()
    assert result.num_failed == 0
    assert result.summary["num_files"] == 1
    assert result.summary["num_resumed"] == 1


def test_other_settings_and_other_folders_are_refused(yard, tmp_path):
    made([yard], tmp_path / "out", questions=[{**ALWAYS, "always": False, "pattern": "xyz"}]).run()
    assert alerts(tmp_path / "out") == []
    with pytest.raises(OutputExistsError, match="other settings: surveillance"):
        made([yard], tmp_path / "out").run()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(OutputExistsError):
            made([yard], tmp_path / "full").run(force=force)
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"mine\.txt"):
        made([yard], tmp_path / "out").run(force=True)
    with pytest.raises(ConfigError, match="does not exist"):
        made([tmp_path / "none"], tmp_path / "new").run()


def test_the_cooldown_suppresses_alerts(yard, tmp_path):
    given = {"window_seconds": 2, "motion": {"enabled": False}}
    given["alerts"] = {**QUICK["alerts"], "cooldown_seconds": 7, "show_motion": False}
    given["run"] = {**QUICK["run"], "render": False}
    result = made([yard], tmp_path, **given).run()
    assert [alert["seconds"] for alert in alerts(tmp_path)] == [0, 8, 16]
    assert result.summary["num_windows"] == 10
    assert result.summary["num_cooling"] == 7


def test_moving_objects_are_in_no_written_frame(yard, tmp_path, monkeypatch):
    seen = []
    original = batch_work.explain_frames

    def spy(frames, *args, **kwargs):
        seen.append(frames.batches[0].frames)
        return original(frames, *args, **kwargs)

    monkeypatch.setattr(batch_work, "explain_frames", spy)
    redact = {"motion": True, "boxes": [[0, 0, 0.2, 0.2]], "style": "black", "before_model": True}
    given = {"run": {**QUICK["run"], "opacity": 0.0}, "redact": redact}
    made([yard], tmp_path, alerts={**QUICK["alerts"], "report": True}, **given).run()
    (alert,) = alerts(tmp_path)
    run = tmp_path / alert["run"]
    for name in ("event.mp4", "annotated.mp4", "clip.mp4"):
        with open_video(run / name) as reader:
            for frame in reader.frames():
                rgb = frame.rgb[:96].astype(int)
                red = rgb[..., 0] - rgb[..., 1]
                outside = np.ones(red.shape, bool)
                if name == "annotated.mp4":  # the boxes around what moves
                    outside[rgb[..., 2] < 90] = False
                assert (red[outside] > 90).sum() < 12, (name, frame.index)
                assert rgb[:15, :28].max() < 90
    assert all((frames[..., 0].astype(int) - frames[..., 1] < 60).all() for frames in seen)


@pytest.fixture
def segments(yard, tmp_path):
    """The yard as two segments of a recording, cut at 9 s, amid the event."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    recoded = tmp_path / "keys.mp4"
    with open_video(yard) as reader:
        frames = ((f.pts_seconds, f.rgb) for f in reader.frames())
        write_video(recoded, frames, width=160, height=96, average_fps=Fraction(1))
    with av.open(str(recoded)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        keys = [n for n, packet in enumerate(packets) if packet.is_keyframe]
        cut = min(keys, key=lambda n: abs(n - 90))
        assert 80 < cut < 110
        for number, part in enumerate((packets[:cut], packets[cut:])):
            writer = SegmentWriter(folder, stream)
            for packet in part:
                writer.write(packet)
            moment = datetime(2026, 3, 1, 12, 0, round(cut / 10) * number, tzinfo=UTC)
            facts = {"gap": None, "is_first": number == 0, "num_dropped": 0}
            writer.finish("127.0.0.1_9_x", moment, **facts)
    return folder


def watch_recorded(output, segments, **given):
    """Watch the recorded segments of a camera that does not answer.

    Returns:
        The folder of the recorded files.
    """
    record = {"duration_seconds": 0.2, "open_seconds": 0.2, "read_seconds": 0.2}
    watched = made(["http://127.0.0.1:9/x"], output, record=record, **given)
    watched.run()
    folder = output / "segments" / "127.0.0.1_9_x"
    shutil.copytree(segments, folder, dirs_exist_ok=True)
    watched.run()
    return folder


def test_the_clip_of_an_event_begins_in_the_segment_before(segments, tmp_path):
    paths = sorted(segments.glob("*.mp4"))
    given = {**QUICK["alerts"], "before_seconds": 3}
    watch_recorded(tmp_path / "out", segments, alerts=given)
    second = alerts(tmp_path / "out")[-1]
    assert second["file"] == paths[1].name
    assert second["time"].startswith("2026-03-01T12:00:")
    with open_video(tmp_path / "out" / second["run"] / "event.mp4") as clip:
        start, end = second["window_seconds"]
        assert start == 0
        assert clip.info.duration_seconds == pytest.approx(end + 1 + 3, abs=0.3)
        first = clip.read([2]).frames[0]  # the square had not come yet
        later = clip.read([29]).frames[0]  # it is in the part from the segment before
    assert (first[..., 0].astype(int) - first[..., 1]).max() < 60
    assert (later[..., 0].astype(int) - later[..., 1]).max() > 120


@pytest.mark.parametrize(
    ("given", "num_kept"),
    [
        ({}, 2),
        ({"questions": [{**ALWAYS, "always": False, "pattern": "xyz"}]}, 0),
        ({"questions": [{**ALWAYS, "always": False, "pattern": "xyz"}], "keep": "all"}, 2),
        ({"redact": {"boxes": [[0, 0, 0.5, 0.5]]}}, 0),
    ],
)
def test_which_recorded_files_are_kept(segments, tmp_path, given, num_kept):
    quick = {"run": {**QUICK["run"], "render": False}}
    folder = watch_recorded(tmp_path / "out", segments, **quick, **given)
    assert len(list(folder.glob("*.mp4"))) == len(list(folder.glob("*.json"))) == num_kept


def test_input_files_are_never_removed(segments, tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(segments, mine)
    none = [{**ALWAYS, "always": False, "pattern": "xyz"}]
    result = made([mine], tmp_path / "other", questions=none).run()
    assert result.summary["num_files"] == 2
    assert all(read_segment(path) for path in mine.glob("*.mp4"))
    assert len(list(mine.iterdir())) == 4


def test_a_live_camera_is_recorded_and_watched(tmp_path):
    with LiveServer(coded_frames(25 * 9), (Drop(3, 1),)) as server:
        result = made(
            [server.url.replace("http://", "http://me:hunter2@")],
            tmp_path,
            record={"segment_seconds": 2, "duration_seconds": 7, "read_seconds": 2},
            alerts={**QUICK["alerts"], "cooldown_seconds": 60},
        ).run()
    (recorded,) = result.summary["recorded"].values()
    assert recorded["num_connections"] == 2
    assert recorded["num_gaps"] == 1
    assert result.summary["num_files"] == recorded["num_segments"]
    (alert,) = alerts(tmp_path)
    assert alert["time"] is not None
    numbers = read_numbers(tmp_path / alert["files"]["clip"])
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert not any(b"hunter2" in content for content in bytes_of(tmp_path).values())
    assert "hunter2" not in json.dumps(result.summary)


def test_a_camera_that_never_answers_fails_alone(yard, tmp_path):
    record = {"give_up_seconds": 0.1, "open_seconds": 0.3}
    result = made([yard, "http://127.0.0.1:9/x"], tmp_path, record=record).run()
    assert result.num_failed == 1
    assert "127.0.0.1_9_x" in result.summary["failed"]
    assert len(alerts(tmp_path)) == 1


@pytest.mark.slow
def test_inserted_events_and_nothing_else_raise_alerts_on_time(tmp_path):
    events = make_long_video(tmp_path / "long.mp4", seconds=150, num_events=3, seed=3)
    asked = [{"name": "any", "ask": QUESTION, "always": True}]
    given = {"questions": asked, "window_seconds": 30, "run": {**QUICK["run"], "render": False}}
    made([tmp_path / "long.mp4"], tmp_path / "out", **given).run()
    onsets = [alert["seconds"] for alert in alerts(tmp_path / "out")]
    assert onsets == pytest.approx([event.onset_seconds for event in events], abs=0.5)


@pytest.mark.slow
@pytest.mark.shared
def test_a_real_camera_from_end_to_end(tmp_path):
    clip = SHARED_MEDIA / "surveillance" / "vtest.avi"
    given = {"redact": {"motion": True}, "alerts": {"cooldown_seconds": 25}}
    result = made([clip], tmp_path, **given).run()
    assert result.summary["num_alerts"] >= 3
    for alert in alerts(tmp_path):
        assert alert["moving"]
        assert (tmp_path / alert["files"]["annotated"]).is_file()
        assert (tmp_path / alert["files"]["report"]).is_file()
