"""The installed command, in a process of its own, on real files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from tam_video.export.manifest import sha256

SAMPLE = Path(__file__).parents[2] / "samples" / "shapes.mp4"


def run(*args: object, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tam_video", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **env},
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "out"
    done = run("explain", SAMPLE, "-q", "Describe the video.", "-o", out, "--json")
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout)


def test_json_is_one_object_with_the_promised_keys(finished):
    out, document = finished
    named = {"run_dir", "answer", "tokens", "words", "profile", "calibration", "suspects", "files"}
    assert set(document) == named
    assert document["run_dir"] == str(out)
    drawn = {"video", "captions", "report", "clip", "thumb"}
    assert set(document["files"]) == {"explanation", "maps", "manifest", *drawn}
    spoken = "".join(t["text"] for t in document["tokens"] if t["role"] == "answer")
    assert spoken == document["answer"]
    assert [w["text"] for w in document["words"] if w["is_content"]]
    assert all(Path(path).is_file() for path in document["files"].values())


def test_manifest_lists_every_file_with_its_hash(finished):
    out, _ = finished
    files = json.loads((out / "manifest.json").read_text())["files"]
    assert set(files) == {p.name for p in out.iterdir()} - {"manifest.json"}
    for name, entry in files.items():
        assert entry["sha256"] == sha256(out / name)


def test_explanation_and_maps_agree(finished):
    out, _ = finished
    document = json.loads((out / "explanation.json").read_text())
    with np.load(out / "maps.npz", allow_pickle=False) as stored:
        grid = document["inputs"][0]["grid"]
        shape = (grid["t"], grid["h"], grid["w"])
        assert stored["maps"].shape == (len(document["tokens"]), *shape)
        assert stored["word_maps"].shape == (len(document["words"]), *shape)
        assert stored["maps"].dtype == np.float16
        assert np.isfinite(stored["maps"]).all()
        assert 0 <= stored["maps"].min() <= stored["maps"].max() <= 1
    answer = [t for t in document["tokens"] if t["role"] == "answer"]
    assert all(0 < t["probability"] <= 1 and len(t["candidates"]) == 3 for t in answer)
    assert document["settings"]["sampler"] == "native"
    assert document["versions"]["transformers"]


def test_annotated_video_has_the_sources_frames(finished):
    out, _ = finished
    with av.open(str(SAMPLE)) as source, av.open(str(out / "annotated.mp4")) as made:
        assert sum(1 for _ in made.decode(video=0)) == sum(1 for _ in source.decode(video=0))
        assert abs(made.duration - source.duration) <= 1e6 / 12
        assert made.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_existing_run_is_refused_with_a_hint(finished):
    out, _ = finished
    done = run("explain", SAMPLE, "-q", "Describe the video.", "-o", out)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "--force" in done.stderr


def test_render_needs_no_torch_and_reseals(finished, tmp_path):
    out = shutil.copytree(finished[0], tmp_path / "run")
    before = sha256(out / "annotated.mp4")
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None;"
        "from tam_video.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "render", str(out), "--word", "0", "--colormap", "inferno"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(out / "annotated.mp4")
    assert sha256(out / "annotated.mp4") != before
    files = json.loads((out / "manifest.json").read_text())["files"]
    assert files["annotated.mp4"]["sha256"] == sha256(out / "annotated.mp4")


def test_render_draws_layouts_previews_and_stills_and_seals_them(finished, tmp_path):
    out = shutil.copytree(finished[0], tmp_path / "run")
    options = ("--layout", "side", "--boxes", "--contours", "--threshold", "0.3")
    extras = ("--preview", "gif,webp", "--stills", "png,svg")
    done = run("render", out, *options, *extras, "--json")
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)["files"]
    assert {"preview_gif", "preview_webp", "stills_png", "stills_svg"} < set(files)
    sealed = json.loads((out / "manifest.json").read_text())["files"]
    assert set(sealed) == {p.name for p in out.iterdir()} - {"manifest.json"}
    with av.open(str(out / "annotated.mp4")) as made:
        assert made.streams.video[0].width == 2 * 320 + 8


def test_runs_are_drawn_side_by_side_and_nothing_is_overwritten(finished, tmp_path):
    other = shutil.copytree(finished[0], tmp_path / "other")
    compared = tmp_path / "new" / "compared.mp4"
    command = ("render", finished[0], other, "--layout", "compare", "-o", compared)
    done = run(*command, "--word", "ring")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(compared)
    assert sorted(p.name for p in compared.parent.iterdir()) == ["compared.mp4", "compared.vtt"]
    again = run(*command)
    assert again.returncode == 1
    assert "--force" in again.stderr
    assert run(*command, "--force").returncode == 0
    for wrong in (
        command[:-2],
        ("render", finished[0], other),
        ("render", finished[0], "--layout", "compare", "-o", compared),
        (*command[:-1], tmp_path / "compared.avi"),
    ):
        done = run(*wrong)
        assert done.returncode == 2
        assert "hint:" in done.stderr


def test_given_answer_is_explained_as_it_is(tmp_path):
    text = "A purple triangle."
    done = run("explain", SAMPLE, "-q", "What?", "--answer", text, "-o", tmp_path / "o", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["answer"] == text
    triangle = next(w for w in document["words"] if w["text"] == "triangle")
    assert len(triangle["token_indices"]) == 2


def test_conversation_of_several_turns(tmp_path):
    turns = [
        {"role": "user", "text": "What shape is the purple object?"},
        {"role": "assistant", "text": "The purple object is a triangle."},
        {"role": "user", "text": "How does it move?"},
    ]
    (tmp_path / "chat.json").write_text(json.dumps(turns))
    done = run("explain", SAMPLE, "--conversation", tmp_path / "chat.json", "-o", tmp_path / "o")
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "o/explanation.json").read_text())
    assert len(document["conversation"]) == 3
    prompt = "".join(t["text"] for t in document["tokens"] if t["role"] == "prompt")
    assert "triangle" in prompt
    assert "move" in prompt


def picture(path):
    with av.open(str(SAMPLE)) as source:
        next(source.decode(video=0)).to_image().save(path)
    return path


def test_a_picture_is_explained(tmp_path):
    out = tmp_path / "out"
    done = run("explain", picture(tmp_path / "p.png"), "-q", "What?", "-o", out, "--json")
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)["files"]
    drawn = {"video", "captions", "image", "report", "still", "thumb"}
    assert set(files) == {"explanation", "maps", "manifest", *drawn}
    document = json.loads((out / "explanation.json").read_text())
    (row,) = document["inputs"]
    assert row["video"]["is_image"]
    assert row["grid"]["t"] == 1


def test_two_clips_and_a_picture_in_one_conversation(tmp_path):
    picture(tmp_path / "p.png")
    shutil.copy(SAMPLE, tmp_path / "second.mp4")
    shows = [{"type": "video", "path": str(SAMPLE)}, {"type": "video", "path": "second.mp4"}]
    turns = [
        {"role": "user", "content": [*shows, {"type": "text", "text": "Describe the video."}]},
        {"role": "assistant", "text": "A purple triangle."},
        {
            "role": "user",
            "content": [{"type": "image", "path": "p.png"}, {"type": "text", "text": "And here?"}],
        },
    ]
    chat, out = tmp_path / "chat.json", tmp_path / "out"
    chat.write_text(json.dumps(turns))
    options = ("-n", "4", "--layer", "0.75", "--logits", "head", "--json", "-o", out)
    done = run("explain", "--conversation", chat, *options)
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)["files"]
    names = [f"{kind}{end}" for kind in ("video", "captions") for end in ("", "_1", "_2")]
    shown = {"report", "clip", "clip_1", "still_2", "thumb", "image_2"}
    assert set(files) == {"explanation", "maps", "manifest", *shown, *names}
    document = json.loads((out / "explanation.json").read_text())
    assert [turn["inputs"] for turn in document["conversation"]] == [[0, 1], [], [2]]
    assert [row["grid"]["t"] for row in document["inputs"][1:]] == [2, 1]
    assert document["settings"]["layer"] == 0.75
    sealed = json.loads((out / "manifest.json").read_text())["files"]
    assert set(sealed) == {p.name for p in out.iterdir()} - {"manifest.json"}

    drawn = run("render", out, "--word", "0")
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout.split() == [files[name] for name in ("video", "video_1", "video_2")]
    moved = tmp_path / "moved.mp4"
    (tmp_path / "second.mp4").rename(moved)
    assert run("render", out).returncode == 1
    paths = [item for path in (SAMPLE, moved, tmp_path / "p.png") for item in ("--video", path)]
    drawn = run("render", out, *paths)
    assert drawn.returncode == 0, drawn.stderr

    both = run("explain", SAMPLE, "--conversation", chat, "-o", tmp_path / "o")
    assert both.returncode == 2
    assert "is also given" in both.stderr


def test_several_files_and_one_question(tmp_path):
    out = tmp_path / "out"
    done = run("explain", SAMPLE, picture(tmp_path / "p.png"), "-q", "What?", "-n", "2", "-o", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == [
        str(out / "annotated.mp4"),
        str(out / "annotated_1.mp4"),
    ]


def test_a_question_without_a_file_is_wrong_usage():
    done = run("explain", "-q", "What?")
    assert done.returncode == 2
    assert "no video or image" in done.stderr


@pytest.mark.parametrize(
    "name", ["empty", "text", "audio_only", "missing", "playlist", "no_moov", "corrupt_mid"]
)
def test_what_is_no_video_gives_one_line_and_nothing_else(clips, tmp_path, name):
    out = tmp_path / "out"
    done = run("explain", clips.path(name), "-q", "What?", "-o", out)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert "hint:" in lines[0]
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_error_is_json_too(tmp_path):
    done = run("explain", tmp_path / "none.mp4", "-q", "What?", "--json")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error["type"] == "VideoOpenError"
    assert error["hint"]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-q", "What?", "--conversation", "x.json"],
        ["-q", "What?", "--num-frames", "0"],
        ["-q", "What?", "--colormap", "mud"],
        ["-q", "What?", "--start", "abc"],
        ["-q", "What?", "--layer", "last"],
        ["-q", "What?", "--logits", "tail"],
        ["-q", "What?", "--nonsense"],
    ],
)
def test_wrong_usage_has_exit_code_two(options, tmp_path):
    done = run("explain", SAMPLE, *options, "-o", tmp_path / "o")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_missing_hub_model_names_the_download(tmp_path):
    done = run(
        "explain", SAMPLE, "-q", "What?", "-m", "Qwen/Qwen2.5-VL-3B-Instruct", "-o", tmp_path / "o"
    )
    assert done.returncode == 1
    assert "download Qwen/Qwen2.5-VL-3B-Instruct" in done.stderr


def test_render_of_no_run_is_told(tmp_path):
    done = run("render", tmp_path)
    assert done.returncode == 1
    assert "not a finished run" in done.stderr
