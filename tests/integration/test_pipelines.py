"""video-qa and annotated-clip with the embedded model, from presets, on one clip and on several."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest
from damage import change_a_byte

from tam_video.datasets.worlds import make_world, write_scene
from tam_video.errors import (
    ConfigError,
    MissingDependencyError,
    OutputExistsError,
    UnknownNameError,
    VideoOpenError,
)
from tam_video.export.manifest import verify_run
from tam_video.pipelines.annotated_clip import AnnotatedClip
from tam_video.pipelines.preset import load_pipeline, read_preset
from tam_video.pipelines.video_qa import VideoQa

CHECKOUT = Path(__file__).parents[2]
SHORT = {"run.num_frames": 4, "run.max_new_tokens": 6}


def made(name, **overrides):
    options = read_preset(CHECKOUT / "pipelines" / f"{name}.toml", overrides=SHORT | overrides)
    return load_pipeline(options.pipeline).from_options(options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    clips = tmp_path_factory.mktemp("clips")
    for number in range(2):
        write_scene(make_world("base", 720 + number), clips / f"clip{number}.mp4")
    return clips


def names(path):
    return {each.name for each in path.iterdir()}


def test_one_question_about_one_clip_writes_a_run_folder(folder, tmp_path):
    stages = []
    pipeline = made(
        "video_qa",
        inputs=[str(folder / "clip0.mp4")],
        output=str(tmp_path / "out"),
        formats=["vtt"],
    )
    result = pipeline.run(progress=lambda stage, done, total: stages.append(stage))
    assert result.opens == tmp_path / "out" / "report.html"
    assert result.opens.is_file()
    assert verify_run(tmp_path / "out")
    assert {"annotated.mp4", "maps.npz", "export"} <= names(tmp_path / "out")
    assert result.summary["answer"]
    assert {"generate", "render", "report", "export"} <= set(stages)
    with pytest.raises(OutputExistsError, match="is a finished run"):
        pipeline.run()


def test_files_that_are_not_kept_are_removed(folder, tmp_path):
    out, clip = tmp_path / "out", str(folder / "clip0.mp4")
    result = made("video_qa", inputs=[clip], output=str(out), keep=[]).run()
    assert names(out) == {"explanation.json", "manifest.json"}
    assert verify_run(out)
    assert result.opens == out
    again = made("video_qa", inputs=[clip], output=str(out), keep=["mp4"]).run(force=True)
    assert names(out) == {"explanation.json", "manifest.json", "annotated.mp4"}
    assert again.opens == out / "annotated.mp4"


def test_several_questions_and_clips_are_resumed(folder, tmp_path):
    clips, out = tmp_path / "clips", tmp_path / "out"
    clips.mkdir()
    shutil.copy(folder / "clip0.mp4", clips)
    (clips / "broken.mp4").write_bytes((folder / "clip0.mp4").read_bytes()[:900])
    given = {
        "inputs": [str(clips)],
        "output": str(out),
        "questions": ["Describe the video.", "How many objects are there?"],
        "formats": ["coco"],
    }
    first = made("video_qa", **given).run()
    assert first.num_failed == 2
    assert (first.summary["done"], first.summary["resumed"]) == (2, 0)
    assert first.warnings[0].startswith("broken#1: VideoOpenError: ")
    assert first.opens == out / "index.html"
    assert len(list(out.glob("runs/*/export/coco.json"))) == 2
    shutil.copy(folder / "clip1.mp4", clips / "broken.mp4")
    second = made("video_qa", **given).run()
    assert second.num_failed == 0
    assert (second.summary["done"], second.summary["resumed"]) == (4, 2)
    other = made("video_qa", **given, **{"run.seed": 1})
    with pytest.raises(OutputExistsError, match="other settings: seed"):
        other.run()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"notes\.txt"):
        other.run(force=True)
    (out / "notes.txt").unlink()
    assert other.run(force=True).summary["resumed"] == 0


@pytest.mark.parametrize("name", ["video_qa", "annotated_clip"])
def test_a_changed_file_of_a_batch_is_noticed_with_verify(folder, tmp_path, name):
    out = tmp_path / "out"
    given = {"inputs": [str(folder)], "output": str(out), "run.speed_preset": "ultrafast"}
    given |= {"keep_runs": True} if name == "annotated_clip" else {"keep": ["mp4"]}
    made(name, **given).run()
    drawn = next(out.rglob("runs/clip1-*/annotated.mp4"))
    before = change_a_byte(drawn)
    made(name, **given).run()
    assert drawn.read_bytes() != before
    result = made(name, **given, verify=True).run()
    assert result.num_failed == 0
    assert drawn.read_bytes() == before
    if name == "video_qa":
        assert result.summary["resumed"] == 1
    else:
        assert (out / "clip1.mp4").read_bytes() == before


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"formats": ["cocoo"]}, UnknownNameError, "cocoo"),
        ({"formats": ["coco"], "keep": ["mp4"]}, ConfigError, "'formats' needs maps"),
        ({"stride_seconds": 1.0}, ConfigError, "'stride_seconds' needs 'window_seconds'"),
        (
            {"window_seconds": 1.0, "formats": ["coco"]},
            ConfigError,
            "'window_seconds' can't be combined",
        ),
    ],
)
def test_options_are_checked_before_the_run(given, error, message):
    with pytest.raises(error, match=message):
        made("video_qa", **given)


def test_a_long_clip_is_explained_window_by_window(folder, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    inputs = [str(folder / "clip0.mp4"), str(tmp_path / "broken.mp4")]
    given = {"window_seconds": 2.0, "run.render": False, "keep": ["maps"]}
    result = made("video_qa", inputs=inputs, output=str(tmp_path / "out"), **given).run()
    assert (tmp_path / "out" / "clip0" / "question_1" / "timeline.json").is_file()
    assert result.num_failed == 1
    assert result.warnings[0].startswith("broken: VideoOpenError")


def test_a_changed_file_of_a_window_is_noticed_with_verify(folder, tmp_path):
    given = {"inputs": [str(folder / "clip0.mp4")], "output": str(tmp_path / "out")}
    given |= {"window_seconds": 2.0, "run.render": False, "keep": ["maps"]}
    made("video_qa", **given).run()
    maps = next((tmp_path / "out").rglob("maps.npz"))
    before = change_a_byte(maps)
    made("video_qa", **given).run()
    assert maps.read_bytes() != before
    made("video_qa", **given, verify=True).run()
    assert verify_run(maps.parent, hashes=True)


def test_a_missing_package_of_a_format_is_reported_before_the_run(monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingDependencyError):
        made("video_qa", formats=["zarr"])


def test_an_annotated_clip_is_named_after_its_source_and_written_alone(folder, tmp_path):
    clip, out = folder / "clip0.mp4", tmp_path / "new" / "out"
    pipeline = made("annotated_clip", inputs=[str(clip)], output=str(out))
    result = pipeline.run()
    assert names(out) == {"clip0.mp4", "clip0.vtt"}
    assert names(out.parent) == {"out"}
    assert result.opens == out / "clip0.mp4"
    with av.open(str(clip)) as source, av.open(str(result.opens)) as drawn:
        frames = [sum(1 for _ in each.decode(video=0)) for each in (source, drawn)]
    assert frames[0] == frames[1]
    before = result.opens.stat().st_mtime_ns
    with pytest.raises(OutputExistsError, match=r"clip0\.mp4 already exists"):
        pipeline.run()
    assert result.opens.stat().st_mtime_ns == before
    pipeline.run(force=True)
    assert result.opens.stat().st_mtime_ns != before


def test_an_input_is_never_replaced(folder, tmp_path):
    clip = tmp_path / "clip.mp4"
    shutil.copy(folder / "clip0.mp4", clip)
    pipeline = made("annotated_clip", inputs=[str(clip)], output=str(tmp_path))
    with pytest.raises(OutputExistsError, match="is an input"):
        pipeline.run(force=True)
    assert clip.read_bytes() == (folder / "clip0.mp4").read_bytes()


def test_an_unreadable_clip_leaves_no_files(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    out = tmp_path / "out"
    pipeline = made("annotated_clip", inputs=[str(tmp_path / "broken.mp4")], output=str(out))
    with pytest.raises(VideoOpenError):
        pipeline.run()
    assert names(tmp_path) == {"broken.mp4"}


def test_an_image_and_extra_files_are_named_after_their_source(tmp_path):
    from PIL import Image

    Image.new("RGB", (96, 64), (90, 120, 150)).save(tmp_path / "plan.png")
    given = {"output": str(tmp_path / "out"), "run.stills": ["png"], "keep_runs": True}
    result = made("annotated_clip", inputs=[str(tmp_path / "plan.png")], **given).run()
    assert result.opens.name == "plan.png"
    drawn = {"plan.png", "plan.mp4", "plan.vtt", "plan-stills.png"}
    assert names(tmp_path / "out") == drawn | {"runs"}
    assert verify_run(tmp_path / "out" / "runs" / "plan")


def test_several_clips_are_annotated_and_failed_ones_are_retried(folder, tmp_path):
    clips, out = tmp_path / "clips", tmp_path / "out"
    clips.mkdir()
    shutil.copy(folder / "clip0.mp4", clips)
    (clips / "broken.mp4").write_bytes(b"no video")
    pipeline = made("annotated_clip", inputs=[str(clips)], output=str(out))
    assert pipeline.run().num_failed == 1
    assert names(out) == {"clip0.mp4", "clip0.vtt", ".runs"}
    shutil.copy(folder / "clip1.mp4", clips / "broken.mp4")
    result = pipeline.run()
    assert (result.num_failed, result.summary["done"], result.opens) == (0, 2, out)
    assert names(out) == {"clip0.mp4", "clip0.vtt", "broken.mp4", "broken.vtt"}
    with pytest.raises(OutputExistsError, match=r"\.mp4 already exists"):
        pipeline.run()


def test_annotated_clip_without_rendering_is_refused():
    with pytest.raises(ConfigError, match="needs rendering"):
        made("annotated_clip", **{"run.render": False})


def test_options_of_another_pipeline_are_refused():
    options = read_preset(CHECKOUT / "pipelines" / "video_qa.toml")
    assert VideoQa.from_options(options).options is options
    with pytest.raises(ValueError, match="AnnotatedClipOptions"):
        AnnotatedClip.from_options(options)


def test_the_readme_command_runs_on_the_samples(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tam_video", "run", str(CHECKOUT / "pipelines" / "video_qa.toml")],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "video_qa_out/report.html\n"
    assert (tmp_path / "video_qa_out" / "report.html").is_file()
    assert "render 100%" in done.stderr


@pytest.mark.shared
def test_a_real_clip_is_annotated_with_all_its_frames(tmp_path):
    clip = CHECKOUT.parent / "shared" / "media" / "general" / "carphone_pristine.mp4"
    made("annotated_clip", inputs=[str(clip)], output=str(tmp_path / "out")).run()
    with av.open(str(tmp_path / "out" / "carphone_pristine.mp4")) as drawn:
        assert sum(1 for _ in drawn.decode(video=0)) == 120
