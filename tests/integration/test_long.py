"""A long video with the embedded model: from a file to one timeline, one film, one page."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner
from long_clips import FPS, HEIGHT, WIDTH, write_still_camera

import benchmarks.long_video as bench
import tam_video
from tam_video.cli import cli
from tam_video.config import RunConfig
from tam_video.errors import (
    ConfigError,
    MissingDependencyError,
    ModelLoadError,
    OutputExistsError,
    VideoDecodeError,
    VideoOpenError,
)
from tam_video.export.document import read_explanation
from tam_video.export.manifest import verify_run
from tam_video.long import LongOptions, explain_long
from tam_video.long.gate import active_spans, looks
from tam_video.long.survey import scene_borders
from tam_video.long.windows import WindowOptions
from tam_video.video.reader import ReadLimits, open_video
from tam_video.workspace.files import take_lock

QUESTION = "Describe the video."
EVENTS = ((10.0, 14.0), (30.0, 37.0))
CONFIG = RunConfig(num_frames=4, speed_preset="ultrafast")
OVERLAPPING = LongOptions(WindowOptions(4, 2))


@pytest.fixture(scope="module")
def model():
    return tam_video.load_model("tiny")


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    path = tmp_path_factory.mktemp("camera") / "<b>&hall.mp4"
    return write_still_camera(path, seconds=45, events=EVENTS)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    return write_still_camera(tmp_path_factory.mktemp("camera") / "empty.mp4", seconds=20)


@pytest.fixture(scope="module")
def finished(camera, model, tmp_path_factory):
    """What a whole run of overlapping windows gave."""
    folder = tmp_path_factory.mktemp("long") / "out"
    return explain_long(camera, folder, QUESTION, model=model, config=CONFIG, options=OVERLAPPING)


def test_windows_cover_the_motion_and_nothing_else(finished):
    assert len(finished.timeline["gate"]["spans"]) == 2
    for window in (each.window for each in finished.windows):
        assert any(
            begin - 2 <= window.start_seconds and window.end_seconds <= end + 2.5
            for begin, end in EVENTS
        )
    for begin, end in EVENTS:
        holding = [w.window for w in finished.windows if w.window.start_seconds < end]
        assert any(w.start_seconds <= begin <= w.end_seconds for w in holding)


def test_each_window_is_a_run_folder_with_its_own_report(finished):
    for each in finished.windows:
        explanation = read_explanation(each.run_dir)
        times = explanation.pts_seconds - explanation.info.start_seconds
        assert each.window.start_seconds <= times[0] <= times[-1] < each.window.end_seconds
        assert explanation.answer == each.answer
        page = (each.run_dir / "report.html").read_text(encoding="utf-8")
        assert "../../report.html" in page
        with open_video(each.run_dir / "clip.mp4") as clip:
            assert clip.info.duration_seconds < 6


def test_words_have_times_of_the_whole_video(finished):
    rows = finished.timeline["windows"]
    assert json.loads((finished.folder / "timeline.json").read_text()) == finished.timeline
    for row in rows:
        assert row["words"]
        for word in row["words"]:
            start, end = word["span_seconds"]
            assert row["start_seconds"] - 1e-3 <= start < end <= row["end_seconds"] + 1e-3


def test_film_shows_every_explained_moment_once(finished):
    film = finished.timeline["film"]
    assert [row["window"] for row in film] == sorted(row["window"] for row in film)
    explained = sum(
        span["end_seconds"] - span["start_seconds"] for span in finished.timeline["gate"]["spans"]
    )
    with open_video(finished.files["video"]) as reader:
        assert reader.info.width >= WIDTH
        assert reader.info.height > HEIGHT
        assert reader.info.duration_seconds == pytest.approx(explained, abs=2 / FPS)
        assert reader.info.num_frames == pytest.approx(explained * FPS, abs=3)
    captions = finished.files["captions"].read_text()
    assert captions.startswith("WEBVTT")
    assert finished.files["answers"].read_text().count("-->") == len(film)


def test_page_escapes_its_texts(finished):
    page = finished.files["report"].read_text(encoding="utf-8")
    assert "<b>&hall" not in page
    assert "&lt;b&gt;&amp;hall.mp4" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")


def test_finished_job_runs_no_model(finished, camera, model, monkeypatch):
    monkeypatch.setattr(model, "generate", None)
    again = explain_long(
        camera, finished.folder, QUESTION, model=model, config=CONFIG, options=OVERLAPPING
    )
    assert all(each.is_resumed for each in again.windows)
    assert again.timeline == finished.timeline


def test_stopped_run_is_resumed(finished, camera, model, tmp_path, monkeypatch):
    folder = shutil.copytree(finished.folder, tmp_path / "out")
    for name in ("timeline.json", "report.html", "annotated.mp4"):
        (folder / name).unlink()
    lost = folder / finished.timeline["windows"][1]["run"]
    shutil.rmtree(lost)
    (lost.parent / f".{lost.name}.abc").mkdir()
    calls = []
    generate = model.generate
    monkeypatch.setattr(model, "generate", lambda *a, **k: calls.append(1) or generate(*a, **k))
    again = explain_long(camera, folder, QUESTION, model=model, config=CONFIG, options=OVERLAPPING)
    assert len(calls) == 1
    assert [each.is_resumed for each in again.windows].count(False) == 1
    assert again.timeline == finished.timeline
    assert (folder / "annotated.mp4").is_file()


@pytest.mark.parametrize("damage", ["manifest", "missing", "truncated", "changed"])
def test_a_damaged_window_is_explained_again(
    finished, camera, model, tmp_path, monkeypatch, damage
):
    folder = shutil.copytree(finished.folder, tmp_path / "out")
    run_dir = folder / finished.timeline["windows"][1]["run"]
    maps = run_dir / "maps.npz"
    content = maps.read_bytes()
    if damage == "manifest":
        (run_dir / "manifest.json").unlink()
    elif damage == "missing":
        maps.unlink()
    elif damage == "truncated":
        maps.write_bytes(content[:100])
    else:
        maps.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    calls = []
    generate = model.generate
    monkeypatch.setattr(model, "generate", lambda *a, **k: calls.append(1) or generate(*a, **k))
    again = explain_long(
        camera,
        folder,
        QUESTION,
        model=model,
        config=CONFIG,
        options=OVERLAPPING,
        verify=damage == "changed",
    )
    assert len(calls) == 1
    assert again.timeline == finished.timeline
    assert verify_run(run_dir, hashes=True)


def test_other_settings_or_another_folder_are_refused(finished, camera, model, tmp_path):
    with pytest.raises(OutputExistsError, match="turns"):
        explain_long(
            camera, finished.folder, "Who?", model=model, config=CONFIG, options=OVERLAPPING
        )
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError):
        explain_long(camera, tmp_path, QUESTION, model=model)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_has_one_process_at_a_time(empty, tmp_path):
    lock = take_lock(tmp_path / "out" / ".lock", folder=tmp_path)
    with pytest.raises(ConfigError, match="another process is using"):
        explain_long(empty, tmp_path / "out", QUESTION, config=CONFIG)
    with pytest.raises(ConfigError, match="another process is using"):
        explain_long(empty, tmp_path / "out", QUESTION, config=CONFIG, force=True)
    os.close(lock)
    assert explain_long(empty, tmp_path / "out", QUESTION, config=CONFIG).windows == ()


def test_nothing_moved_is_a_result_without_a_model(empty, tmp_path):
    result = explain_long(
        empty, tmp_path / "out", QUESTION, config=RunConfig(model="/no/such/model")
    )
    assert result.windows == ()
    assert result.timeline["nothing_moved"]
    assert set(result.files) == {"timeline", "report"}
    assert "Nothing moved" in result.files["report"].read_text()


def test_whole_film_includes_unexplained_parts(camera, model, tmp_path):
    options = replace(OVERLAPPING, film="whole", report=False, windows=WindowOptions(30))
    config = RunConfig(
        num_frames=2, speed_preset="ultrafast", boxes=True, start_seconds=5, end_seconds=20
    )
    result = explain_long(
        camera, tmp_path / "out", QUESTION, model=model, config=config, options=options
    )
    assert [row["window"] for row in result.timeline["film"]] == [None, 0, None]
    assert result.timeline["film"][0]["source_seconds"] == pytest.approx(5, abs=1 / FPS)
    with open_video(result.files["video"]) as reader:
        assert reader.info.duration_seconds == pytest.approx(15, abs=1 / FPS)


def test_failed_window_is_reported_and_retried(camera, model, tmp_path, monkeypatch):
    generate, calls = model.generate, []

    def failing_once(*args, **kwargs):
        calls.append(1)
        if len(calls) == 1:
            raise VideoDecodeError("frame 7 can't be decoded")
        return generate(*args, **kwargs)

    monkeypatch.setattr(model, "generate", failing_once)
    options = LongOptions(WindowOptions(30), report=False)
    config = RunConfig(num_frames=2, render=False)
    arguments = {"model": model, "config": config, "options": options}
    first = explain_long(camera, tmp_path / "out", QUESTION, **arguments)
    assert [row["status"] for row in first.timeline["windows"]] == ["failed", "done"]
    assert len(first.failed) == 1
    again = explain_long(camera, tmp_path / "out", QUESTION, **arguments)
    assert not again.failed
    assert len(calls) == 3


def test_model_that_fails_at_every_window_is_an_error(camera, tmp_path):
    with pytest.raises(ModelLoadError):
        explain_long(camera, tmp_path / "out", QUESTION, config=RunConfig(model="/no/such/model"))


def test_invalid_settings_of_windows_are_refused(camera, tmp_path, clips):
    with pytest.raises(ConfigError, match="timestamps"):
        explain_long(camera, tmp_path / "a", QUESTION, config=RunConfig(timestamps=(1.0,)))
    with pytest.raises(ConfigError, match="words"):
        explain_long(camera, tmp_path / "b", QUESTION, config=RunConfig(layout="words"))
    with pytest.raises(ConfigError, match="ends at 45"):
        explain_long(camera, tmp_path / "e", QUESTION, config=RunConfig(start_seconds=50))
    with pytest.raises(VideoOpenError):
        explain_long(clips.path("text"), tmp_path / "c", QUESTION)
    with pytest.raises(VideoOpenError):
        explain_long(camera, tmp_path / "d", QUESTION, limits=ReadLimits(max_frames=10))
    assert not (tmp_path / "b").exists()


def test_scenes_begin_where_the_picture_changes(tmp_path):
    path = write_still_camera(tmp_path / "cut.mp4", seconds=9, cuts=(3, 6.2))
    assert list(scene_borders(path)) == pytest.approx([3, 6.2], abs=1.01 / FPS)


def test_scenes_need_their_library(camera, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "scenedetect", None)
    monkeypatch.setattr("tam_video.long.survey.find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match="PySceneDetect"):
        explain_long(
            camera,
            tmp_path / "out",
            QUESTION,
            options=LongOptions(WindowOptions(30, by_scene=True)),
        )


def run(*args):
    return CliRunner().invoke(cli, ["explain", *map(str, args)])


def test_command_prints_windows_or_one_object(camera, empty, tmp_path):
    arguments = ("-q", QUESTION, "-n", 2, "--no-video", "--no-report", "--quiet")
    record = run(camera, *arguments, "--window", "0:30", "-o", tmp_path / "a", "--json")
    assert record.exit_code == 0, record.stderr
    document = json.loads(record.stdout)
    assert [row["status"] for row in document["windows"]] == ["done", "done"]
    assert document["run_dir"] == str(tmp_path / "a")
    record = run(camera, *arguments, "--window", "30s", "-o", tmp_path / "a")
    assert record.exit_code == 0
    assert len(record.stdout.splitlines()) == 3
    record = run(empty, *arguments, "--window", "30", "-o", tmp_path / "b")
    assert record.exit_code == 0
    assert "no motion" in record.stdout


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("--stride", "5s"), "--window"),
        (("--no-gate",), "--window"),
        (("--check-hashes",), "--window"),
        (("--window", "soon"), "soon"),
        (("--window", "0s"), "0s"),
        (("--window", "1m", "--answer", "Yes."), "answer"),
    ],
)
def test_command_refuses_invalid_options(camera, wrong, message):
    record = run(camera, "-q", QUESTION, *wrong)
    assert record.exit_code == 2
    assert message in record.stderr


def test_events_in_a_minute_are_detected(tmp_path):
    """Short form of `python -m benchmarks.long_video`."""
    path = tmp_path / "planted.mp4"
    events = bench.make_long_video(path, seconds=60, num_events=1)
    spans = active_spans(looks(path))
    assert len(spans) == len(events) == 1
    assert spans[0].start_seconds + 1 == pytest.approx(events[0].onset_seconds, abs=0.55)
