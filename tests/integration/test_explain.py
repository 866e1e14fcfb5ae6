"""From any file to a run folder, with the embedded model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import av
import numpy as np
import pytest
from odd_clips import BAD_FILES, ODD_CLIPS

import tam_video
from tam_video import errors
from tam_video.config import RunConfig
from tam_video.export.document import read_explanation
from tam_video.video.reader import open_video
from tam_video.video.source import file_fingerprint

SHARED_MEDIA = Path(__file__).parents[2] / "../shared/media"
REAL_CLIPS = sorted(path for path in SHARED_MEDIA.glob("*/*") if path.suffix in (".mp4", ".avi"))
SAMPLE = Path(__file__).parents[2] / "samples" / "shapes.mp4"
README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def model():
    return tam_video.load_model("tiny")


def audio_packets(path):
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        return [bytes(p) for p in container.demux(container.streams.audio[0]) if p.size]


def check_run(source, run):
    """The annotated clip has the source's frames, duration and sound; the maps are sound."""
    with open_video(source) as before, open_video(run.files["video"]) as after:
        assert abs(after.info.num_frames - before.info.num_frames) <= 1
        frame = before.info.duration_seconds / before.info.num_frames
        assert after.info.duration_seconds == pytest.approx(
            before.info.duration_seconds, abs=frame + 1e-3
        )
        assert after.info.codec == "h264"
        assert after.info.pixel_format == "yuv420p"
        assert after.info.rotation_degrees == 0
        last = after.read([after.info.num_frames - 1])
        assert last.frames.any()
    maps = run.explanation.maps
    assert np.isfinite(maps).all()
    assert 0 <= maps.min() <= maps.max() <= 1
    assert read_explanation(run.run_dir).tokens == run.explanation.tokens


@pytest.mark.parametrize("name", ODD_CLIPS)
def test_every_odd_clip_is_explained(clips, tmp_path, model, name):
    path = clips.path(name)
    run = tam_video.explain_to_folder(path, tmp_path / "out", "Describe the video.", model=model)
    check_run(path, run)
    if name == "audio":
        assert audio_packets(run.files["video"]) == audio_packets(path)


@pytest.mark.shared
@pytest.mark.parametrize("path", REAL_CLIPS, ids=[path.stem for path in REAL_CLIPS])
def test_every_real_clip_is_explained(path, tmp_path, model):
    run = tam_video.explain_to_folder(path, tmp_path / "out", "Describe the video.", model=model)
    check_run(path, run)
    assert audio_packets(run.files["video"]) == audio_packets(path)


@pytest.mark.parametrize("name", BAD_FILES)
def test_every_bad_file_is_a_typed_error_and_leaves_nothing(clips, tmp_path, model, name):
    with pytest.raises(getattr(errors, BAD_FILES[name].error)) as caught:
        tam_video.explain_to_folder(clips.path(name), tmp_path / "out", "What?", model=model)
    assert caught.value.hint
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        {"num_frames": 8},
        {"num_frames": 1},
        {"num_frames": 7},
        {"fps": 2.0},
        {"timestamps": (0.5, 1.0, 3.2)},
        {"sampler": "keyframes"},
        {"start_seconds": 1.0, "end_seconds": 3.0},
        {"reader": "decord"},
        {"profile": "reference"},
        {"layer": 1},
        {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "seed": 3},
    ],
    ids=str,
)
def test_settings_reach_their_stage(model, options):
    config = RunConfig(**options)
    result = tam_video.explain(SAMPLE, "Describe the video.", model=model, config=config)
    assert result.answer
    assert result.layout.t == -(-len(result.indices) // 2)
    assert np.all(np.diff(result.indices) >= 0)
    if "start_seconds" in options:
        assert result.pts_seconds.min() >= 1.0
        assert result.pts_seconds.max() < 3.0
    if "num_frames" in options:
        assert len(result.indices) == options["num_frames"]
    assert json.loads(json.dumps(dict(result.settings)))


def test_greedy_answers_are_the_same_twice(model):
    one = tam_video.explain(SAMPLE, "Describe the video.", model=model)
    two = tam_video.explain(SAMPLE, "Describe the video.", model=model)
    assert one.answer == two.answer
    np.testing.assert_array_equal(one.maps, two.maps)


def test_forcing_the_generated_answer_gives_the_generated_maps(model):
    generated = tam_video.explain(SAMPLE, "Describe the video.", model=model)
    forced = tam_video.explain(SAMPLE, "Describe the video.", model=model, answer=generated.answer)
    assert [t.id for t in forced.tokens] == [t.id for t in generated.tokens]
    np.testing.assert_allclose(forced.maps, generated.maps, atol=2e-3)


def test_too_many_frames_are_refused_with_a_hint(model):
    config = RunConfig(sampler="all", max_frames=10)
    with pytest.raises(errors.ConfigError, match="48 frames") as caught:
        tam_video.explain(SAMPLE, "What?", model=model, config=config)
    assert "--num-frames" in caught.value.hint


def test_stages_report_progress_and_time(model):
    seen = []
    result = tam_video.explain(
        SAMPLE, "What?", model=model, progress=lambda stage, done, total: seen.append(stage)
    )
    assert seen[:1] == ["open"]
    assert set(result.timings) == set(seen)


def files_in_readme():
    """The file names in the README's table of a run folder."""
    section = README.read_text(encoding="utf-8").partition("## What a run folder holds")[2]
    rows = [
        line.split("|")[1] for line in section.partition("\n## ")[0].splitlines() if "|" in line
    ]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_the_python_call_writes_every_file_of_the_readme(tmp_path, model):
    run = tam_video.explain_to_folder(SAMPLE, tmp_path / "out", "Describe the video.", model=model)
    written = {path.name for path in run.run_dir.iterdir()}
    assert written == files_in_readme()
    assert {path.name for path in run.files.values()} == written - {"report.json"}
    sealed = json.loads((tmp_path / "out/manifest.json").read_text())["files"]
    assert set(sealed) == written - {"manifest.json"}
    (row,) = json.loads((tmp_path / "out/explanation.json").read_text())["inputs"]
    assert row["fingerprint"] == file_fingerprint(SAMPLE)


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ((), set()),
        (("maps", "captions"), {"maps.npz", "captions.vtt"}),
        (("report",), {"report.html", "report.json", "clip.mp4", "thumb.jpg"}),
    ],
)
def test_only_the_chosen_outputs_are_written(tmp_path, model, outputs, expected):
    run = tam_video.explain_to_folder(
        SAMPLE, tmp_path / "out", "Describe the video.", model=model, outputs=outputs
    )
    written = {path.name for path in run.run_dir.iterdir()}
    assert written == {"explanation.json", "manifest.json", *expected}


def test_an_unknown_output_is_refused_before_the_model_runs(tmp_path):
    with pytest.raises(errors.ConfigError, match="unknown outputs: pdf"):
        tam_video.explain_to_folder(
            SAMPLE, tmp_path / "out", "What?", model="/nowhere", outputs=("pdf",)
        )
    assert not (tmp_path / "out").exists()
